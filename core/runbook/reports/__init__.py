"""What a run has come to, in words."""
