"""A runbook of ten tasks and a run in the middle of it, for the screens to show."""

from __future__ import annotations

from datetime import datetime, timedelta

from core import events as e
from core.runbook.model import Escalation, Gate, GateReport, Runbook, Step, StepContext, StepKind, Task
from core.runbook.state import RunState, StepStatus
from core.settings import Settings
from tests.tui.scripted import ANNA, BEN, Clock, ScriptedClient

MINUTE = timedelta(minutes=1)
DATABASE = "ma_saas_platform"


async def _work(context: StepContext) -> str:
    raise AssertionError("a screen runs nothing")


def needs(name: str, condition: str, step: str, *, overridable: bool = False) -> Gate:
    """A gate that is open once a step is through."""

    def gate(state: RunState, settings: Settings, now: datetime) -> GateReport:
        open_ = state.step(step).status in (StepStatus.DONE, StepStatus.TICKED)
        return GateReport(
            name,
            condition,
            open=open_,
            value="there" if open_ else f"not yet: step {step}",
            opens=step,
            overridable=overridable,
        )

    return gate


def _manual(task: int, *titles: str) -> tuple[Step, ...]:
    return tuple(
        Step(f"{task}.{n}", title, StepKind.MANUAL, (f"Do it: {title.lower()}.", "Write down what you saw."))
        for n, title in enumerate(titles, 1)
    )


RUNBOOK = Runbook(
    "recovery",
    (
        Task(1, "Rotate credentials", "Keys were exposed.", "Dead keys.", _manual(1, *(f"Rotate credential {n}" for n in range(1, 7))), planned=(30 * MINUTE, 60 * MINUTE)),
        Task(
            2, "Investigate", "What is true?", "A report.",
            (
                *_manual(2, "Read the procedure"),
                Step("2.2", "Investigate production", StepKind.AUTOMATIC, ("Reads the catalog, read only.",), action=_work),
            ),
            planned=(60 * MINUTE, 120 * MINUTE),
        ),
        Task(3, "Back up", "A safety net.", "A verified backup.", (Step("3.1", "Dump", StepKind.AUTOMATIC, built=False), Step("3.2", "Verify the backup", StepKind.AUTOMATIC, built=False)), planned=(15 * MINUTE, 30 * MINUTE)),
        Task(4, "Decide", "How keys come back.", "A decision.", (Step("4.1", "Decide on the approach", StepKind.DECISION, ("A, dynamic; B, enumerated.",), action=_work),), planned=(30 * MINUTE, 30 * MINUTE)),
        Task(
            5, "Rehearse on test", "It must work before production.", "A proved rehearsal.",
            (
                Step("5.1", "Convert the test database", StepKind.DESTRUCTIVE, ("Runs the six phases on the test database.",), action=_work, gates=(needs("decision", "a decision", "4.1"),)),
                *_manual(5, "-", "Count the foreign keys", "Run the migrations")[1:],
            ),
            planned=(60 * MINUTE, 120 * MINUTE),
            escalations=(Escalation("If the conversion fails", ("ROLLBACK immediately.", "Read the log.")),),
        ),
        Task(6, "Schedule the window", "Downtime.", "A window.", _manual(6, "Choose the window", "Notify stakeholders", "Prepare the rollback team"), due=timedelta(minutes=5)),
        Task(
            7, "Convert production", "No migration can be applied.", "Production converted.",
            (
                Step("7.1", "Check before", StepKind.AUTOMATIC, built=False),
                Step("7.2", "Maintenance on", StepKind.DESTRUCTIVE, built=False),
                Step(
                    "7.3", "Run the conversion", StepKind.DESTRUCTIVE,
                    ("Runs the six phases in one transaction.", "If ALL checks pass: COMMIT. If ANY fails: ROLLBACK."),
                    action=_work, repeatable=False,
                    gates=(
                        needs("backup", "a verified backup", "3.2"),
                        needs("rehearsal", "a rehearsal", "5.1"),
                        needs("window", "the window", "6.1", overridable=True),
                    ),
                ),
                *_manual(7, "-", "-", "-", "Stamp", "Deploy", "Verify", "Maintenance off")[3:],
            ),
            planned=(30 * MINUTE, 60 * MINUTE), downtime=True,
            escalations=(Escalation("If the conversion fails", ("ROLLBACK immediately: the transaction protects you.", "Review the logs.")),),
        ),
        Task(8, "Monitor", "What breaks, breaks early.", "A stable system.", _manual(8, "Watch the logs", "Test user journeys")),
        Task(9, "Document", "So that all know.", "Three documents.", _manual(9, "Update the tracker", "Update the status")),
        Task(10, "Resume", "The goal.", "Development goes on.", _manual(10, "Resume the sprint")),
    ),
)  # fmt: skip

