"""Task 9: the project's documents brought up to date. What they say is a pure function of the run's facts; writing is asked for."""
