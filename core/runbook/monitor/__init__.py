"""Task 8: production watched after the conversion. Looks touch the world; what they saw, and what of it is bad, is plain data."""
