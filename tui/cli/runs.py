"""Which run a command is about: named by `--run`, or found below the directory of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from core.engine.address import find_kind
from core.engine.handover import CONVERSION, RECOVERY
from core.engine.process import is_served
from core.errors import ConfigurationError, EngineError, UsageError
from core.events import RunOpened
from core.journal import FILE as JOURNAL
from core.journal import read_journal
from core.postgres.targets import connection_spec
from core.settings import Settings

KINDS = {"conversion": CONVERSION}
"""Where the runbook of a run that is no recovery is, by the kind that its journal names."""

CONVERSIONS = "conversions"
"""Below it are the one-step runs of `convert --dsn`, so that none of them is taken for a recovery."""


def recovery_run(named: Path | None, settings: Settings) -> Path:
    """The directory of the recovery to go on with, or of a new one (not made yet).

    With a configured production target: its latest run. Without one: the only run whose engine serves now.

    Raises:
        UsageError: several engines serve, and none is named.
        ConfigurationError: there is no target, and nothing runs.
    """
    if named is not None:
        return named.expanduser().absolute()
    if settings.has_target("production"):
        database = _directory_name(connection_spec(settings, "production").database)
        known = [run for run in _runs(settings) if run.name.partition("-")[2] == database]
        return known[-1] if known else settings.run.root / f"{_stamp(datetime.now(UTC))}-{database}"
    serving = [run for run in _runs(settings) if is_served(run)]
    if len(serving) > 1:
        raise UsageError(
            f"Several runs are under way: {', '.join(map(str, serving))}.", advice="Name one: pgrecast --run DIR."
        )
    if not serving:
        raise ConfigurationError(
            "No production database is configured, and no run is under way.",
            advice="Set DATABASE_URL, or write a configuration (config.example.toml shows every setting) and name it "
            "with --config; or look at the demo: pgrecast demo.",
        )
    return serving[0]


def existing_run(named: Path | None, settings: Settings) -> Path:
    """The directory of a run that there is: the named one, one whose engine serves, or the latest.

    Raises:
        UsageError: there is none.
    """
    if named is not None:
        found = named.expanduser().absolute()
        if not (found / JOURNAL).exists():
            raise UsageError(f"There is no run in {found}.", advice="Name a run's directory with --run.")
        return found
    runs = _runs(settings)
    if not runs:
        raise UsageError(
            f"There is no run in {settings.run.root} yet.",
            advice="Start one with pgrecast, or name one with --run DIR.",
        )
    serving = [run for run in runs if is_served(run)]
    return (serving or runs)[-1]


def runbook_of(directory: Path) -> str:
    """Where the runbook of the run in the directory is, as `Handover.runbook`; the recovery's for a run not begun.

    The engine that serves it tells; of whom the journal is kept from, it is the only one who does (`run.group`).
    """
    with suppress(EngineError):
        return KINDS.get(find_kind(directory), RECOVERY)
    if not (directory / JOURNAL).exists():
        return RECOVERY
    first = next(read_journal(directory), None)
    kind = first.event.runbook if first is not None and isinstance(first.event, RunOpened) else ""
    return KINDS.get(kind, RECOVERY)


def conversion_run(named: Path | None, settings: Settings, database: str, now: datetime) -> Path:
    """A directory for a one-step run; a new one unless it is named."""
    if named is not None:
        return named.expanduser().absolute()
    return settings.run.root / CONVERSIONS / f"{_stamp(now, fine=True)}-{_directory_name(database)}"


def demo_run(settings: Settings, database: str) -> Path:
    """A new directory for a run of the demo."""
    return settings.run.root / f"{_stamp(datetime.now(UTC))}-demo-{_directory_name(database)}"


def _runs(settings: Settings) -> list[Path]:
    """Runs by the time of their last event, the latest last."""
    root = settings.run.root
    found: Iterable[Path] = root.glob(f"*/{JOURNAL}") if root.is_dir() else ()
    return [journal.parent for journal in sorted(found, key=lambda journal: journal.stat().st_mtime)]


def _stamp(now: datetime, *, fine: bool = False) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ") + (f".{now.microsecond:06}" if fine else "")


def _directory_name(database: str) -> str:
    """A database's name as part of a file name; may be any text."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", database)[:80] or "_"
