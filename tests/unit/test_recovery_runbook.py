"""The recovery's data: every line of the action plan has its place, and nothing in it points nowhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from core.runbook import gates
from core.runbook.model import Step, StepKind
from core.runbook.one_step import CONVERSION, STEP
from core.runbook.recovery import RECOVERY
from core.runbook.state import RunState
from core.settings import Settings

AT = datetime(2026, 3, 7, tzinfo=UTC)
STEPS = [step for task in RECOVERY.tasks for step in task.steps]

# The action plan's lines, in its order: the step in which each has its place, and words that must stand there.
LINES = [
    ("1.1", "SECURITY_CREDENTIAL_ROTATION_REQUIRED.md"),
    ("1.2", "dashboard"),
    ("1.3", "Revoke the API key"),
    ("1.4", "Generate a new API key"),
    ("1.4", "password manager"),
    ("1.5", "Reset the password of the production"),
    ("1.5", "DATABASE_URL environment variable"),
    ("1.6", "Reset the password of the test"),
    ("1.6", "local .env files"),
    ("1.7", 'psql $DATABASE_URL -c "SELECT 1"'),
    ("1.8", "Check the boxes"),
    ("2.1", "DATABASE_INVESTIGATION_PROCEDURE.md"),
    ("2.2", "read-only"),
    ("2.2", "current alembic_version"),
    ("2.2", "indicator tables"),
    ("2.2", "users.id UUID or VARCHAR(36)"),
    ("2.2", "How many users and organizations"),
    ("2.3", "By hand: SELECT version_num FROM alembic_version"),
    ("2.4", "Run the queries of the procedure"),
    ("2.4", "Complete the template"),
    ("3.1", "Create Manual Backup"),
    ("3.1", "wait for its completion"),
    ("3.1", "download the file"),
    ("3.1", "new password"),
    ("3.1", 'pg_dump "$DATABASE_URL" | gzip'),
    ("3.2", "gunzip -c"),
    ("3.2", "head -n 100"),
    ("3.2", "ls -lh"),
    ("3.3", "securely"),
    ("4.1", "A, dynamic recreation (recommended)"),
    ("4.1", "B, manual enumeration (fallback)"),
    ("4.1", "C, staged"),
    ("4.1", "CONVERSION_SCRIPT_AUDIT_REPORT.md (lines 150-200"),
    ("4.2", "scripts/uuid_to_varchar_conversion.sql"),
    ("4.3", "Cross-reference"),
    ("5.1", "DATABASE_URL_TEST"),
    ("5.1", "Review the result"),
    ("5.1", "COMMIT"),
    ("5.1", "ROLLBACK"),
    ("5.2", "information_schema.table_constraints WHERE constraint_type='FOREIGN KEY'"),
    ("5.3", "cd backend"),
    ("5.3", 'export DATABASE_URL="$DATABASE_URL_TEST"'),
    ("5.3", "alembic upgrade head"),
    ("5.3", "succeed"),
    ("6.1", "Saturday or Sunday"),
    ("6.1", "02:00 to 04:00 UTC"),
    ("6.1", "2 hours"),
    ("6.2", "Notify stakeholders"),
    ("6.3", "rollback team"),
    ("6.4", "monitoring alerts"),
    ("6.5", "restore of the backup"),
    ("7.1", "ls -lh backups/"),
    ("7.1", "echo $DATABASE_URL | grep"),
    ("7.1", "pg_stat_activity"),
    ("7.2", "Stop Service"),
    ("7.2", "MAINTENANCE_MODE=true"),
    ("7.2", "redeploy"),
    ("7.2", "503"),
    ("7.3", "logs every statement"),
    ("7.3", "Phase 1"),
    ("7.3", "Phase 2"),
    ("7.3", "Phase 3"),
    ("7.3", "Phase 4"),
    ("7.3", "Phase 5"),
    ("7.3", "matches phase 2"),
    ("7.3", "Phase 6"),
    ("7.3", "ALL checks pass: COMMIT"),
    ("7.3", "ANY fails: ROLLBACK"),
    ("7.4", "investigation found"),
    ("7.4", "UPDATE alembic_version SET version_num"),
    ("7.4", "SELECT version_num FROM alembic_version"),
    ("7.5", "Deploy latest commit"),
    ("7.5", "git push origin main"),
    ("7.5", "Running upgrade"),
    ("7.5", "ALL migrations succeed"),
    ("7.6", '"status":"healthy"'),
    ("7.6", "HTTP 200"),
    ("7.6", "SELECT version_num FROM alembic_version"),
    ("7.6", "\\d users"),
    ("7.6", "SELECT COUNT(*) FROM folders"),
    ("7.6", "./verify_deployment.sh production"),
    ("7.6", "./run_smoke_tests.sh production"),
    ("7.7", "Reverse step 7.2"),
    ("7.7", "start the backend service"),
    ("7.7", "remove MAINTENANCE_MODE"),
    ("8.1", "foreign key violations"),
    ("8.2", "user registration"),
    ("8.3", "organization creation"),
    ("8.4", "deal creation"),
    ("8.5", "document upload"),
    ("8.6", "financial connection"),
    ("8.7", "foreign key violations"),
    ("8.8", "SELECT COUNT(*) FROM users; SELECT COUNT(*) FROM organizations;"),
    ("9.1", "BMAD_PROGRESS_TRACKER.md"),
    ("9.1", "date, duration and focus"),
    ("9.1", "credentials rotated"),
    ("9.1", "true revision"),
    ("9.1", "backed up, with the size"),
    ("9.1", "phase 5 completed, with the approach"),
    ("9.1", "test conversion validated"),
    ("9.1", "production converted, with the downtime"),
    ("9.1", "alembic_version reset"),
    ("9.1", "deployment triggered, migrations applied"),
    ("9.1", "health verified (backend, frontend, database)"),
    ("9.1", "type before and after"),
    ("9.1", "dropped and recreated"),
    ("9.1", "number of migrations applied"),
    ("9.1", "new tables created"),
    ("9.1", "deployment health"),
    ("9.1", "Next steps"),
    ("9.2", "bmm-workflow-status.md"),
    ("9.2", "NEXT_ACTION, NEXT_COMMAND, NEXT_AGENT"),
    ("9.2", "BLOCKER_RESOLVED"),
    ("9.3", "DEPLOYMENT_HEALTH.md"),
    ("9.3", "commits"),
    ("9.3", "revision, its health"),
    ("9.4", "report"),
    ("10.1", "screenshots"),
    ("10.1", "story's documentation"),
    ("10.1", "complete"),
    ("10.2", "Goals system: tables, models, endpoints, tests"),
    ("10.2", "Activities system"),
    ("10.2", "Scoring and focus"),
    ("10.2", "Nudges and meetings"),
    ("10.3", "Lighthouse"),
    ("10.3", "Axe"),
    ("10.3", "Fix"),
    ("10.4", "valuation suite"),
    ("10.4", "task automation"),
    ("10.4", "podcast studio"),
    ("10.4", "deal matching"),
    ("10.5", "Full test suite, backend and frontend 100 %"),
    ("10.5", "build"),
    ("10.5", "documentation"),
    ("10.5", "Release"),
]

ESCALATIONS = {
    "If the conversion fails": (
        ["ROLLBACK", "Review the logs", "backup's integrity", "audit report", "database administrator"],
        {5, 7},
    ),
    "If migrations fail after the conversion": (
        ["which migration failed", "migration's file", "UPDATE alembic_version SET version_num", "push, redeploy"],
        {5, 7},
    ),
    "If services won't start": (
        ["service logs", "DATABASE_URL", "SELECT 1", "foreign key violations"],
        {7, 8},
    ),
}


@pytest.mark.parametrize(("step", "words"), LINES)
def test_every_line_of_the_action_plan_has_its_place(step: str, words: str) -> None:
    found = RECOVERY.step(step)
    assert words in "\n".join((found.title, *found.instructions))


def test_every_step_stands_in_the_action_plan() -> None:
    assert {step.id for step in STEPS} == {step for step, _ in LINES}


def test_ten_tasks_in_order() -> None:
    assert [task.number for task in RECOVERY.tasks] == list(range(1, 11))


def test_ids_count_from_one_within_their_task() -> None:
    for task in RECOVERY.tasks:
        assert [step.id for step in task.steps] == [f"{task.number}.{i}" for i in range(1, len(task.steps) + 1)]


def test_planned_durations_are_the_timeline_summary() -> None:
    minutes = {
        task.number: task.planned and tuple(round(span / timedelta(minutes=1)) for span in task.planned)
        for task in RECOVERY.tasks
    }
    assert minutes == {
        1: (30, 60),
        2: (60, 120),
        3: (15, 30),
        4: (30, 30),
        5: (60, 120),
        6: None,
        7: (30, 60),
        8: (60, 120),
        9: (30, 30),
        10: None,
    }


def test_downtime_is_task_seven_only() -> None:
    assert [task.number for task in RECOVERY.tasks if task.downtime] == [7]


def test_due_times_never_go_back() -> None:
    due = [task.due for task in RECOVERY.tasks if task.due is not None]
    assert due == sorted(due)
    assert due[-1] == timedelta(days=3)


@pytest.mark.parametrize("title", ESCALATIONS)
def test_escalations_line_by_line(title: str) -> None:
    lines, tasks = ESCALATIONS[title]
    holders = [task for task in RECOVERY.tasks if any(e.title == title for e in task.escalations)]
    assert {task.number for task in holders} == tasks
    escalation = next(e for e in holders[0].escalations if e.title == title)
    assert len(escalation.lines) == len(lines)
    for words, line in zip(lines, escalation.lines, strict=True):
        assert words in line


def test_what_runs_in_this_version() -> None:
    assert {step.id for step in STEPS if step.action} == {
        "1.1", "1.3", "1.4", "1.5", "1.6", "1.7", "2.2", "2.3", "2.4", "3.1", "3.2", "3.3", "4.1", "4.2", "5.1", "5.2", "5.3", "6.1", "6.3", "6.4", "6.5", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "8.1", "8.7", "8.8", "9.1", "9.2", "9.3", "9.4",
        "10.1", "10.2", "10.3", "10.4", "10.5",
    }  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_a_step_is_run_or_done_by_a_person(step: Step) -> None:
    assert step.title
    assert step.instructions
    if step.kind is StepKind.MANUAL:
        assert step.action is None
        assert step.built
    else:
        assert (step.action is not None) == step.built


def test_gates_stand_where_they_must() -> None:
    assert {step.id: len(step.gates) for step in STEPS if step.gates} == {
        "5.1": 1,
        "7.3": 8,
        **dict.fromkeys(("10.1", "10.2", "10.3", "10.4", "10.5"), 1),
    }


def test_the_ways_back_are_steps_that_count_nowhere() -> None:
    ways = {step.id: step.kind for task in RECOVERY.tasks for step in task.ways_back}
    assert ways == {
        "5.1-undo": StepKind.DESTRUCTIVE,
        "7.2-back": StepKind.DESTRUCTIVE,
        "7.3-undoable": StepKind.AUTOMATIC,
        "7.3-undo": StepKind.DESTRUCTIVE,
        "7.3-since": StepKind.AUTOMATIC,
        "7.3-restore": StepKind.DESTRUCTIVE,
        "7.3-serve": StepKind.DESTRUCTIVE,
        "7.5-back": StepKind.DESTRUCTIVE,
    }
    for way in ways:
        step = RECOVERY.step(way)
        assert step not in STEPS
        assert not any(gate(RunState(), Settings(), AT).open for gate in step.gates)


def test_a_gate_leads_to_a_step_that_exists() -> None:
    for step in (*STEPS, *(step for task in RECOVERY.tasks for step in task.ways_back)):
        for report in gates.reports(step, RunState(), Settings(), AT):
            assert report.opens is not None
            RECOVERY.step(report.opens)


def test_a_step_that_does_not_exist() -> None:
    with pytest.raises(KeyError):
        RECOVERY.step("7.8")


def test_the_one_step_run_has_no_gates() -> None:
    step = CONVERSION.step(STEP)
    assert [len(task.steps) for task in CONVERSION.tasks] == [1]
    assert step.kind is StepKind.DESTRUCTIVE
    assert step.gates == ()
    assert step.action is not None


def test_nothing_of_one_machine_or_incident() -> None:
    text = "\n".join(line for step in STEPS for line in (step.title, *step.instructions))
    assert not re.search(r"\b[0-9a-f]{12}\b", text)  # a revision
    assert not re.search(r"ma_saas|rnd_|render\.com", text)
