"""Writing the version table: under lock, from the value that was shown, on proof or by a typed reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import Refused, UsageError, WrongDatabase
from core.postgres.connect import identify
from core.revisions.graph import Graph, Revision, VersionTable
from core.revisions.locate import Candidate, Location, Verdict
from core.revisions.stamp import require_proof, stamp
from core.revisions.version_table import Claim, read_claim
from tests.databases import Database
from tests.histories import spec_of
from tests.sessions import session

TABLE = VersionTable()
GRAPH = Graph((Revision("a1"), Revision("b2", ("a1",)), Revision("c3", ("b2",)), Revision("d3", ("b2",))))
LOCATED = Location(Claim(("c3",)), (), Verdict.PROVED, ("b2",), (), (), (), (), (), (), (), ())
ASKED = replace(LOCATED, verdict=Verdict.AMBIGUOUS, rows=None, candidates=(Candidate(("b2",), "c3 has not run"),))


async def test_a_stamp_and_its_undoing(database: Database) -> None:
    async with session(spec_of(database)) as connection:
        identity = await identify(connection)
        made = await stamp(connection, identity, TABLE, old=Claim(None), new=Claim(("a1",)), graph=GRAPH)
        assert str(made) == "alembic_version: no version table -> a1"
        both = await stamp(connection, identity, TABLE, old=made.new, new=Claim(("c3", "d3")), graph=GRAPH)
        assert (await read_claim(connection, TABLE)).rows == ("c3", "d3")
        await stamp(connection, identity, TABLE, old=both.new, new=both.old)
        assert await read_claim(connection, TABLE) == Claim(("a1",))
        await stamp(connection, identity, TABLE, old=made.new, new=made.old)
        assert await read_claim(connection, TABLE) == Claim(None)


async def test_an_old_value_that_no_history_knows(database: Database) -> None:
    async with session(spec_of(database)) as connection:
        identity = await identify(connection)
        lie = await stamp(connection, identity, TABLE, old=Claim(None), new=Claim(("deadbeef0000",)))
        await stamp(connection, identity, TABLE, old=lie.new, new=Claim(("b2",)), graph=GRAPH)
        assert await read_claim(connection, TABLE) == Claim(("b2",))


async def test_a_table_of_another_name_and_schema(database: Database) -> None:
    table = VersionTable('My "versions"', "billing")
    async with session(spec_of(database)) as connection:
        await connection.execute("CREATE SCHEMA billing")
        await stamp(connection, await identify(connection), table, old=Claim(None), new=Claim(("a1",)), graph=GRAPH)
        assert await read_claim(connection, table) == Claim(("a1",))
        assert await read_claim(connection, TABLE) == Claim(None)


async def test_what_is_refused_changes_nothing(database: Database) -> None:
    async with session(spec_of(database)) as connection:
        identity = await identify(connection)
        await stamp(connection, identity, TABLE, old=Claim(None), new=Claim(("a1",)))
        with pytest.raises(Refused, match="says a1 by now; it said b2"):
            await stamp(connection, identity, TABLE, old=Claim(("b2",)), new=Claim(("c3",)))
        with pytest.raises(UsageError, match="no revision of this history"):
            await stamp(connection, identity, TABLE, old=Claim(("a1",)), new=Claim(("zz",)), graph=GRAPH)
        with pytest.raises(UsageError, match="come before others"):
            await stamp(connection, identity, TABLE, old=Claim(("a1",)), new=Claim(("b2", "c3")), graph=GRAPH)
        elsewhere = replace(identity, database_oid=identity.database_oid + 1)
        with pytest.raises(WrongDatabase):
            await stamp(connection, elsewhere, TABLE, old=Claim(("a1",)), new=Claim(("b2",)))
        assert await read_claim(connection, TABLE) == Claim(("a1",))


async def test_a_table_that_is_in_use(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.revisions.stamp.LOCK_TIMEOUT_MS", 100)
    async with session(spec_of(database)) as connection, session(spec_of(database)) as other:
        identity = await identify(connection)
        await stamp(connection, identity, TABLE, old=Claim(None), new=Claim(("a1",)))
        async with other.transaction():
            await other.execute("UPDATE alembic_version SET version_num = 'b2'")
            with pytest.raises(Refused, match="is in use"):
                await stamp(connection, identity, TABLE, old=Claim(("a1",)), new=Claim(("c3",)))
        # What was committed meanwhile is seen, though this transaction began before it.
        with pytest.raises(Refused, match="says b2 by now"):
            await stamp(connection, identity, TABLE, old=Claim(("a1",)), new=Claim(("c3",)))


def test_only_what_is_proved_goes_without_a_reason() -> None:
    require_proof(LOCATED, ("b2",))
    with pytest.raises(Refused, match="is at b2, not at c3"):
        require_proof(LOCATED, ("c3",))
    with pytest.raises(Refused, match="does not decide by itself") as refused:
        require_proof(ASKED, ("b2",))
    assert "b2: c3 has not run" in refused.value.advice
    with pytest.raises(Refused):
        require_proof(ASKED, ("b2",), override="  ")
    require_proof(ASKED, ("b2",), override="the data was checked by hand")
