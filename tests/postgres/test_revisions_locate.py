"""Which revision is it really? Drifted databases against replayed histories, on a real server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.demo.alembic import run_alembic
from core.postgres.scratch import leftovers
from core.revisions.evidence import Status
from core.revisions.locate import Location, Verdict, locate
from core.revisions.report import document, report_lines
from core.revisions.survey import Survey, survey
from core.revisions.version_table import Claim
from tests.databases import Database
from tests.histories import BRANCHED, R, spec_of, write_project

Locate = Callable[[], Awaitable[Survey]]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replays")


class Drifted:
    """A database at some revision of a history, to be drifted by SQL and located."""

    def __init__(self, database: Database, folder: Path, cache: Path) -> None:
        self.database, self.folder, self.cache = database, folder, cache
        self.project = write_project(folder, BRANCHED)

    async def at(self, *revisions: str) -> None:
        for revision in revisions:
            outcome = await run_alembic(self.folder, spec_of(self.database), "upgrade", revision)
            assert outcome.exit_status == 0, outcome.output

    async def sql(self, sql: str) -> None:
        connection = await self.database.connect()
        await connection.execute(sql)
        await connection.close()

    async def claims(self, *revisions: str) -> None:
        await self.sql("DELETE FROM alembic_version")
        for revision in revisions:
            await self.sql(f"INSERT INTO alembic_version VALUES ('{revision}')")

    async def survey(self) -> Survey:
        return await survey(
            self.project, spec_of(self.database), scratch=spec_of(self.database), log=lambda _: None, cache=self.cache
        )

    async def locate(self) -> Location:
        return (await self.survey()).location


@pytest.fixture
def drifted(database: Database, tmp_path: Path, cache: Path) -> Drifted:
    return Drifted(database, tmp_path, cache)


def status_of(location: Location) -> dict[str, Status]:
    return {found.revision: found.status for found in location.evidence}


async def test_a_claim_that_is_true_is_agreed_with(drifted: Drifted) -> None:
    await drifted.at("g6")
    location = await drifted.locate()
    assert location.verdict is Verdict.AGREES
    assert location.rows == ("g6",)
    assert location.pending == ("h7",)
    assert location.obstacles == ()
    assert location.unmade == ()


async def test_hand_made_tables_out_of_order_do_not_move_the_frontier(drifted: Drifted) -> None:
    await drifted.at("c3")
    await drifted.sql("CREATE TABLE payments (id integer PRIMARY KEY, note text)")
    await drifted.sql("INSERT INTO payments VALUES (1, 'by hand')")
    await drifted.claims("h7")
    found = await drifted.survey()
    location = found.location
    assert location.verdict is Verdict.PROVED
    assert location.rows == ("c3",)
    assert status_of(location)["g6"] is Status.PARTIAL
    (obstacle,) = [o for o in location.obstacles if o.kind == "exists"]
    assert (obstacle.revision, obstacle.item.name, obstacle.same) == ("g6", "payments", False)
    assert obstacle.item in found.holding_rows
    (line,) = [line for line in report_lines(found) if "will fail" in line]
    assert "it holds rows. Rename it aside" in line


async def test_a_hand_made_table_exactly_as_the_revision_makes_it(drifted: Drifted) -> None:
    await drifted.at("b2")
    await drifted.sql("CREATE TABLE invoices (id serial PRIMARY KEY, account_id integer NOT NULL REFERENCES accounts)")
    await drifted.sql("CREATE TABLE payments (id serial PRIMARY KEY, amount numeric)")
    location = await drifted.locate()
    # c3 does nothing else: whoever made its table, it need not run. g6 does more, and what it follows is absent.
    assert location.verdict is Verdict.PROVED
    assert location.rows == ("c3",)
    assert location.claim.rows == ("b2",)
    (obstacle,) = location.obstacles
    assert (obstacle.revision, obstacle.same) == ("g6", True)
    assert "mark the revision as applied instead of running it" in obstacle.choices


async def test_a_half_applied_revision_is_asked(drifted: Drifted) -> None:
    await drifted.at("f5")
    await drifted.sql("ALTER TYPE mood ADD VALUE 'happy'")  # what its autocommit block leaves when the rest fails
    location = await drifted.locate()
    assert location.verdict is Verdict.AMBIGUOUS
    assert location.rows is None
    (half,) = [found for found in location.evidence if found.status is Status.PARTIAL]
    assert str(half).startswith("g6 PARTIAL 1/")
    assert [candidate.rows for candidate in location.candidates] == [("f5",), ("g6",)]
    assert location.candidates[0].claimed
    assert "there in part" in location.candidates[0].question
    assert [o.sentence for o in location.obstacles] == [
        "enum value mood.happy exists already, exactly as the revision would make it"
    ]


async def test_one_side_of_a_branch_is_applied(drifted: Drifted) -> None:
    await drifted.at("d3")
    await drifted.claims("e4")
    location = await drifted.locate()
    assert location.verdict is Verdict.PROVED
    assert location.rows == ("d3",)
    assert location.pending == ("c3", "e4", "f5", "g6", "h7")


async def test_both_sides_of_a_branch_are_the_merge_which_sends_nothing(drifted: Drifted) -> None:
    await drifted.at("c3", "d3")
    assert (await drifted.locate()).rows == ("c3", "d3")  # as claimed
    await drifted.claims("a1")
    location = await drifted.locate()
    # The merge makes no difference; whether the data-only revision after it has run is asked.
    assert location.verdict is Verdict.AMBIGUOUS
    assert [candidate.rows for candidate in location.candidates] == [("e4",), ("f5",)]
    assert "UPDATE accounts SET name = upper(name)" in location.candidates[0].question
    assert "e4 sends no SQL: whether it has run makes no difference." in location.notes


async def test_a_dropped_index_is_asked_and_never_guessed(drifted: Drifted) -> None:
    await drifted.at("h7")
    await drifted.sql("DROP INDEX accounts_email_idx")
    await drifted.claims()
    location = await drifted.locate()
    assert location.verdict is Verdict.AMBIGUOUS
    assert location.rows is None
    (candidate,) = location.candidates
    assert candidate.rows == ("h7",)
    assert "changed by hand since" in candidate.question
    assert "b2: index accounts.accounts_email_idx is missing" in candidate.question
    assert str(location.evidence[1]) == "b2 PARTIAL 2/3 (index accounts.accounts_email_idx is missing)"


async def test_a_missing_enum_value_is_asked_and_never_guessed(drifted: Drifted) -> None:
    await drifted.at("h7")
    await drifted.sql("DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok')")
    location = await drifted.locate()
    assert location.verdict is Verdict.AMBIGUOUS
    (candidate,) = location.candidates
    assert (candidate.rows, candidate.claimed) == (("h7",), True)
    assert "g6: enum value mood.happy is missing" in candidate.question


async def test_a_stamp_unknown_to_the_tree(drifted: Drifted) -> None:
    await drifted.at("g6")
    await drifted.claims("deadbeef0000")
    location = await drifted.locate()
    assert (location.verdict, location.rows, location.unknown) == (Verdict.PROVED, ("g6",), ("deadbeef0000",))
    assert any("Can't locate revision" in note for note in location.notes)


async def test_an_empty_and_a_missing_version_table(drifted: Drifted) -> None:
    await drifted.at("g6")
    await drifted.claims()
    location = await drifted.locate()
    assert (location.verdict, location.rows) == (Verdict.PROVED, ("g6",))
    await drifted.sql("DROP TABLE alembic_version")
    location = await drifted.locate()
    assert (location.verdict, location.rows, location.claim.rows) == (Verdict.PROVED, ("g6",), None)


async def test_several_rows_of_which_one_comes_before_another(drifted: Drifted) -> None:
    await drifted.at("g6")
    await drifted.claims("a1", "g6")
    location = await drifted.locate()
    assert (location.verdict, location.rows) == (Verdict.PROVED, ("g6",))
    assert "The version table names a1 besides revisions that follow it." in location.notes


async def test_an_empty_database_is_at_the_beginning(drifted: Drifted) -> None:
    found = await drifted.survey()
    assert (found.location.verdict, found.location.rows) == (Verdict.PROVED, ())
    assert found.location.pending == ("a1", "b2", "c3", "d3", "e4", "f5", "g6", "h7")
    assert report_lines(found)[0].startswith("The schema is at the beginning of the history")


async def test_a_constraint_under_another_name_counts_and_is_told(drifted: Drifted) -> None:
    await drifted.at("h7")
    await drifted.sql("ALTER TABLE invoices RENAME CONSTRAINT invoices_account_id_fkey TO fk_1")
    location = await drifted.locate()
    assert location.verdict is Verdict.AGREES
    assert "constraint invoices.invoices_account_id_fkey is called fk_1 here." in location.notes


async def test_keys_of_another_type_throughout_are_told_apart(drifted: Drifted) -> None:
    await drifted.at("g6")
    await drifted.sql("ALTER TABLE invoices DROP CONSTRAINT invoices_account_id_fkey")
    for column in ("accounts.id", "invoices.id", "invoices.account_id", "tickets.id", "payments.id"):
        table, name = column.split(".")
        await drifted.sql(f"ALTER TABLE {table} ALTER {name} TYPE bigint")
    await drifted.sql(
        "ALTER TABLE invoices ADD CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts"
    )
    await drifted.claims("h7")
    location = await drifted.locate()
    assert (location.verdict, location.rows) == (Verdict.PROVED, ("g6",))
    assert [str(pair) for pair in location.key_types] == ["live bigint, migrations want integer"]
    assert status_of(location)["c3"] is Status.BUT_KEY_TYPES
    assert len(location.type_differences) == 5


async def test_a_single_table_with_other_keys_is_no_key_type_of_the_database(drifted: Drifted) -> None:
    await drifted.at("g6")
    await drifted.sql("ALTER TABLE tickets ALTER id TYPE bigint")
    location = await drifted.locate()
    assert location.key_types == ()
    assert location.verdict is Verdict.AMBIGUOUS
    assert "tickets.id: live bigint, migration wants integer" in location.candidates[0].question


async def test_what_was_replayed_is_kept_and_the_scratch_database_is_not(drifted: Drifted) -> None:
    await drifted.at("a1")
    assert (await drifted.survey()).replay is not None
    again = await drifted.survey()
    assert again.replay.from_cache
    assert document(again)["replay"]["from_cache"] is True
    file = drifted.folder / "migrations" / "versions" / "h7.py"
    file.write_text(file.read_text() + "# changed\n")
    assert not (await drifted.survey()).replay.from_cache
    connection = await drifted.database.connect()
    assert [found for found in await leftovers(connection) if found.owner == drifted.database.owner] == []
    await connection.close()


async def test_things_made_dropped_and_made_again(database: Database, tmp_path: Path, cache: Path) -> None:
    recurring = (
        R(
            "r1",
            None,
            'op.create_table("kept", sa.Column("id", sa.Integer)); op.create_table("gone", sa.Column("id", sa.Integer))',
        ),
        R("r2", "r1", 'op.drop_table("gone")'),
        R("r3", "r2", 'op.rename_table("kept", "renamed")'),
        R("r4", "r3", 'op.create_table("gone", sa.Column("id", sa.Integer))'),
    )
    drifted = Drifted(database, tmp_path / "unused", cache)
    drifted.folder, drifted.project = tmp_path, write_project(tmp_path, recurring)
    for revision in ("r1", "r2", "r3", "r4"):
        await drifted.at(revision)
        await drifted.claims()
        location = await drifted.locate()
        assert (location.verdict, location.rows) == (Verdict.PROVED, (revision,)), report_lines(await drifted.survey())
        await drifted.claims(revision)


async def test_predicted_obstacles_are_what_really_stops_alembic(drifted: Drifted) -> None:
    await drifted.at("f5")
    await drifted.sql("CREATE TABLE payments (id integer PRIMARY KEY, amount numeric)")
    (obstacle,) = [o for o in (await drifted.locate()).obstacles if o.kind == "exists"]
    outcome = await run_alembic(drifted.folder, spec_of(drifted.database), "upgrade", obstacle.revision)
    assert outcome.exit_status != 0
    assert 'relation "payments" already exists' in outcome.output


async def test_what_cannot_be_replayed_is_accepted_where_others_follow_it_and_asked_at_the_end(
    database: Database, tmp_path: Path, cache: Path
) -> None:
    history = (
        R("r1", None, 'op.create_table("t", sa.Column("id", sa.Integer))'),
        R("r2", "r1", 'op.execute("GRANT SELECT ON t TO a_role_that_is_not_here")'),
        R("r3", "r2", 'op.add_column("t", sa.Column("a", sa.Integer))'),
        R("r4", "r3", 'op.execute("GRANT SELECT ON t TO a_role_that_is_not_here")'),
    )
    drifted = Drifted(database, tmp_path / "unused", cache)
    drifted.folder, drifted.project = tmp_path, write_project(tmp_path, history)
    await drifted.sql("CREATE TABLE t (id integer)")
    location = await drifted.locate()
    assert [found.status for found in location.evidence] == ["APPLIED", "UNKNOWN", "ABSENT", "UNKNOWN"]
    assert [candidate.rows for candidate in location.candidates] == [("r1",), ("r2",)]
    await drifted.sql("ALTER TABLE t ADD a integer")
    location = await drifted.locate()
    assert location.verdict is Verdict.AMBIGUOUS
    assert [candidate.rows for candidate in location.candidates] == [("r3",), ("r4",)]
    assert "a_role_that_is_not_here" in location.candidates[0].question


async def test_every_revision_is_found_from_the_schema_that_it_leaves(drifted: Drifted) -> None:
    replay = (await drifted.survey()).replay
    asked: list[str] = []
    for revision in replay.graph.revisions:
        applied = replay.graph.closure([revision.id])
        rows = replay.graph.heads_of(applied)
        live = replay.schema_at(applied)
        location = locate(replay, live, replay.server_major, Claim(rows))
        assert (location.verdict, location.rows, location.obstacles) == (Verdict.AGREES, rows, ()), revision
        location = locate(replay, live, replay.server_major, Claim(None))
        if location.rows is None:
            asked.append(revision.id)
            assert rows in [candidate.rows for candidate in location.candidates]
        else:
            assert location.rows == rows
    assert asked == ["e4", "f5"]  # whether f5, which changes data only, has run
