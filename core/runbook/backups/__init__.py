"""Tasks 3 and 6.5: the backup, its proof, and the way back through it."""
