"""Task 4: the user's own conversion script, audited against production's live catalog, and completed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from core.errors import ConfigurationError
from core.postgres.connect import ConnectionSpec
from core.retype.audit.asking import CatalogAsker
from core.retype.audit.finding import MEANINGS, ORDER
from core.retype.audit.report import Report, audit_script
from core.runbook.conversion.decide import decided_request
from core.runbook.conversion.planning import Planned, plan_conversion, reading, show_inspection
from core.runbook.facts import AUDIT_FILE, AUDIT_TOTALS
from core.runbook.markdown import block, bullets, code
from core.runbook.model import StepContext
from core.settings.run import LimitsSettings

MOST_BYTES: Final = 5_000_000


async def audit(context: StepContext) -> str:
    """Audit the script that the settings name; leaves the report, the completed script and the difference as evidence.

    Without one there is nothing to audit: reviewing what was written in step 4.1 is a person's, in the step after it.

    Raises:
        ConfigurationError: it cannot be read.
    """
    path = context.settings.conversion.script
    if path is None:
        return "nothing to audit: the settings name no script (conversion.script)"
    spec, identity = await context.target("production")
    request = decided_request(context)
    if request.soft_references == "ask":
        request = replace(request, soft_references="none")
    limits = context.settings.limits
    # Texts are not checked on a clone: only what the script leaves out is looked for, not whether it would work.
    planned = await plan_conversion(spec, identity, request, limits, progress=show_inspection(context), clone=None)
    report = await audit_file(path.expanduser(), spec, planned, limits)
    await context.file(AUDIT_FILE, render(report).encode())
    await context.file(report.completed_name, report.completed.text.encode())
    await context.file(f"{report.completed_name.removesuffix('.sql')}.diff", report.diff.encode())
    await context.fact(AUDIT_TOTALS, list(report.totals))
    for line in report.totals:
        await context.say(line)
    return f"{'complete' if report.audit.complete else 'not complete'}: {' '.join(report.totals[:3])}"


async def audit_file(path: Path, spec: ConnectionSpec, planned: Planned, limits: LimitsSettings) -> Report:
    """Audit the script in a file. Nothing of it is run.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    text = _read(path)
    async with reading(spec, limits) as connection:
        return await audit_script(CatalogAsker(connection), text, path.name, planned.catalog, planned.plan)


def render(report: Report) -> str:
    """The audit, in Markdown."""
    parts = [f"# Audit of {code(report.name)}", bullets(code(line) for line in report.totals)]
    for kind in ORDER:
        found = report.audit.of(kind)
        if found:
            parts += [f"## {kind.capitalize()}: {MEANINGS[kind]}", bullets(code(str(finding)) for finding in found)]
    parts += ["## What completes it", block(report.diff, "diff") if report.diff else "Nothing is lacking."]
    return "\n\n".join(parts) + "\n"


def lines(report: Report) -> list[str]:
    """The audit as plain lines, the difference at the end."""
    found = [f"{finding.kind}: {finding}" for finding in report.audit.findings]
    return [*report.totals, *found, *report.diff.splitlines()]


def _read(path: Path) -> str:
    advice = "Correct the name, or the file."
    try:
        content = path.read_bytes()
        if len(content) <= MOST_BYTES:
            return content.decode()
    except OSError as error:
        raise ConfigurationError(f"The script {path} cannot be read: {error.strerror}.", advice=advice) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The script {path} is not UTF-8 text.", advice=advice) from None
    raise ConfigurationError(f"The script {path} is larger than {MOST_BYTES:,} bytes.", advice=advice)
