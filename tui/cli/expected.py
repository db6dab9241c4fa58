"""`--scope expected`: the columns that the application's own migrations want to have the new type."""

from __future__ import annotations

import argparse

from core.errors import Refused
from core.postgres.connect import ConnectionSpec
from core.postgres.sql import qualified, quote_identifier
from core.revisions.survey import survey
from core.runbook.conversion.convert import scope_request
from core.runbook.migrations import application_project
from core.settings import Settings
from tui.cli.output import Output


async def with_scope(given: argparse.Namespace, settings: Settings, spec: ConnectionSpec, output: Output) -> Settings:
    """The settings, their roots replaced by the expected columns where the arguments ask for that scope.

    Raises:
        ConfigurationError: no Alembic project is configured.
        Refused: the migrations want no column of the one type to have the other.
    """
    if given.scope != "expected":
        return settings
    types = scope_request(settings).types
    found = await survey(application_project(settings.alembic), spec, scratch=None, log=output.progress)
    wanted = [
        f"{qualified(difference.schema, difference.table)}.{quote_identifier(difference.column)}"
        for difference in found.location.type_differences
        if (difference.live, difference.wanted) == (types.source, types.target)
    ]
    if not wanted:
        raise Refused(
            f"The migrations want no {types.source} column of this database to be {types.target}.",
            advice="Look at what they want: pgrecast locate.",
        )
    output.progress(f"the migrations want {len(wanted)} columns of {types.source} to be {types.target}")
    conversion = settings.conversion.model_copy(
        update={"roots": tuple(wanted), "include": (), "soft_references": "none"}
    )
    return settings.model_copy(update={"conversion": conversion})
