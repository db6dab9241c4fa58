"""A host on loopback that behaves as Render's API does, around the demo's real application, worker and databases.

Its answers have the form of recorded ones, and its faults those that such an API has; it is meant to be called by the same
client that calls Render.
"""