IDENTITY = e.TargetIdentity(cluster="7571", database_oid=16384, database=DATABASE)
PHASES = ("verify", "detach", "retype keys", "retype references", "reattach", "prove")
TOTALS = (12, 107, 23, 42, 107, 9)
TABLES = (
    "users",
    "organizations",
    "deals",
    "documents",
    "document_versions",
    "audit_log",
    "tasks",
    "comments",
    "teams",
)


def opened(client: ScriptedClient) -> None:
    """The run, its targets, and a watcher."""
    client.say(
        e.RunOpened(run="ma_saas_platform-20251115", program="0.1.0"),
        e.EngineStarted(pid=4711, host="bastion", program="0.1.0"),
        e.TargetIdentified(target="production", identity=IDENTITY, address="db.example", server="PostgreSQL 18.6"),
        e.TargetIdentified(
            target="test",
            identity=e.TargetIdentity(cluster="7571", database_oid=16385, database="ma_saas_test"),
            address="db.example",
            server="PostgreSQL 18.6",
        ),
        actor=e.ENGINE,
    )
    client.say(e.ClientAttached(client=BEN, actor=e.Actor(name="ben", uid=1001, role="watcher")))


def other_operator(client: ScriptedClient) -> None:
    """Somebody else operates."""
    anna = e.Actor(name="anna", uid=1000)
    client.say(e.ClientAttached(client=ANNA, actor=anna), e.OperatorChanged(client=ANNA, actor=anna), actor=anna)


def prepared(client: ScriptedClient) -> None:
    """Tasks 1 to 4: proved, ticked and decided."""
    for n in range(1, 7):
        client.say(
            e.StepTicked(step=f"1.{n}", note="old key answers 401, old password refused" if n == 6 else ""), after=60
        )
    client.say(e.StepTicked(step="2.1"), after=60)
    client.say(e.StepStarted(step="2.2"), after=10)
    client.say(
        e.FactRecorded(step="2.2", name="investigation.key_type", value="uuid"),
        e.FactRecorded(step="2.2", name="investigation.row_counts", value={"users": 1204, "organizations": 96}),
        e.FileRecorded(step="2.2", name="report.md", path="evidence/5d/5d41402abc.md", sha256="5d41402abc4b2a76b9719d911017c592" * 2, bytes=18_233),
        e.StepFinished(step="2.2", summary="61 tables, 107 foreign keys; alembic_version claims f867, the schema is ba1a"),
        after=41,
    )  # fmt: skip
    client.say(e.StepStarted(step="4.1"), after=10)
    client.say(e.StepFinished(step="4.1", summary="approach A, dynamic"), after=5)


def planned(client: ScriptedClient, step: str, target: str) -> None:
    """The conversion's plan."""
    tallies = {
        2: (("foreign keys dropped", 107, {"users.id": 42, "organizations.id": 31, "deals.id": 34}),),
        3: (("keys retyped", 23, {"users.id": 1, "organizations.id": 1, "deals.id": 1}),),
        4: (("references retyped", 84, {"users.id": 38, "organizations.id": 25, "deals.id": 21}),),
        5: (("foreign keys recreated", 107, {"users.id": 42, "organizations.id": 31, "deals.id": 34}),),
    }
    client.say(
        e.ConversionPlanned(
            step=step,
            target=target,
            plan="9f2c" * 16,
            phases=tuple(
                e.PhasePlanned(
                    phase=n,
                    name=name,
                    statements=total,
                    tallies=tuple(
                        tally
                        for what, count, roots in tallies.get(n, ())
                        for tally in (
                            e.Tally(what=what, count=count),
                            *(e.Tally(what=what, root=root, count=c) for root, c in roots.items()),
                        )
                    ),
                )
                for n, (name, total) in enumerate(zip(PHASES, TOTALS, strict=True), 1)
            ),
            tables=tuple(
                e.TablePlanned(name=name, columns=3, rows=(9 - n) * 31_217, bytes=(9 - n) * 14_680_064)
                for n, name in enumerate(TABLES)
            ),
            warnings=("W1 function tenant_of(uuid): its argument stays uuid",),
        ),
    )


