"""Every blocker and warning, provoked: the plan names it, and what it names is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import asyncpg
import pytest

from core.postgres.inspect import inspect, inspect_within
from core.retype.activity import SECOND_LOOK_SECONDS, read_activity
from core.retype.blockers import Findings, find_blockers
from core.retype.dependents import indexes
from core.retype.finding_queries import query_that_finds
from core.retype.model import ScopeRequest
from core.retype.scope import decide_scope
from core.retype.types import parse_type_pair
from tests.databases import Database
from tests.postgres.matrix import Bench, open_bench
from tests.postgres.test_retype_matrix_kept import BASE


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench, None]:
    async with open_bench(database) as bench:
        await bench.as_owner(BASE)
        yield bench


KEYS = ScopeRequest()


@dataclass(frozen=True)
class Case:
    sql: str = ""
    superuser: str = ""
    blockers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """ids, or how they begin with a * at the end."""
    request: ScopeRequest = KEYS
    refused: str = ""
    """What PostgreSQL itself says when the plan is run all the same; empty where it would not refuse."""
    since: int = 0
    before: int = 99


BACK = parse_type_pair("varchar(36)", "uuid")

BLOCKED = {
    "partition key": Case(
        "CREATE TABLE p (id uuid PRIMARY KEY) PARTITION BY HASH (id)",
        blockers=("partition-key:public.p.id",),
        refused="part of the partition key",
    ),
    "partition key in an expression": Case(
        "CREATE TABLE p (id uuid REFERENCES users, n int) PARTITION BY LIST (left(id::text, 1))",
        blockers=("partition-key:public.p.id",),
        refused="part of the partition key",
    ),
    "two parents": Case(
        "CREATE TABLE a (id uuid PRIMARY KEY); CREATE TABLE b (id uuid PRIMARY KEY); CREATE TABLE c () INHERITS (a, b)",
        blockers=("two-parents:public.c.id",),
        refused="cannot alter inherited column",
    ),
    "typed table": Case(
        "CREATE TYPE ct AS (id uuid); CREATE TABLE t OF ct (PRIMARY KEY (id))",
        blockers=("typed-table:public.t",),
        refused="typed table",
    ),
    "stored rows": Case(
        "CREATE TABLE t (n int, d deals)", blockers=("row-type:public.t.d",), refused="uses its row type"
    ),
    "stored arrays of rows, in a domain": Case(
        "CREATE DOMAIN dd AS deals[]; CREATE TABLE t (d dd)",
        blockers=("row-type:public.t.d",),
        refused="uses its row type",
    ),
    "stored rows within a composite type": Case(
        "CREATE TYPE ct AS (d deals); CREATE TABLE t (c ct[])",
        blockers=("row-type:public.t.c",),
        refused="uses its row type",
    ),
    "stored rows of a view": Case(
        "CREATE VIEW v AS SELECT id FROM deals; CREATE TABLE t (v v)",
        blockers=("row-type:public.t.v",),
        refused="other objects depend on it",
    ),
    "generated column before 17": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text) STORED",
        blockers=("generated-column:public.deals.g",),
        before=17,
    ),
    "generated column for which nothing can stand in": Case(
        "ALTER TABLE deals ADD g bytea GENERATED ALWAYS AS (decode(left(id::text, 8), 'hex')) STORED NOT NULL",
        blockers=("generated-column:public.deals.g",),
    ),
    "generated column in a unique index that a stand-in would break": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text) STORED NOT NULL; CREATE UNIQUE INDEX ON deals (g)",
        blockers=("generated-column:public.deals.g",),
    ),
    "generated column in a unique predicate": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text) STORED; CREATE UNIQUE INDEX ON deals (n) WHERE g IS NULL",
        blockers=("generated-column:public.deals.g",),
    ),
    "generated column in a check": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text) STORED CHECK (g <> '')",
        blockers=("generated-column:public.deals.g",),
    ),
    "generated column that calls what is dropped": Case(
        "CREATE FUNCTION f(int) RETURNS bigint IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT count(owner) FROM deals; END;"
        "CREATE TABLE t (n int, g bigint GENERATED ALWAYS AS (f(n)) STORED CHECK (g >= 0))",
        blockers=("generated-column:public.t.g",),
        refused="other objects depend on it",
        since=14,
    ),
    "invalid index": Case(
        "CREATE INDEX bad ON deals (owner)",
        superuser="UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'bad'::regclass",
        blockers=("invalid-index:public.bad",),
    ),
    "operator class": Case(
        "CREATE INDEX oc ON deals USING brin (owner uuid_minmax_multi_ops)",
        blockers=("operator-class:public.oc",),
        refused="does not accept data type",
        since=14,
    ),
    "operator class, the other way": Case(
        "CREATE TABLE t (id varchar(36) PRIMARY KEY); CREATE INDEX oc ON t (id varchar_pattern_ops)",
        request=ScopeRequest(types=BACK),
        blockers=("operator-class:public.oc",),
        refused="does not accept data type",
    ),
    "collation, the other way": Case(
        'CREATE TABLE t (id varchar(36) PRIMARY KEY); CREATE INDEX oc ON t (id COLLATE "C")',
        request=ScopeRequest(types=BACK),
        blockers=("operator-class:public.oc",),
        refused="collations are not supported",
    ),
    "access method, the other way": Case(
        "CREATE TABLE t (id varchar(36) PRIMARY KEY); CREATE INDEX oc ON t USING spgist (id)",
        request=ScopeRequest(types=BACK),
        blockers=("operator-class:public.oc",),
        refused="no default operator class",
    ),
    "another's table": Case(
        "ALTER TABLE deals OWNER TO {other}",
        superuser="REVOKE {other} FROM {owner}",
        blockers=("not-owner:public.deals",),
        refused="must be owner|permission denied",
    ),
    "another's view": Case(
        "CREATE VIEW v AS SELECT id FROM deals; ALTER VIEW v OWNER TO {other}",
        superuser="REVOKE {other} FROM {owner}",
        blockers=("not-owner:public.v", "not-member:view v:{other}"),
        refused="must be",
    ),
    "a grantor that is not to be had": Case(
        "CREATE VIEW v AS SELECT id FROM deals; GRANT SELECT ON v TO {other} WITH GRANT OPTION; SET ROLE {other};"
        "GRANT SELECT ON v TO {reader}; RESET ROLE",
        superuser="REVOKE {other} FROM {owner}",
        blockers=("not-member:view v:{other}",),
        refused="permission denied to set role",
    ),
    "nowhere to create": Case(
        "CREATE VIEW v AS SELECT id FROM deals; ALTER VIEW v OWNER TO {other}",
        superuser="REVOKE CREATE ON SCHEMA public FROM {other}",
        blockers=("no-create:public:{other}",),
        refused="permission denied for schema",
    ),
    "no REFERENCES": Case(
        "REVOKE REFERENCES ON users FROM {owner}",
        blockers=("no-references:public.users",),
        refused="permission denied for table users",
    ),
    "forced row security": Case(
        "ALTER TABLE deals ENABLE ROW LEVEL SECURITY; ALTER TABLE deals FORCE ROW LEVEL SECURITY",
        blockers=("row-security:public.deals",),
        refused="row-level security policy",
    ),
    "enforcement switched off": Case(
        superuser="ALTER TABLE deals DISABLE TRIGGER ALL",
        blockers=("enforcement:public.deals.deals_owner_fkey",),
        refused="permission denied",
    ),
    "half of a foreign key, excluded": Case(
        request=ScopeRequest(exclude=("deals.owner",)),
        blockers=("foreign-key-half:public.deals.deals_owner_fkey",),
        refused="incompatible types",
    ),
    "half of a foreign key, a domain": Case(
        "CREATE DOMAIN ident AS uuid; CREATE TABLE t (u ident REFERENCES users)",
        blockers=("foreign-key-half:public.t.t_u_fkey",),
        refused="incompatible types",
    ),
    "half of a family": Case(
        "CREATE TABLE a (id uuid PRIMARY KEY); CREATE TABLE b () INHERITS (a)",
        request=ScopeRequest(exclude=("b.id",)),
        blockers=("inherited-column:public.b.id",),
    ),
    "an extension's table": Case(
        "CREATE TABLE t (id uuid PRIMARY KEY)",
        superuser="CREATE EXTENSION citext SCHEMA pg_catalog; ALTER EXTENSION citext ADD TABLE t",
        blockers=("extension-member:public.t",),
    ),
    "an extension's view": Case(
        "CREATE VIEW v AS SELECT id FROM deals",
        superuser="CREATE EXTENSION citext SCHEMA pg_catalog; ALTER EXTENSION citext ADD VIEW v",
        blockers=("extension-member:public.v",),
        refused="extension citext requires it",
    ),
    "a temporary view": Case(
        "CREATE TEMPORARY VIEW tv AS SELECT id FROM deals",
        blockers=("temporary:*",),
    ),
    "an aggregate over what is dropped": Case(
        "CREATE FUNCTION step(bigint, int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(owner) FROM deals; END;"
        "CREATE AGGREGATE agg(int) (SFUNC = step, STYPE = bigint)",
        blockers=("unknown-dependent:aggregate agg(integer)",),
        refused="other objects depend on it",
        since=14,
    ),
    "an operator over what is dropped": Case(
        "CREATE FUNCTION opf(int, int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(owner) FROM deals; END;"
        "CREATE OPERATOR <~> (LEFTARG = int, RIGHTARG = int, FUNCTION = opf)",
        blockers=("unknown-dependent:operator *",),
        refused="other objects depend on it",
        since=14,
    ),
    "a domain's check over what is dropped": Case(
        "CREATE FUNCTION f(int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(owner) FROM deals; END;"
        "CREATE DOMAIN dd AS int CHECK (VALUE < f(1))",
        blockers=("unknown-dependent:pg_constraint *",),
        refused="other objects depend on it",
        since=14,
    ),
    "a circle": Case(
        "CREATE VIEW v AS SELECT id, 1 AS x FROM deals; CREATE FUNCTION f(v) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE OR REPLACE VIEW v AS SELECT id, f(NULL) AS x FROM deals",
        blockers=("circular:*",),
    ),
    "leftovers of our own": Case("CREATE TABLE pgrecast_rows (n int)", blockers=("leftover:public.pgrecast_rows",)),
    "a generated key, the other way": Case(
        "CREATE TABLE t (a text, id varchar(36) GENERATED ALWAYS AS (a) STORED PRIMARY KEY)",
        request=ScopeRequest(types=BACK),
        blockers=("generated-key:public.t.id",),
        refused="cannot specify USING",
    ),
    "own NOT NULL below another's": Case(
        "CREATE TABLE a (id uuid CONSTRAINT an NOT NULL UNIQUE); CREATE TABLE b (id uuid CONSTRAINT bn NOT NULL) INHERITS (a);"
        "CREATE TABLE r (a uuid REFERENCES a (id))",
        request=ScopeRequest(roots=("a.id",)),
        blockers=("not-null-name:public.b.bn",),
        refused="cannot create not-null constraint",
        since=18,
    ),
}


@pytest.mark.parametrize("name", BLOCKED)
async def test_blocked(bench: Bench, name: str) -> None:
    case = BLOCKED[name]
    await set_up(bench, case)
    _, plan = await bench.plan(case.request)
    for expected in case.blockers:
        assert any(matches(bench, expected, b.id) for b in plan.blockers), [b.id for b in plan.blockers]
    assert len(plan.blockers) == len(case.blockers), [b.id for b in plan.blockers]
    assert all(b.object and b.reason.endswith(".") and b.way_out for b in plan.blockers)
    for blocker in plan.blockers:
        found = await bench.connection.fetch(query_that_finds(blocker))
        assert any(name_in(blocker.object) in str(row) for row in found), (blocker, found)
    if case.refused:
        with pytest.raises(asyncpg.PostgresError, match=case.refused):
            await bench.run(plan)


WARNED = {
    "event trigger": Case(
        superuser="CREATE FUNCTION ev() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION ev(); CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION ev();"
        "ALTER EVENT TRIGGER off DISABLE",
        warnings=("event-trigger:watch",),
    ),
    "foreign table": Case(
        "",
        superuser="CREATE EXTENSION postgres_fdw SCHEMA pg_catalog; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;"
        "GRANT USAGE ON FOREIGN SERVER far TO {owner}; CREATE TABLE base (id uuid PRIMARY KEY);"
        "CREATE FOREIGN TABLE ft () INHERITS (base) SERVER far; ALTER TABLE base OWNER TO {owner}; ALTER FOREIGN TABLE ft OWNER TO {owner}",
        warnings=("foreign-table:public.ft",),
    ),
    "untracked function": Case(
        "CREATE FUNCTION find(u uuid) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM deals WHERE owner = u); END';"
        "CREATE FUNCTION unrelated(u uuid) RETURNS uuid LANGUAGE sql AS 'SELECT u'",
        warnings=("function:public.find(u uuid)",),
    ),
    "trigger function": Case(
        "CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'DECLARE u uuid; BEGIN u := NEW.id; RETURN NEW; END';"
        "CREATE TRIGGER t BEFORE INSERT ON deals FOR EACH ROW EXECUTE FUNCTION tf()",
        warnings=("function:public.tf()",),
    ),
    "stale materialized view": Case(
        "CREATE MATERIALIZED VIEW m AS SELECT owner FROM deals; INSERT INTO deals SELECT gen_random_uuid()",
        warnings=("stale-view:m",),
    ),
    "incomparable materialized view": Case(
        "CREATE MATERIALIZED VIEW m AS SELECT owner, json_build_object('a', n) FROM deals", warnings=("stale-view:m",)
    ),
    "materialized view that fails": Case(
        "ALTER TABLE deals ADD z int DEFAULT 1; CREATE MATERIALIZED VIEW m AS SELECT owner, 1 / z AS q FROM deals; UPDATE deals SET z = 0",
        warnings=("stale-view:m",),
        refused="division by zero",
    ),
    "materialized view whose owner may not read": Case(
        "CREATE MATERIALIZED VIEW m AS SELECT owner FROM deals; ALTER MATERIALIZED VIEW m OWNER TO {other}",
        warnings=("stale-view:m",),
        refused="permission denied",
    ),
    "half converted": Case(
        "CREATE TABLE folders (id varchar(36) PRIMARY KEY); CREATE TABLE files (id uuid PRIMARY KEY, folder_id uuid)",
        warnings=("half-converted:public.files.folder_id",),
    ),
    "a second column": Case(
        "ALTER TABLE deals ADD owner_new varchar(36)", warnings=("leftover:public.deals.owner_new",)
    ),
    "NOT NULL of a partition": Case(
        "CREATE TABLE p (id uuid NOT NULL REFERENCES users, k int) PARTITION BY RANGE (k);"
        "CREATE TABLE p1 (id uuid CONSTRAINT mine NOT NULL, k int); ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (1)",
        warnings=("not-null-name:public.p1.mine",),
        since=18,
    ),
}

EXPRESSIONS = {
    "view, literal": "CREATE VIEW o AS SELECT owner FROM deals WHERE owner = '00000000-0000-0000-0000-000000000000'::uuid",
    "view, other column": "CREATE VIEW o AS SELECT owner FROM deals WHERE owner = parent",
    "view, COALESCE": "CREATE VIEW o AS SELECT coalesce(owner, parent) FROM deals",
    "view, CASE": "CREATE VIEW o AS SELECT CASE WHEN n = 1 THEN owner ELSE parent END FROM deals",
    "view, IN (subquery)": "CREATE VIEW o AS SELECT owner FROM deals WHERE owner IN (SELECT parent FROM deals)",
    "view, ANY (array)": "CREATE VIEW o AS SELECT owner FROM deals WHERE owner = ANY (ARRAY[gen_random_uuid()])",
    "view, IN": "CREATE VIEW o AS SELECT owner FROM deals WHERE owner IN (md5('a')::uuid, md5('b')::uuid)",
    "policy": "CREATE POLICY o ON deals USING (owner = current_setting('app.id')::uuid)",
    "check": "ALTER TABLE deals ADD CONSTRAINT o CHECK (id <> '00000000-0000-0000-0000-000000000000')",
    "partial index": "CREATE INDEX o ON deals (n) WHERE owner <> '00000000-0000-0000-0000-000000000000'",
    "BEGIN ATOMIC": "CREATE FUNCTION o(u uuid) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM deals WHERE owner = u; END",
    "trigger": "CREATE TRIGGER o BEFORE UPDATE ON deals FOR EACH ROW WHEN (NEW.owner = NEW.parent) EXECUTE FUNCTION fired()",
    "rule": "CREATE RULE o AS ON UPDATE TO deals WHERE NEW.owner = NEW.parent DO ALSO NOTHING",
}


@pytest.mark.parametrize("name", WARNED)
async def test_warned(bench: Bench, name: str) -> None:
    case = WARNED[name]
    await set_up(bench, case)
    _, plan = await bench.plan(case.request)
    assert [w.id for w in plan.warnings] == [bench.fill_in(w) for w in case.warnings]
    assert not plan.blockers
    if case.refused:
        with pytest.raises(asyncpg.PostgresError, match=case.refused):
            await bench.run(plan)
    else:
        await bench.run(plan)


@pytest.mark.parametrize("name", EXPRESSIONS)
async def test_expressions_that_will_not_type_check(bench: Bench, name: str) -> None:
    await bench.as_owner(EXPRESSIONS[name])
    _, plan = await bench.plan()
    (warning,) = plan.warnings
    assert warning.id.startswith("expression:")
    with pytest.raises(asyncpg.PostgresError, match=r"operator does not exist|cannot be matched|could not convert"):
        await bench.run(plan)


async def test_expressions_that_will(bench: Bench) -> None:
    await bench.as_owner(
        "CREATE VIEW o AS SELECT owner, '00000000-0000-0000-0000-000000000000'::uuid AS k FROM deals WHERE owner::text = 'x';"
        "CREATE VIEW p AS SELECT d.id FROM deals d JOIN users u ON u.id = d.owner WHERE d.parent = md5('x')::uuid"
    )
    _, plan = await bench.plan()
    assert not plan.warnings
    await bench.run(plan)


async def test_what_is_more_than_its_columns_is_no_plain_index(bench: Bench) -> None:
    plain = {"a": "(owner)", "b": '(owner, n, "odd, (name")'}
    others = {
        "c": "(owner DESC)", "d": "(owner text_pattern_ops)", "e": "(owner) WHERE n > 1", "f": "(lower(owner))",
        "g": "(n) INCLUDE (owner)", "h": '("note" COLLATE "C")', "i": "USING hash (owner)", "j": "(owner) WITH (fillfactor = 50)",
    }  # fmt: skip
    await bench.as_owner('CREATE TABLE texts (owner text, n int, "odd, (name" int, note text)')
    for name, rest in (plain | others).items():
        await bench.as_owner(f"CREATE INDEX {name} ON texts {rest}")
    catalog = await inspect_within(bench.connection)
    found = {index.name for index in catalog.indexes if len(index.name) == 1 and indexes.is_plain(catalog, index)}
    assert found == set(plain)


async def test_nothing_to_convert(bench: Bench) -> None:
    await bench.as_owner("DROP TABLE deals, users; CREATE TABLE t (id varchar(36) PRIMARY KEY, u uuid)")
    _, plan = await bench.plan()
    assert [b.id for b in plan.blockers] == ["nothing-to-convert"]
    assert "2 tables" in plan.blockers[0].reason
    assert "t.id" in plan.blockers[0].reason
    assert plan.statements == ()


# --- what other sessions do, which needs more than one connection ---


@pytest.fixture
async def committed(database: Database) -> Database:
    connection = await database.connect()
    await connection.execute(BASE)
    await connection.close()
    return database


async def findings_of(database: Database) -> Findings:
    catalog = await inspect(database.spec)
    connection = await database.connect()
    try:
        scope = decide_scope(catalog, ScopeRequest())
        return find_blockers(catalog, scope, await read_activity(connection, catalog, scope))
    finally:
        await connection.close()


async def test_nothing_goes_on(committed: Database) -> None:
    assert await findings_of(committed) == Findings()


async def test_a_session_that_holds_locks_is_named_once_it_is_old(
    committed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await committed.connect()
    try:
        await other.execute("SET application_name = 'the app'; BEGIN; SELECT * FROM deals")
        assert await findings_of(committed) == Findings()
        monkeypatch.setattr("core.retype.obstacles.surroundings.PATIENCE_SECONDS", 0.0)
        (blocker,) = (await findings_of(committed)).blockers
        assert blocker.id == f"lock-holder:{other.get_server_pid()}"
        assert "the app" in blocker.reason
        assert "deals" in blocker.reason
        assert "SELECT * FROM deals" in blocker.reason
    finally:
        await other.close()


async def test_a_session_of_another_role_whose_age_cannot_be_seen_is_looked_at_twice(
    committed: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    superuser = await committed.superuser_connect()
    connection = await committed.connect()
    looks: list[float] = []

    async def stay(seconds: float) -> None:
        looks.append(seconds)

    async def go_on_to_another_transaction(seconds: float) -> None:
        looks.append(seconds)
        await superuser.execute("COMMIT; BEGIN; SELECT * FROM deals")

    try:
        catalog = await inspect(committed.spec)
        scope = decide_scope(catalog, ScopeRequest())
        await superuser.execute("BEGIN; SELECT * FROM deals")
        monkeypatch.setattr("core.retype.activity.asyncio.sleep", stay)
        (blocker,) = find_blockers(catalog, scope, await read_activity(connection, catalog, scope)).blockers
        assert blocker.id == f"lock-holder:{superuser.get_server_pid()}"
        assert "for an unknown time" in blocker.reason
        monkeypatch.setattr("core.retype.activity.asyncio.sleep", go_on_to_another_transaction)
        assert (await read_activity(connection, catalog, scope)).lock_holders == ()
        assert looks == [SECOND_LOOK_SECONDS] * 2
    finally:
        await connection.close()
        await superuser.close()


async def test_an_old_snapshot_is_named(committed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.retype.activity.LONG_TRANSACTION_SECONDS", 0.0)
    other = await committed.connect()
    try:
        await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        findings = await findings_of(committed)
        assert [w.id for w in findings.warnings] == [f"long-transaction:{other.get_server_pid()}"]
    finally:
        await other.close()


async def test_a_prepared_transaction_is_named(committed: Database) -> None:
    other = await committed.connect()
    try:
        if await other.fetchval("SHOW max_prepared_transactions") == "0":
            pytest.skip("the server has max_prepared_transactions = 0")
        await other.execute("BEGIN; UPDATE deals SET n = 1; PREPARE TRANSACTION 'left open'")
        try:
            blockers = (await findings_of(committed)).blockers
            assert [b.id for b in blockers] == ["prepared-transaction:left open"]
            assert "deals" in blockers[0].reason
        finally:
            await other.execute("ROLLBACK PREPARED 'left open'")
    finally:
        await other.close()


async def test_a_logical_slot_is_named(committed: Database) -> None:
    superuser = await committed.superuser_connect()
    try:
        if await superuser.fetchval("SHOW wal_level") != "logical":
            pytest.skip("the server's wal_level is not logical")
        slot = f"slot_{committed.name}"
        await superuser.execute(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
        try:
            assert [w.id for w in (await findings_of(committed)).warnings] == [f"logical-slot:{slot}"]
        finally:
            await superuser.execute(f"SELECT pg_drop_replication_slot('{slot}')")
    finally:
        await superuser.close()


async def test_a_pooler_gives_itself_away_by_its_key(committed: Database) -> None:
    """It answers with a cancel key of its own, where the server's has the backend's process id."""
    server = await committed.connect()
    downstream: list[asyncio.Task[None]] = []

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        upstream, to_server = await _dial(committed)

        async def down() -> None:
            while data := await upstream.read(65536):
                at = data.find(b"K\x00\x00\x00\x0c")
                if at >= 0:
                    data = data[: at + 5] + b"\x00\x00\x00\x07" + data[at + 9 :]
                to_client.write(data)
                await to_client.drain()
            to_client.close()

        task = asyncio.create_task(down())
        downstream.append(task)
        while data := await client.read(65536):
            to_server.write(data)
            await to_server.drain()
        to_server.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = proxy.sockets[0].getsockname()[1]
        pooled = await asyncpg.connect(
            host="127.0.0.1",
            port=port,
            user=committed.owner,
            password=committed.password.get_secret_value(),
            database=committed.name,
            ssl=False,
        )
        catalog = await inspect(committed.spec)
        scope = decide_scope(catalog, ScopeRequest())
        activity = await read_activity(pooled, catalog, scope)
        assert activity.pooled
        assert [b.id for b in find_blockers(catalog, scope, activity).blockers] == ["pooler"]
        await pooled.close()
        assert not (await read_activity(server, catalog, scope)).pooled
    finally:
        proxy.close()
        await server.close()
        await asyncio.gather(*downstream, return_exceptions=True)


async def _dial(database: Database) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if database.host.startswith("/"):
        return await asyncio.open_unix_connection(f"{database.host}/.s.PGSQL.{database.port}")
    return await asyncio.open_connection(database.host, database.port)


async def set_up(bench: Bench, case: Case) -> None:
    if not case.since <= bench.version < case.before:
        pytest.skip(f"not on version {bench.version}")
    if case.sql:
        await bench.as_owner(case.sql.replace("{owner}", bench.owner))
    if case.superuser:
        await bench.as_superuser(case.superuser.replace("{owner}", bench.owner))


def name_in(thing: str) -> str:
    """The object's own name: the word before "on", the last part of a qualified name."""
    return thing.partition(" on ")[0].rpartition(" ")[2].rpartition(".")[2].partition("(")[0].strip('"')


def matches(bench: Bench, expected: str, found: str) -> bool:
    expected = bench.fill_in(expected)
    return found.startswith(expected[:-1]) if expected.endswith("*") else found == expected
