"""Backups: taken, kept, proved by restore, taken off the machine."""
