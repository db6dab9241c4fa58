"""Task 6: the maintenance window and who is there."""
