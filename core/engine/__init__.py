"""Runs the steps of a run on a loop of its own, and serves clients: commands in, events and readings out."""
