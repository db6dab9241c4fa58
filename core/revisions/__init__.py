"""Which Alembic revision is a schema really at, and how does it get to the next?

The application's code (its revisions, its env.py) runs only in a process and an environment of its own: application.py says
which, process.py starts and ends it, runner.py is what it runs. graph.py is the history; replay.py finds out what each
revision changes, on a scratch database; evidence.py and locate.py decide, as pure functions, what a live schema says about
it; obstacles.py what the pending revisions will run into. stamp.py and upgrade.py change the database.
"""
