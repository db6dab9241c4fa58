"""The ten tasks as data and small functions, and the state of a run as a fold over its events."""
