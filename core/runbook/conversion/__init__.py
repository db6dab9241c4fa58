"""Tasks 4, 5 and 7.3: the conversion decided, rehearsed, done and undone."""
