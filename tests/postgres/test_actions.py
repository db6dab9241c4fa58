"""The actions of tasks 2, 4, 5 and 7.3 on a real server, on a schema written by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from core.demo.incident import Incident
from core.errors import ConversionFailed, JournalError, PgrecastError, Refused, RolledBack, UsageError
from core.events import Actor, ConversionPlanned, Question, StepTicked, TransactionEnded, TransactionOpened
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec
from core.postgres.fingerprint import compare, fingerprint
from core.postgres.inspect import inspect
from core.runbook import facts
from core.runbook.conversion.decide import decide
from core.runbook.conversion.production import convert_one, convert_production
from core.runbook.conversion.rehearse import rehearse, verify_foreign_keys
from core.runbook.conversion.staged import DYNAMIC, ENUMERATED
from core.runbook.facts import PLAN_FILE, REHEARSAL_FILE, REPORT_FILE, SCRIPT_FILE
from core.runbook.gates import ROTATION
from core.runbook.investigation.investigate import investigate
from core.runbook.model import Action
from core.runbook.questions import ACCEPT, CANCEL, CHOOSE, COMMIT, CONVERT, KEEP, LEAVE, REPAIR, RETYPE, ROLLBACK
from core.runbook.window.choose import NOW, choose_window
from core.settings import Settings
from tests.databases import Database, Server, create_database, drop_database, run_sync
from tests.sessions import session
from tests.step_world import Answer, StepWorld, taking

SCHEMA = """
CREATE TABLE organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  manager_id uuid REFERENCES users ON DELETE SET NULL,
  email text UNIQUE);
CREATE TABLE "Order" (
  id uuid PRIMARY KEY,
  "user" uuid CONSTRAINT "Buyer" REFERENCES users DEFERRABLE INITIALLY DEFERRED,
  "select" uuid NOT NULL,
  CHECK (id <> "user"));
CREATE INDEX ON "Order" ("user") WHERE "user" IS NOT NULL;
CREATE VIEW staff AS SELECT u.id, u.email, o.name FROM users u JOIN organizations o ON o.id = u.organization_id;
COMMENT ON VIEW staff IS 'who works where';
CREATE TABLE folders (id uuid PRIMARY KEY, owner_id uuid REFERENCES users);
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0123456789ab');
INSERT INTO organizations (name) SELECT 'org ' || n FROM generate_series(1, 5) n;
INSERT INTO users (organization_id, email)
  SELECT (SELECT id FROM organizations WHERE name = 'org ' || (1 + n % 5)), 'u' || n FROM generate_series(1, 200) n;
