"""A run that has come far, made of events as the steps leave them: for texts that tell of a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core import events as e
from core.events import Actor, Event, Record
from core.runbook import facts
from core.runbook.state import RunState, fold

OPENED = datetime(2025, 11, 13, 1, 0, tzinfo=UTC)
ANNA = Actor(name="anna", uid=1000)
HEAD, TRUE = "b354d12d1e7d", "ba1a5bcdb110"
IDENTITY = e.TargetIdentity(cluster="7571", database_oid=16384, database="app")


class Recorded:
    """Records events a minute apart."""

    def __init__(self, run: str = "20251113T010000Z-app") -> None:
        self.records: list[Record] = []
        self.state = RunState()
        self.at = OPENED
        self.say(e.RunOpened(run=run, program="0.1.0"), actor=e.ENGINE)

    def say(self, *events: Event, actor: Actor = ANNA) -> None:
        for event in events:
            record = Record(seq=len(self.records) + 1, at=self.at, actor=actor, event=event)
            self.records.append(record)
            self.state = fold(self.state, record)
            self.at += timedelta(minutes=1)

    def tick(self, *steps: str, actor: Actor = ANNA) -> None:
        for step in steps:
            self.say(e.StepTicked(step=step), actor=actor)

    def done(self, step: str, **known: e.Json) -> None:
        """A step that has run and left facts; `conversion__seconds` is the fact `conversion.seconds`."""
        self.say(e.StepStarted(step=step))
        for name, value in known.items():
            self.say(e.FactRecorded(step=step, name=name.replace("__", "."), value=value), actor=e.ENGINE)
        self.say(e.StepFinished(step=step, summary=f"{step} is done"), actor=e.ENGINE)

    def fact(self, step: str, name: str, value: e.Json) -> None:
        self.say(e.FactRecorded(step=step, name=name, value=value), actor=e.ENGINE)

    def converts(self, step: str = "7.3", target: str = "production", outcome: str = "committed") -> None:
        """A conversion, from its plan to its end; the step's own end is left to the caller."""
        counts = [
            ("foreign keys dropped", 2),
            ("keys retyped", 3),
            ("references retyped", 4),
            ("foreign keys recreated", 5),
        ]
        phases = [(number, what, 42 if "foreign" in what else 7) for what, number in counts]
        self.say(
            e.ConversionPlanned(
                step=step, target=target, plan="9f" * 32,
                phases=tuple(e.PhasePlanned(phase=n, name=what, statements=count) for n, what, count in phases),
                tables=(e.TablePlanned(name="users", columns=1, rows=10, bytes=8192),),
            ),
            e.TransactionOpened(step=step, target=target, xid="771", backend_pid=42),
            actor=e.ENGINE,
        )  # fmt: skip
        for number, what, count in phases:
            tally = e.Tally(what=what, count=count)
            self.say(e.PhaseFinished(step=step, phase=number, seconds=1.5, tallies=(tally,)), actor=e.ENGINE)
        self.say(
            e.ProofMade(step=step, depth="contents", held=True, lines=("No difference but the types.",), seconds=2.0),
            e.TransactionEnded(step=step, target=target, outcome=outcome, seconds=41.0),  # type: ignore[arg-type]
            actor=e.ENGINE,
        )


def recovered(*, without: Sequence[str] = ()) -> Recorded:
    """A run whose tasks 1 to 8 are through, except what is named by a fact in `without`."""
    run = Recorded()
    run.say(e.TargetIdentified(target="production", identity=IDENTITY, address="db.example", server="PostgreSQL 18.6"))
    known: list[tuple[str, str, e.Json]] = [
        ("1.7", facts.CREDENTIALS_ROTATED, True),
        ("2.2", facts.INVESTIGATION_KEYS, {"users.id": {"key": 1}, "organizations.id": {"key": 1}}),
        ("2.3", facts.LOCATED, {"revisions": [TRUE], "pending": [HEAD]}),
        ("3.1", facts.BACKUP_TAKEN, {"path": "/backups/b", "bytes": 1_200_000_000, "kind": "dump"}),
        ("3.2", facts.BACKUP_VERIFIED, {"path": "/backups/b", "bytes": 1_200_000_000, "depth": "contents"}),
        ("4.1", facts.DECISION_APPROACH, "A"),
        ("5.1", facts.REHEARSAL_PROVED, True),
        ("5.1", facts.REHEARSAL_OUTCOME, "committed"),
    ]
    after: list[tuple[str, str, e.Json]] = [
        ("7.4", facts.STAMPED, {"production": {"old": ["f867c7e3d51c"], "new": [TRUE]}}),
        ("7.5", facts.MIGRATED_PRODUCTION, ["c3a7b4bbf913", HEAD]),
        ("7.5", facts.TABLES_CREATED, {"production": ["folders", "generated_documents"]}),
        ("7.5", facts.DEPLOYED, {"id": "dep-1", "state": "live", "commit": "0a1b2c3"}),
        ("7.6", facts.HEALTH_VERIFIED, {"backend": True, "frontend": True, "smoke": None}),
        ("7.7", facts.DOWNTIME_SECONDS, 2467.0),
    ]
    for step, name, value in known:
        if name not in without:
            run.fact(step, name, value)
    run.tick("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.8")
    for step in ("1.7", "2.2", "2.3", "3.1", "3.2", "4.1", "5.1", "5.2", "7.1", "7.2"):
        run.done(step)
    run.say(e.StepStarted(step="7.3"))
    run.converts()
    run.say(e.StepFinished(step="7.3", summary="committed, proof (contents) holds"), actor=e.ENGINE)
    for step, name, value in after:
        if name not in without:
            run.fact(step, name, value)
    for step in ("7.4", "7.5", "7.6", "7.7"):
        run.done(step)
    return run
