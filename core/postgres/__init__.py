"""Everything that talks to a PostgreSQL server, and the plain data that it returns."""