INSERT INTO "Order" SELECT gen_random_uuid(), id, gen_random_uuid() FROM users;
"""
FOREIGN_KEYS = 4
CONFIRMED = taking(CONVERT, LEAVE, ACCEPT, COMMIT, DYNAMIC, NOW)


@dataclass(frozen=True)
class Pair:
    production: Database
    test: Database


@pytest.fixture
def pair(server: Server) -> Iterator[Pair]:
    pair = Pair(run_sync(create_database(server)), run_sync(create_database(server)))
    for database in (pair.production, pair.test):
        run_sync(execute(database, SCHEMA))
    yield pair
    for database in (pair.production, pair.test):
        run_sync(drop_database(database))


@pytest.fixture
def world(pair: Pair, tmp_path: Path) -> StepWorld:
    """Both targets; every question is answered with what goes on."""
    return make_world(pair, tmp_path, CONFIRMED)


def make_world(pair: Pair, directory: Path, answers: Answer | None, **settings: dict[str, object]) -> StepWorld:
    targets = {"production": {"url": pair.production.dsn}, "test": {"url": pair.test.dsn}}
    given = Settings.load(None, {"targets": targets, **settings})
    return StepWorld(directory, given, {"production": pair.production.spec, "test": pair.test.spec}, answers)


async def execute(database: Database, sql: str) -> None:
    async with session(database.spec) as connection:
        await connection.execute(sql)


async def run(world: StepWorld, step: str, action: Action) -> str:
    world.step = step
    return await action(world)


def unchanged(before: Catalog, after: Catalog) -> bool:
    return compare(before, after) == ()


def offers(question: Question, choice: str) -> bool:
    return choice in {offered.name for offered in question.choices}


async def everything_before(world: StepWorld) -> None:
    """All that must hold before production may be converted."""
    await run(world, "2.2", investigate)
    await run(world, "4.1", decide)
    await run(world, "5.1", rehearse)
    await window_and_ticks(world)


async def window_and_ticks(world: StepWorld) -> None:
    await run(world, "6.1", choose_window)
    for step in (*ROTATION, "3.2", "7.2"):
        world.record(StepTicked(step=step), Actor(name="robin"))


# --- task 2 ------------------------------------------------------------------------------------------------------------


async def test_investigation_answers_the_questions(world: StepWorld) -> None:
    summary = await run(world, "2.2", investigate)
    known = world.state.facts
    assert "is needed" in summary
    assert known[facts.INVESTIGATION_REVISION] == ["0123456789ab"]
    assert known[facts.INVESTIGATION_INDICATORS] == {
        "folders": True,
        "rbac_audit_logs": False,
        "pipeline_templates": False,
        "document_questions": False,
    }
    assert known[facts.INVESTIGATION_KEY_TYPE] == "uuid"
    assert known[facts.INVESTIGATION_COUNTS] == {"users": 200, "organizations": 5}
    assert known[facts.INVESTIGATION_KEYS]["users.id"]["reference"] == 3
    assert known[facts.INVESTIGATION_TOTALS]["foreign_keys"] == FOREIGN_KEYS
    assert known[facts.INVESTIGATION_SECONDS] > 0
    assert known[facts.INVESTIGATION_FINGERPRINT] == fingerprint(await inspect(world.specs["production"]))
    report = world.evidence(REPORT_FILE)
    for line in ("It claims `0123456789ab`", "| `folders` | yes |", "| `users` | 200 |", "`uuid`", '"Order"'):
        assert line in report
    done = [reading.values["done"] for reading in world.readings if reading.name == "inspection"]
    assert done
    assert done[-1] == world.readings[-1].values["total"]


async def test_investigation_of_a_database_that_has_nothing_of_it(server: Server, tmp_path: Path) -> None:
    empty = await create_database(server)
    try:
        world = make_world(Pair(empty, empty), tmp_path, None)
        summary = await run(world, "2.2", investigate)
        assert "No conversion is needed" in summary
        assert world.state.facts[facts.INVESTIGATION_REVISION] is None
        assert world.state.facts[facts.INVESTIGATION_KEY_TYPE] is None
        assert world.state.facts[facts.INVESTIGATION_COUNTS] == {"users": None, "organizations": None}
        assert "no such table" in world.evidence(REPORT_FILE)
    finally:
        await drop_database(empty)


async def test_investigation_says_when_rows_cannot_be_counted(pair: Pair, tmp_path: Path) -> None:
    await execute(
        pair.production,
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; ALTER TABLE users FORCE ROW LEVEL SECURITY; ANALYZE users;",
    )
    world = make_world(pair, tmp_path, None)
    await run(world, "2.2", investigate)
    counts = world.state.facts[facts.INVESTIGATION_COUNTS]
    assert counts["organizations"] == 5
    assert counts["users"].startswith("about 200 rows")


async def test_investigation_with_a_key_column_that_the_settings_misname(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, None, conversion={"roots": ["userz.id"]})
    with pytest.raises(UsageError, match=r"userz\.id"):
        await run(world, "2.2", investigate)


# --- task 4 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approach", [DYNAMIC, ENUMERATED])
async def test_decision_leaves_the_complete_script(pair: Pair, tmp_path: Path, approach: str) -> None:
    world = make_world(pair, tmp_path, taking(LEAVE, approach))
    await run(world, "4.1", decide)
    assert world.state.facts[facts.DECISION_APPROACH] == approach
    question = world.questions[-1]
    assert {choice.name for choice in question.choices} == {"A", "B", "C", "later"}
    assert "4 foreign keys" in question.choices[0].consequence
    script = world.evidence(SCRIPT_FILE)
    assert script.count("Buyer") >= 2


async def test_a_decision_that_nobody_takes_is_none(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, taking(LEAVE))
    with pytest.raises(Refused, match="not decided"):
        await run(world, "4.1", decide)
    assert facts.DECISION_APPROACH not in world.state.facts


# --- task 5 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "outcome"), [(COMMIT, "committed"), (ROLLBACK, "rolled_back")])
async def test_rehearsal(pair: Pair, tmp_path: Path, answer: str, outcome: str) -> None:
    world = make_world(pair, tmp_path, taking(CONVERT, LEAVE, ACCEPT, answer))
    before = await inspect(pair.test.spec)
    summary = await run(world, "5.1", rehearse)
    assert "4 foreign keys recreated" in summary
    known = world.state.facts
    assert known[facts.REHEARSAL_PROVED] is True
    assert known[facts.REHEARSAL_PROOF] == "contents"
    assert known[facts.REHEARSAL_OUTCOME] == outcome
    assert known[facts.REHEARSAL_FOREIGN_KEYS] == {"before": 4, "dropped": 4, "recreated": 4}
    assert known[facts.REHEARSAL_MISSING] == []

    after = await inspect(pair.test.spec)
    if outcome == "rolled_back":
        assert unchanged(before, after)
    else:
        changed = {c.name for c in after.columns if c.type == "character varying(36)"}
        assert {"id", "organization_id", "manager_id", "user", "owner_id"} <= changed
        assert "select" not in changed

    confirmation = next(q for q in world.questions if offers(q, CONVERT))
    assert confirmation.choices[0].phrase == pair.test.name
    assert confirmation.target == "test"
    assert confirmation.default == CANCEL
    assert confirmation.plan == next(e.plan for e in world.events if isinstance(e, ConversionPlanned))
    assert "users" in confirmation.locks
    assert "Every statement of production's plan is in this rehearsal." in confirmation.details
    last = world.questions[-1]
    assert last.default == ROLLBACK
    assert any("foreign keys" in line and "dropped: 4, recreated: 4" in line for line in last.details)

    report = world.evidence(REPORT_FILE)
    assert f"# Conversion of test: {outcome.replace('_', ' ')}" in report
    assert "Total users.id foreign keys dropped: 3, recreated: 3" in report
    log = next(tmp_path.glob("conversion-5.1-*.log"))
    assert log.stat().st_mode & 0o777 == 0o600
    assert 'ADD CONSTRAINT "Buyer"' in log.read_text()
    json.loads(world.evidence(PLAN_FILE))

    summary = await run(world, "5.2", verify_foreign_keys)
    assert "4 foreign keys" in summary


async def test_production_is_not_touched_by_the_rehearsal(world: StepWorld) -> None:
    before = await inspect(world.specs["production"])
    await run(world, "5.1", rehearse)
    assert unchanged(before, await inspect(world.specs["production"]))


async def test_rehearsal_on_production_itself_is_refused(pair: Pair, tmp_path: Path) -> None:
    world = make_world(Pair(pair.production, pair.production), tmp_path, CONFIRMED)
    with pytest.raises(Refused, match="production database itself"):
        await run(world, "5.1", rehearse)
    assert not any(isinstance(event, TransactionOpened) for event in world.events)


async def test_rehearsal_names_what_it_leaves_out(pair: Pair, tmp_path: Path) -> None:
    await execute(pair.test, "DROP TABLE folders")
    world = make_world(pair, tmp_path, CONFIRMED)
    await run(world, "5.1", rehearse)
    missing = world.state.facts[facts.REHEARSAL_MISSING]
    assert missing
    assert all("folders" in name for name in missing)


async def test_rehearsal_goes_on_when_production_cannot_be_read(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, CONFIRMED)
    world.specs["production"] = pair.production.spec.with_database("no_such_database")
    await run(world, "5.1", rehearse)
    assert world.state.facts[facts.REHEARSAL_MISSING] is None
    confirmation = next(q for q in world.questions if offers(q, CONVERT))
    assert any("could not be read" in line for line in confirmation.details)


async def test_a_second_rehearsal_of_a_converted_database_is_refused_and_spoils_nothing(world: StepWorld) -> None:
    await everything_before(world)
    with pytest.raises(Refused, match="nothing to convert"):
        await run(world, "5.1", rehearse)
    assert world.state.facts[facts.REHEARSAL_PROVED] is True
    assert "committed" in await run(world, "7.3", convert_production)


async def test_foreign_keys_that_went_missing_are_noticed(world: StepWorld, pair: Pair) -> None:
    await run(world, "5.1", rehearse)
    await execute(pair.test, 'ALTER TABLE "Order" DROP CONSTRAINT "Buyer"')
    with pytest.raises(PgrecastError, match="3 foreign keys; before the rehearsal it had 4"):
        await run(world, "5.2", verify_foreign_keys)


async def test_foreign_keys_before_any_rehearsal(world: StepWorld) -> None:
    with pytest.raises(Refused, match="Nothing was rehearsed"):
        await run(world, "5.2", verify_foreign_keys)


# --- what stops a conversion before its transaction ---------------------------------------------------------------------


async def test_without_confirmation_nothing_begins(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, taking(LEAVE, ACCEPT))
    with pytest.raises(Refused, match="not confirmed"):
        await run(world, "5.1", rehearse)
    assert not any(isinstance(event, TransactionOpened) for event in world.events)


async def test_soft_references_are_asked_for(pair: Pair, tmp_path: Path) -> None:
    await execute(pair.test, "ALTER TABLE folders ADD COLUMN user_id uuid")
    world = make_world(pair, tmp_path, taking(CONVERT, RETYPE, ACCEPT, COMMIT))
    await run(world, "5.1", rehearse)
    asked = next(q for q in world.questions if offers(q, RETYPE))
    assert any(line.startswith("folders.user_id") for line in asked.details)
    after = await inspect(pair.test.spec)
    assert next(c.type for c in after.columns if c.name == "user_id") == "character varying(36)"

    undecided = make_world(Pair(pair.test, pair.production), tmp_path, None)
    await execute(pair.production, "ALTER TABLE folders ADD COLUMN user_id uuid")
    with pytest.raises(Refused, match="not decided"):
        await run(undecided, "5.1", rehearse)


async def test_soft_references_can_be_chosen_one_by_one(pair: Pair, tmp_path: Path) -> None:
    await execute(pair.test, "ALTER TABLE folders ADD COLUMN user_id uuid, ADD COLUMN other_user_id uuid")

    def answer(question: Question) -> str:
        if offers(question, CHOOSE):
            return CHOOSE
        if question.title.startswith("Retype folders.other_user_id"):
            assert any("its name speaks of users.id" in line for line in question.details)
            return LEAVE
        return next(name for name in (CONVERT, RETYPE, ACCEPT, COMMIT) if offers(question, name))

    await run(make_world(pair, tmp_path, answer), "5.1", rehearse)
    after = await inspect(pair.test.spec)
    types = {c.name: c.type for c in after.columns if c.name.endswith("user_id") and c.table == "folders"}
    assert types == {"user_id": "character varying(36)", "other_user_id": "uuid"}


async def test_what_was_decided_about_soft_references_holds_for_the_whole_run(pair: Pair, tmp_path: Path) -> None:
    for database in (pair.production, pair.test):
        await execute(database, "ALTER TABLE folders ADD COLUMN user_id uuid")
    world = make_world(pair, tmp_path, taking(RETYPE, DYNAMIC))
    await run(world, "2.2", investigate)
    await run(world, "4.1", decide)
    assert world.state.facts[facts.DECISION_SOFT_REFERENCES] == ["folders.user_id"]
    world.answers = taking(CONVERT, ACCEPT, COMMIT, NOW)  # a second question about them would end in a refusal
    await run(world, "5.1", rehearse)
    await window_and_ticks(world)
    await run(world, "7.3", convert_production)
    after = await inspect(pair.production.spec)
    assert next(c.type for c in after.columns if c.name == "user_id") == "character varying(36)"


async def test_a_warning_must_be_accepted(pair: Pair, tmp_path: Path) -> None:
    await execute(
        pair.test,
        "CREATE FUNCTION owner_of(wanted uuid) RETURNS text LANGUAGE plpgsql AS "
        "$$BEGIN RETURN (SELECT email FROM users WHERE id = wanted); END$$",
    )
    refused = make_world(pair, tmp_path, taking(CONVERT, LEAVE, KEEP, COMMIT))
    with pytest.raises(Refused, match="not accepted") as caught:
        await run(refused, "5.1", rehearse)
    assert "owner_of" in str(caught.value)

    accepted = make_world(pair, tmp_path, taking(CONVERT, LEAVE, KEEP, ROLLBACK), conversion={"accept": ["all"]})
    await run(accepted, "5.1", rehearse)
    assert not any(offers(q, ACCEPT) for q in accepted.questions)


# --- task 7.3 ----------------------------------------------------------------------------------------------------------


async def test_production_is_converted(world: StepWorld, pair: Pair) -> None:
    await everything_before(world)
    summary = await run(world, "7.3", convert_production)
    assert summary.startswith("committed, proof (contents) holds; 4 foreign keys recreated")
    known = world.state.facts
    assert known[facts.CONVERSION_OUTCOME] == "committed"
    assert known[facts.CONVERSION_PROVED] is True
    confirmation = next(q for q in reversed(world.questions) if offers(q, CONVERT))
    assert confirmation.choices[0].phrase == pair.production.name
    assert "Every statement was rehearsed." in confirmation.checked
    assert "by the rehearsal's time" in confirmation.duration
    assert any("latest moment to turn back: start by" in line for line in confirmation.details)
    after = await inspect(pair.production.spec)
    assert next(c.type for c in after.columns if (c.table, c.name) == ("users", "id")) == "character varying(36)"
    assert sum(1 for _ in after.foreign_keys()) == FOREIGN_KEYS
    conversion = world.state.conversions["7.3"]
    assert conversion.outcome == "committed"
    assert [phase.number for phase in conversion.phases] == [1, 2, 3, 4, 5, 6]
    # A retype deletes the columns' statistics; ANALYZE has brought them back.
    async with session(pair.production.spec) as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_stats WHERE tablename = 'users' AND attname = 'id'")


async def test_rollback_of_production_leaves_no_difference(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, CONFIRMED)
    await everything_before(world)
    before = await inspect(pair.production.spec)
    world.answers = taking(CONVERT, LEAVE, ACCEPT, ROLLBACK)
    with pytest.raises(RolledBack, match=r"Production is not converted: rolled back, proof \(contents\) holds"):
        await run(world, "7.3", convert_production)
    assert unchanged(before, await inspect(pair.production.spec))
    assert world.state.facts[facts.CONVERSION_OUTCOME] == "rolled_back"


async def test_an_unanswered_commit_question_rolls_back(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, CONFIRMED)
    await everything_before(world)

    def commit_unanswered(question: Question) -> str:
        return question.default if offers(question, COMMIT) else CONFIRMED(question)

    world.answers = commit_unanswered
    with pytest.raises(RolledBack):
        await run(world, "7.3", convert_production)
    assert world.state.facts[facts.CONVERSION_OUTCOME] == "rolled_back"


async def test_production_that_was_not_investigated(world: StepWorld) -> None:
    with pytest.raises(Refused, match="not investigated"):
        await run(world, "7.3", convert_production)


async def test_production_that_changed_since_it_was_investigated(world: StepWorld, pair: Pair) -> None:
    await everything_before(world)
    await execute(pair.production, "CREATE TABLE meanwhile (id uuid PRIMARY KEY)")
    with pytest.raises(Refused, match="changed since it was investigated"):
        await run(world, "7.3", convert_production)
    assert not any(isinstance(event, TransactionOpened) and event.step == "7.3" for event in world.events)


async def test_an_investigation_that_is_too_old(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, CONFIRMED)
    await everything_before(world)
    limits = world.settings.investigation.model_copy(update={"max_age": timedelta(microseconds=1)})
    world.settings = world.settings.model_copy(update={"investigation": limits})
    with pytest.raises(Refused, match="too old"):
        await run(world, "7.3", convert_production)


async def test_approach_b_holds_production_to_the_reviewed_plan(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, taking(CONVERT, LEAVE, ACCEPT, COMMIT, ENUMERATED, NOW))
    await everything_before(world)
    await execute(pair.production, "CREATE INDEX later ON users (manager_id)")
    await run(world, "2.2", investigate)
    with pytest.raises(Refused, match="approach B"):
        await run(world, "7.3", convert_production)


async def test_what_was_not_rehearsed_must_be_accepted(pair: Pair, tmp_path: Path) -> None:
    await execute(pair.test, "DROP TABLE folders")
    world = make_world(pair, tmp_path, CONFIRMED)
    await everything_before(world)
    world.answers = taking(CONVERT, LEAVE, COMMIT)
    with pytest.raises(Refused, match="not accepted: unrehearsed"):
        await run(world, "7.3", convert_production)
    world.answers = CONFIRMED
    assert (await run(world, "7.3", convert_production)).startswith("committed")


async def test_evidence_of_the_rehearsal_that_was_altered(world: StepWorld) -> None:
    await everything_before(world)
    recorded = [file for file in world.state.step("5.1").files if file.name == REHEARSAL_FILE][-1]
    (world.run_directory / recorded.path).write_text("{}")
    with pytest.raises(JournalError, match="altered"):
        await run(world, "7.3", convert_production)


async def test_a_cancelled_step_rolls_back(pair: Pair, tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(question: Question) -> str:
        asked.set()
        await asyncio.sleep(3600)
        return question.default

    world = make_world(pair, tmp_path, lambda q: never(q) if offers(q, COMMIT) else CONFIRMED(q))
    before = await inspect(pair.test.spec)
    task = asyncio.create_task(run(world, "5.1", rehearse))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (ended,) = (event for event in world.events if isinstance(event, TransactionEnded))
    assert (ended.outcome, ended.reason) == ("rolled_back", "the step was stopped")
    assert unchanged(before, await inspect(pair.test.spec))
    assert world.state.facts[facts.REHEARSAL_PROVED] is True


async def test_a_session_that_the_server_ends_while_commit_is_asked_for(pair: Pair, tmp_path: Path) -> None:
    async def terminate(question: Question) -> str:
        pid = next(event.backend_pid for event in world.events if isinstance(event, TransactionOpened))
        connection = await pair.test.superuser_connect()
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
        await connection.close()
        await asyncio.sleep(3600)
        return question.default

    world = make_world(pair, tmp_path, lambda q: terminate(q) if offers(q, COMMIT) else CONFIRMED(q))
    before = await inspect(pair.test.spec)
    with pytest.raises(ConversionFailed):
        await run(world, "5.1", rehearse)
    assert unchanged(before, await inspect(pair.test.spec))


# --- the one-step run --------------------------------------------------------------------------------------------------


async def test_one_step_needs_nothing_before(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, CONFIRMED)
    summary = await run(world, "1.1", convert_one)
    assert summary.startswith("committed")
    assert world.state.facts[facts.CONVERSION_OUTCOME] == "committed"
    with pytest.raises(Refused, match="nothing to convert"):
        await run(world, "1.1", convert_one)


# --- the demo's incident -----------------------------------------------------------------------------------------------


async def test_the_incident_from_investigation_to_commit(
    incident: Incident, production_copy: ConnectionSpec, tmp_path: Path
) -> None:
    world = StepWorld(
        tmp_path,
        Settings.load(),
        {"production": production_copy, "test": incident.test},
        taking(LEAVE, REPAIR, DYNAMIC),
    )
    summary = await run(world, "2.2", investigate)
    assert "is needed" in summary
    assert not any(world.state.facts[facts.INVESTIGATION_INDICATORS].values())
    await run(world, "4.1", decide)

    before = await inspect(incident.test)
    world.answers = taking(CONVERT, ACCEPT, ROLLBACK)
    await run(world, "5.1", rehearse)
    await run(world, "5.2", verify_foreign_keys)
    assert unchanged(before, await inspect(incident.test))
    keys = world.state.facts[facts.REHEARSAL_FOREIGN_KEYS]
    assert keys["dropped"] == keys["recreated"] >= 95
    # The test database differs a little, and what that leaves out is named.
    assert world.state.facts[facts.REHEARSAL_MISSING]

    world.answers = CONFIRMED
    await window_and_ticks(world)
    before = await inspect(production_copy)
    assert (await run(world, "7.3", convert_production)).startswith("committed")
    after = await inspect(production_copy)
    assert next(c.type for c in after.columns if (c.table, c.name) == ("users", "id")) == "character varying(36)"
    assert len(list(after.foreign_keys())) == len(list(before.foreign_keys()))
    assert "users.id foreign keys dropped: 37, recreated: 37" in world.evidence(REPORT_FILE)
