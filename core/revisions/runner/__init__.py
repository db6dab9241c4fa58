"""What the application's own interpreter runs: its Alembic history, reported as one JSON object a line.

A stand-alone package for Python 3.8+, Alembic 1.8+ and SQLAlchemy 1.4+ that imports nothing of pgrecast, started by its
directory (`python .../runner`). Standard input brings the request, one JSON object, and later a line for each step to go
on; what was standard output takes the events. Everything that the application prints goes to standard error, so that any
wrapper (`uv run python`) will do.

Requests by `command`: graph, preview, replay, upgrade. The last event is `done` or `failed`.
"""
