"""From the request to its last event."""

from __future__ import annotations

import traceback

from .channel import Channel, Refusal
from .connections import Guard
from .failure import explain
from .history import preview, show_graph
from .project import Project
from .replay import Replay
from .upgrade import upgrade


def main() -> None:
    channel = Channel()
    request = channel.receive()
    guard = Guard(request, channel)
    try:
        guard.install()
        project = Project(request)
        command = request["command"]
        if command == "graph":
            show_graph(project, channel)
        elif command == "preview":
            preview(project, channel)
        elif command == "replay":
            Replay(project, channel, guard).run()
        else:
            upgrade(project, channel, guard)
    except (Exception, SystemExit) as error:
        refusal = error if isinstance(error, Refusal) else guard.refused
        told = explain(error)
        if refusal is None:
            traceback.print_exc()
        else:
            told.update(message=str(refusal), kind=refusal.kind, **refusal.details)
        channel.emit("failed", **told)
    else:
        channel.emit("done")
