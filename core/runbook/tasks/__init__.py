"""The ten tasks of the recovery as data, one module a task."""
