"""Columns that hold keys without a foreign key: by name, by type, by use in stored texts, and by a sample of their values.

`find` decides, from the catalog and what was read beforehand (`Clues`); `comparisons` and `samples` gather that.
"""
