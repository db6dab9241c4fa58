"""Change the type of key columns, with everything that depends on them taken off, put back and proved."""
