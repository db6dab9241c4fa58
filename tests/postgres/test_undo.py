"""The undo of a committed conversion: everything is as it was, or it is refused and nothing is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import PgrecastError, Refused
from core.events import TransactionOpened
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.contents import Rows, TableName, read_rows
from core.postgres.fingerprint import Canonical, canonical, compare
from core.postgres.inspect import inspect
from core.runbook import facts
from core.runbook.gates import reports
from core.runbook.one_step import CONVERSION
from core.runbook.questions import ACCEPT, COMMIT, CONVERT, LEAVE, REPAIR, ROLLBACK
from core.runbook.way_back import Way, way_back
from core.settings import Settings
from tests.conversions import build_schema
from tests.databases import Database
from tests.sessions import session
from tests.step_world import StepWorld, taking

CONFIRMED = taking(CONVERT, LEAVE, REPAIR, ACCEPT, COMMIT)


@dataclass
class Undone:
    """A database, the run in which it is converted and undone, and how it was at the start."""

    spec: ConnectionSpec
    directory: Path
    conversion: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        given = Settings.load(None, {"conversion": self.conversion})
        self.world = StepWorld(self.directory, given, {"production": self.spec}, CONFIRMED)

    async def run(self, step: str) -> str:
        self.world.step = step
        action = CONVERSION.step(step).action
        assert action is not None
        return await action(self.world)

    async def execute(self, sql: str) -> None:
        async with session(self.spec) as connection:
            await connection.execute(sql)

    async def look(self) -> tuple[Canonical, dict[TableName, Rows]]:
        """The catalog's canonical form, and the contents of every table."""
        catalog = await inspect(self.spec)
        async with session(self.spec) as connection, connection.transaction():
            return canonical(catalog), await read_rows(connection, catalog.relations, "contents")

    @property
    def gates(self) -> list[bool]:
        step = CONVERSION.step("1.1-undo")
        return [report.open for report in reports(step, self.world.state, self.world.settings, datetime.now(UTC))]

    @property
    def opened(self) -> int:
        return sum(isinstance(event, TransactionOpened) for event in self.world.events)


@pytest.fixture
async def undone(database: Database, tmp_path: Path) -> Undone:
    await build_schema(database)
    return Undone(database.spec, tmp_path)


async def test_everything_is_as_it_was(undone: Undone) -> None:
    catalog, rows = await undone.look()
    assert undone.gates == [False]
    await undone.run("1.1")
    assert undone.gates == [True]
    assert way_back(undone.world.state).way is Way.REVERSE
    assert "it can be undone" in await undone.run("1.1-undoable")
    summary = await undone.run("1.1-undo")
    assert summary.startswith(
        "undone, proof (contents) holds: everything is as it was before the conversion; 6 foreign"
    )
    catalog_after, rows_after = await undone.look()
    assert compare(catalog, catalog_after) == ()
    assert rows == rows_after
    assert undone.world.state.facts[facts.CONVERSION_OUTCOME] == "undone"
    assert way_back(undone.world.state).way is Way.NOTHING
    assert undone.gates == [False]
    confirmation = [q for q in undone.world.questions if CONVERT in {c.name for c in q.choices}][-1]
    assert confirmation.title.startswith("Undo the conversion of the production database")
    assert confirmation.choices[0].phrase == undone.spec.database


async def test_it_can_be_done_and_undone_again(undone: Undone) -> None:
    catalog, _ = await undone.look()
    for _ in range(2):
        await undone.run("1.1")
        await undone.run("1.1-undo")
    assert compare(catalog, (await undone.look())[0]) == ()


async def test_rows_written_in_between_go_back(undone: Undone) -> None:
    catalog, _ = await undone.look()
    await undone.run("1.1")
    await undone.execute(
        "INSERT INTO users (email) SELECT 'new ' || n FROM generate_series(1, 5) n;"
        "UPDATE users SET manager = (SELECT id FROM users WHERE email = 'new 1') WHERE email LIKE 'new%';"
        "DELETE FROM visits WHERE n > 40"
    )
    _, rows = await undone.look()
    await undone.run("1.1-undo")
    catalog_after, rows_after = await undone.look()
    assert compare(catalog, catalog_after) == ()
    assert rows == rows_after


