"""`pgrecast investigate`: the inventory and the investigation report. Reads only."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.postgres.connect import connect, identify
from core.postgres.inspect import InspectionProgress
from core.runbook.investigation.findings import conclusion, facts_of, render
from core.runbook.investigation.investigate import find_out
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.targets import target_spec


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Investigate and print the report, or its facts as JSON."""
    spec = await target_spec(given, settings)
    connection = await connect(spec)
    try:
        identity = await identify(connection)
    finally:
        await connection.close()

    def show(progress: InspectionProgress) -> None:
        output.progress(f"read {progress.name}: {progress.rows} rows ({progress.done}/{progress.total})")

    findings = await find_out(spec, identity, settings, directory=settings.run.root, progress=show)
    output.lines([render(findings)])
    output.document(
        {
            "database": spec.database,
            "conclusion": conclusion(findings),
            "facts": facts_of(findings),
            "blockers": [asdict(blocker) for blocker in findings.plan.blockers],
            "warnings": [asdict(warning) for warning in findings.plan.warnings],
        }
    )
    return 0
