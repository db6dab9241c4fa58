"""Task 2: what is asked of production, and what was found."""