async def test_an_id_that_is_no_uuid_is_named_and_nothing_is_touched(undone: Undone) -> None:
    await undone.run("1.1")
    await undone.execute(
        "INSERT INTO users (id, email) VALUES ('tenant-7', 'a'), ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'b');"
        "UPDATE visits SET who = 'tenant-7' WHERE n <= 3"
    )
    before = await undone.look()
    assert "cannot be undone any more: users.id holds" in await undone.run("1.1-undoable")
    assert way_back(undone.world.state).way is Way.BACKUP
    assert undone.gates == [False]
    opened = undone.opened
    with pytest.raises(Refused) as caught:
        await undone.run("1.1-undo")
    for piece in ("column users.id: 2 of its values", "column visits.who: 3 of its values", "'tenant-7'"):
        assert piece in str(caught.value)
    assert undone.opened == opened
    assert await undone.look() == before


async def test_a_schema_that_has_changed_since_is_named(undone: Undone) -> None:
    await undone.run("1.1")
    await undone.execute("CREATE TABLE later (id varchar(36) REFERENCES users)")
    assert "table public.later: added" in await undone.run("1.1-undoable")
    with pytest.raises(Refused, match=r"The schema has changed since the conversion.*public\.later"):
        await undone.run("1.1-undo")


async def test_what_is_not_committed_cannot_be_undone(undone: Undone) -> None:
    with pytest.raises(Refused, match="has committed no conversion"):
        await undone.run("1.1-undo")
    undone.world.answers = taking(CONVERT, LEAVE, REPAIR, ACCEPT, ROLLBACK)
    await undone.run("1.1")
    assert undone.gates == [False]
    with pytest.raises(Refused, match="has committed no conversion"):
        await undone.run("1.1-undo")


async def test_an_undo_that_is_rolled_back_leaves_the_conversion(undone: Undone) -> None:
    await undone.run("1.1")
    before = await undone.look()
    undone.world.answers = taking(CONVERT, LEAVE, REPAIR, ACCEPT, ROLLBACK)
    assert (await undone.run("1.1-undo")).startswith("rolled back")
    assert await undone.look() == before
    assert undone.gates == [True]
    assert undone.world.state.facts[facts.CONVERSION_OUTCOME] == "committed"


async def test_an_undo_twice(undone: Undone) -> None:
    await undone.run("1.1")
    await undone.run("1.1-undo")
    with pytest.raises(Refused, match="undone already"):
        await undone.run("1.1-undo")


async def test_another_database_is_not_undone(undone: Undone, production_copy: ConnectionSpec) -> None:
    await undone.run("1.1")
    undone.world.specs["production"] = production_copy
    with pytest.raises(PgrecastError, match="but this run was opened on"):
        await undone.run("1.1-undo")


async def test_the_commit_question_and_the_report_say_how_to_get_back(undone: Undone) -> None:
    await undone.run("1.1")
    question = next(q for q in undone.world.questions if COMMIT in {c.name for c in q.choices})
    assert "step 1.1-undo undoes it exactly (or undo.sql with psql)" in question.cannot_undo[0]
    assert "step 1.1-undo undoes it exactly" in undone.world.evidence(facts.REPORT_FILE)


async def test_the_demos_incident(production_copy: ConnectionSpec, tmp_path: Path) -> None:
    undone = Undone(production_copy, tmp_path, {"soft_references": "all", "accept": ["all"]})
    catalog, rows = await undone.look()
    await undone.run("1.1")
    await undone.run("1.1-undo")
    catalog_after, rows_after = await undone.look()
    assert compare(catalog, catalog_after) == ()
    assert rows == rows_after
