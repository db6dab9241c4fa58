"""The service around the database: whether it serves."""
