"""The project's own checklists, ticked with the steps of the run: what a line means is decided by pure functions."""
