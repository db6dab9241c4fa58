"""`pgrecast locate`: which Alembic revision the schema is really at, and why. Reads only."""

from __future__ import annotations

import argparse

from core.errors import Refused
from core.revisions.locate import Verdict
from core.revisions.replay import ReplayProgress
from core.revisions.report import document, report_lines
from core.revisions.survey import survey
from core.runbook.migrations import application_project
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.targets import target_spec

ASKED = Refused.exit_status
"""The schema does not decide by itself: a person must answer."""


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Replay the application's history, compare, and print where the schema is."""
    wanted = settings.alembic
    if given.project is not None:
        wanted = wanted.model_copy(update={"project": given.project})
    if given.interpreter is not None:
        wanted = wanted.model_copy(update={"interpreter": given.interpreter})
    project = application_project(wanted)
    spec = await target_spec(given, settings)

    def show(progress: ReplayProgress) -> None:
        output.progress(f"replayed {progress.revision} ({progress.done}/{progress.total})")

    found = await survey(project, spec, scratch=None, log=output.progress, progress=show)
    output.lines(report_lines(found))
    output.document(document(found))
    return ASKED if found.location.verdict is Verdict.AMBIGUOUS else 0