def converting(client: ScriptedClient, step: str, target: str) -> None:
    """In the middle of phase 4."""
    client.say(e.StepStarted(step=step), after=20)
    planned(client, step, target)
    client.say(e.TransactionOpened(step=step, target=target, xid="771", backend_pid=31337), after=2)
    for phase, (seconds, total) in enumerate(zip((0.31, 2.4, 11.9), TOTALS[:3], strict=True), 1):
        client.say(e.PhaseStarted(step=step, phase=phase))
        for number in range(1, total + 1):
            table = TABLES[number - 1] if phase == 3 and number <= 4 else None
            client.say(
                e.StatementFinished(
                    step=step,
                    phase=phase,
                    number=number,
                    object=f"object {number}",
                    table=table,
                    seconds=seconds / total,
                )
            )
        expected = next(r.event for r in client.records if isinstance(r.event, e.ConversionPlanned)).phases[phase - 1]
        client.say(e.PhaseFinished(step=step, phase=phase, seconds=seconds, tallies=expected.tallies), after=seconds)
    client.say(e.PhaseStarted(step=step, phase=4))
    for number in range(1, 26):
        client.say(
            e.StatementFinished(
                step=step, phase=4, number=number, object=f"columns {number}", seconds=0.2,
                tallies=(e.Tally(what="references retyped", count=2), e.Tally(what="references retyped", root="users.id" if number < 19 else "organizations.id", count=2)),
            ),
            after=0.2,
        )  # fmt: skip
    client.say(
        e.StatementStarted(
            step=step, phase=4, number=26, object="columns of document_versions", table="document_versions"
        )
    )
    client.clock.forward(3)
    client.read(step, "progress", {"stage": "statements", "seconds_left": 9.4, "rollback_seconds": 2.6})
    client.read(step, "tables", {"document_versions": {"state": "running", "bytes": 1, "seconds": 3.0}})
    client.read(step, "server", {"growth": 318_767_104, "wal_bytes": 402_653_184, "waits_for": None, "state": "active"})
    client.read(step, "waiting", {"waiters": ["31402 app on web-1: SELECT id FROM users"], "blocked_by": []})


def question(client: ScriptedClient, step: str = "7.3", target: str = "production") -> e.Question:
    """The confirmation before a conversion."""
    return e.Question(
        id="q1",
        step=step,
        title="Convert the production database?",
        choices=(
            e.Choice(name="cancel", label="Cancel", consequence="nothing is touched"),
            e.Choice(name="convert", label="Convert", phrase=DATABASE, consequence="the conversion begins at once"),
        ),
        default="cancel",
        target=target,
        identity=IDENTITY,
        plan="9f2c" * 16,
        locks=("61 tables, ACCESS EXCLUSIVE: nobody reads or writes them until COMMIT or ROLLBACK",),
        duration="about 0:41 by the rehearsal of 2025-11-14, held until you commit",
        checked=(
            "the connected database is the one that the run was opened on",
            "backup of 00:12 UTC verified by restore",
            "no session of others; 2 of the application were ended",
        ),
        cannot_undo=("after COMMIT, rows written since can't go back by the backup",),
        way_back="until COMMIT: it rolls back in about 3 s; after COMMIT: the reverse plan, about 0:52",
        details=tuple(f"statement {n} of the plan in words" for n in range(1, 40)),
        asked_at=client.clock(),
        expires_at=client.clock() + timedelta(minutes=5),
    )


def decision(client: ScriptedClient) -> e.Question:
    """A question whose choices need no phrase."""
    return e.Question(
        id="q2",
        step="4.1",
        title="How will the foreign keys come back?",
        choices=(
            e.Choice(name="A", label="A, dynamic", consequence="every key is put back from the catalog; recommended"),
            e.Choice(name="B", label="B, enumerated", consequence="the keys are written into a script; review it"),
        ),
        default="A",
        details=("107 foreign keys are dropped and come back.",),
        asked_at=client.clock(),
        expires_at=client.clock() + timedelta(minutes=5),
    )


def new_client(*, operator: bool = True) -> ScriptedClient:
    return ScriptedClient(Clock(), operator=operator)
