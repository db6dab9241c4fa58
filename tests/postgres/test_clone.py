"""Client programs that fit and log in without a secret in sight; an empty copy of a schema, whatever it lacks there."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError, QueryFailed
from core.postgres.client_tools import find_client_tools, login_environment, run_tool
from core.postgres.connect import connect, identify
from core.postgres.connection_spec import ConnectionSpec, Tls
from core.postgres.embedded import EmbeddedServer
from core.postgres.fingerprint import fingerprint
from core.postgres.inspect import inspect
from core.postgres.scram import scram_verifier
from core.postgres.scratch import leftovers
from core.retype import clone as cloning
from core.retype.activity import read_activity
from core.retype.blockers import find_blockers
from core.retype.check import plan_with_repairs
from core.retype.clone import CloneSettings, schema_clone
from core.retype.model import ScopeRequest
from core.retype.proof import compare_catalogs
from core.retype.scope import decide_scope
from tests.databases import Database, Server, run_sync
from tests.postgres.test_repair import run

ODD_PASSWORD = SecretStr(r"fake:\pass word'\\:")
SYSTEM_SERVER = Path("/usr/lib/postgresql/15/bin")


def scratch_server(server: Server) -> CloneSettings:
    return CloneSettings(
        ConnectionSpec(server.host, server.port, "postgres", server.superuser, server.superuser_password)
    )


async def execute(spec: ConnectionSpec, sql: str) -> None:
    connection = await connect(spec, read_only=False)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


# --- client programs ---------------------------------------------------------------------------------------------------


async def test_tools_that_fit_are_found(server: Server) -> None:
    connection = await server.connect()
    version = int(await connection.fetchval("SHOW server_version_num"))
    await connection.close()
    tools = await find_client_tools(version, tls=False)
    assert tools.major >= version // 10_000
    assert tools.path("pg_dump").parent == tools.directory
    with pytest.raises(ConfigurationError, match="no program pg_nothing"):
        tools.path("pg_nothing")


async def test_tools_that_are_too_old_are_refused_with_what_was_found() -> None:
    with pytest.raises(ConfigurationError, match=r"of version 99 or later: .*are version \d+"):
        await find_client_tools(990_000, tls=False)


async def test_tools_without_tls_are_refused_where_it_is_needed(server: Server) -> None:
    if server.embedded is None:
        pytest.skip("which tools the server named by PGHOST has is not known")
    with pytest.raises(ConfigurationError, match="cannot encrypt"):
        await find_client_tools(130_000, tls=True, directory=server.embedded.bin_dir)


async def test_a_directory_without_tools_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"none in {tmp_path}"):
        await find_client_tools(130_000, tls=False, directory=tmp_path)


async def test_login_by_a_file_that_only_we_can_read(database: Database) -> None:
    superuser = await database.server.connect()
    await superuser.execute(f"ALTER ROLE {database.owner} PASSWORD '{scram_verifier(ODD_PASSWORD)}'")
    await superuser.close()
    spec = database.spec.with_password(ODD_PASSWORD)
    async with login_environment(spec) as environment:
        passfile = Path(environment["PGPASSFILE"])
        assert stat.S_IMODE(passfile.stat().st_mode) == 0o600
        assert stat.S_IMODE(passfile.parent.stat().st_mode) == 0o700
        assert "PGPASSWORD" not in environment
        assert not any(ODD_PASSWORD.get_secret_value() in value for value in environment.values())
        psql = database.server.binary("psql")
        said = await run_tool(
            psql, ["-XAtc", "SELECT current_user, current_setting('transaction_read_only')"], environment, timeout=30
        )
        assert said.decode().strip() == f"{database.owner}|on"
        with pytest.raises(QueryFailed, match="read-only transaction"):
            await run_tool(psql, ["-Xc", "CREATE TABLE t ()"], environment, timeout=30)
        with pytest.raises(QueryFailed, match="longer than 1 s"):
            await run_tool(psql, ["-Xc", "SELECT pg_sleep(60)"], environment, timeout=1)
    assert not passfile.parent.exists()


async def test_variables_of_libpq_do_not_lead_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    monkeypatch.setenv("PGPASSWORD", "fake-other")
    spec = ConnectionSpec("h", 1, "d", "u", SecretStr("fake-own"), Tls("verify-full", sslrootcert="/ca.pem"), "-c a=b")
    async with login_environment(spec, read_only=False) as environment:
        variables = {name: value for name, value in environment.items() if name.startswith("PG")}
    del variables["PGPASSFILE"]
    assert variables == {
        "PGHOST": "h",
        "PGPORT": "1",
        "PGDATABASE": "d",
        "PGUSER": "u",
        "PGAPPNAME": "pgrecast",
        "PGCONNECT_TIMEOUT": "15",
        "PGOPTIONS": "-c a=b",
        "PGCLIENTENCODING": "UTF8",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
    }


# --- clones ------------------------------------------------------------------------------------------------------------

SCHEMA = """
CREATE SCHEMA "Odd schema";
CREATE TYPE "Odd schema".mood AS ENUM ('well', 'ill');
CREATE DOMAIN "Odd schema".ref AS uuid CHECK (VALUE IS NOT NULL);
CREATE TABLE "Odd schema"."T" (id uuid PRIMARY KEY, m "Odd schema".mood, r "Odd schema".ref, n serial);
CREATE TABLE p (id uuid PRIMARY KEY, "T" uuid REFERENCES "Odd schema"."T") PARTITION BY HASH (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE VIEW v AS SELECT id FROM p;
CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
CREATE FUNCTION f(x uuid) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT count(*)::int FROM p WHERE id = x; END;
CREATE FUNCTION "\\restrict"() RETURNS text LANGUAGE sql AS $$ SELECT '
\\restrict is no command here
;' $$;
CREATE POLICY own ON p TO {reader} USING (id = id);
INSERT INTO "Odd schema"."T" VALUES (gen_random_uuid(), 'well', gen_random_uuid());
"""


async def test_everything_is_there_but_the_rows(database: Database) -> None:
    superuser = await database.superuser_connect()
    await superuser.execute(f"CREATE ROLE {database.owner}_reader")
    await superuser.close()
    await execute(database.spec, SCHEMA.replace("{reader}", f"{database.owner}_reader"))
    catalog = await inspect(database.spec)
    async with schema_clone(database.spec, catalog, CloneSettings()) as clone:  # on a server that knows no such role
        copied = await inspect(clone.spec)
        assert clone.gaps == ()
        assert clone.stubbed == ()
        assert await clone.connection.fetchval('SELECT count(*) FROM "Odd schema"."T"') == 0
    assert {(r.schema, r.name, r.kind) for r in copied.relations} == {
        (r.schema, r.name, r.kind) for r in catalog.relations
    }
    assert {(c.schema, c.table, c.name, c.type, c.default) for c in copied.columns} == {
        (c.schema, c.table, c.name, c.type, c.default) for c in catalog.columns
    }
    assert {(f.name, f.body) for f in copied.functions} == {(f.name, f.body) for f in catalog.functions}
    assert [p.using for p in copied.policies] == [p.using for p in catalog.policies]
    assert fingerprint(await inspect(database.spec)) == fingerprint(catalog)


async def test_nothing_is_left_after_a_failure(database: Database) -> None:
    catalog = await inspect(database.spec)

    async def fail() -> None:
        async with schema_clone(database.spec, catalog, scratch_server(database.server)):
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    superuser = await database.superuser_connect()
    assert await leftovers(superuser) == ()
    await superuser.close()


async def test_what_pg_dump_may_not_read_is_said(database: Database) -> None:
    superuser = await database.superuser_connect()
    await superuser.execute("CREATE TABLE theirs (n int)")
    await superuser.close()
    catalog = await inspect(database.spec)
    with pytest.raises(QueryFailed, match="permission denied for table theirs"):
        async with schema_clone(database.spec, catalog, scratch_server(database.server)):
            pass


@pytest.mark.parametrize("extension", ["hstore", "citext", "ltree", "vector", "pg_trgm"])
async def test_stubs_stand_in_for_an_extension(
    database: Database, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    superuser = await database.superuser_connect()
    is_there = await superuser.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = $1", extension)
    if is_there:
        await superuser.execute(f"CREATE EXTENSION {extension}")
    await superuser.close()
    if not is_there:
        pytest.skip(f"this server has no {extension}")
    uses = {
        "hstore": "CREATE TABLE t (id uuid, h hstore); CREATE VIEW v AS SELECT h -> 'a' AS a, h ? 'b' AS b, akeys(h) FROM t",
        "citext": "CREATE TABLE t (id uuid, c citext); CREATE VIEW v AS SELECT id FROM t WHERE c = 'x'::citext",
        "ltree": "CREATE TABLE t (id uuid, l ltree); CREATE VIEW v AS SELECT subpath(l, 1) FROM t WHERE l <@ 'a.b'",
        "vector": "CREATE TABLE t (id uuid, e vector(3)); CREATE VIEW v AS SELECT e <-> '[1,2,3]' AS d, avg(e) FROM t GROUP BY e",
        "pg_trgm": "CREATE TABLE t (id uuid, s text); CREATE VIEW v AS SELECT similarity(s, 'x') FROM t WHERE s % 'y'",
    }
    await execute(database.spec, uses[extension])
    catalog = await inspect(database.spec)
    none = {**cloning.QUERIES, "available_extensions": "SELECT 'plpgsql' AS name"}
    monkeypatch.setattr(cloning, "QUERIES", MappingProxyType(none))
    async with schema_clone(database.spec, catalog, scratch_server(database.server)) as clone:
        assert clone.stubbed == (extension,)
        assert clone.gaps == ()
        assert await clone.connection.fetch("SELECT * FROM public.v") == []


@pytest.fixture(scope="module")
def older_server() -> Iterator[EmbeddedServer]:
    """A server of the system's, with the extensions that the embedded one lacks."""
    if not (SYSTEM_SERVER / "postgres").exists():
        pytest.skip(f"no server programs in {SYSTEM_SERVER}")
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-tests-"))
    try:
        server = run_sync(EmbeddedServer.start(directory, bin_dir=SYSTEM_SERVER, settings={"fsync": "off"}))
        try:
            yield server
        finally:
            run_sync(server.stop("immediate"))
    finally:
        shutil.rmtree(directory)


async def test_an_older_server_with_other_extensions(older_server: EmbeddedServer) -> None:
    """Checked on the embedded server, which lacks them and is newer; converted where they are."""
    spec = ConnectionSpec(
        older_server.host, older_server.port, "postgres", older_server.superuser, older_server.superuser_password
    )
    try:
        await execute(spec, 'CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION pgcrypto')
    except Exception as error:  # noqa: BLE001 - contrib is a package of its own in some systems
        pytest.skip(f"no such extensions: {error}")
    await execute(
        spec,
        "CREATE ROLE reader; CREATE TABLE t (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), secret bytea);"
        "CREATE VIEW v AS SELECT uuid_generate_v5(id, 'x') AS x, digest(secret, 'sha256') AS y FROM t WHERE id <> uuid_nil();"
        "CREATE POLICY own ON t TO reader USING (id = current_setting('app.id')::uuid);"
        "CREATE INDEX i ON t (uuid_generate_v5(id, 'x')); INSERT INTO t (secret) VALUES ('a'), ('b')",
    )
    catalog = await inspect(spec)
    scope = decide_scope(catalog, ScopeRequest())
    connection = await connect(spec, read_only=False)
    try:
        identity, activity = await identify(connection), await read_activity(connection, catalog, scope)
        findings = find_blockers(catalog, scope, activity)
        plan, checked = await plan_with_repairs(spec, catalog, scope, findings, identity)
        assert checked.complete
        assert plan.blockers == ()
        assert {repair.object for repair in plan.repairs} == {"view v", "policy own on t", "index i on t"}
        before = await connection.fetch("SELECT * FROM v ORDER BY y")
        await run(connection, plan)
        assert await connection.fetch("SELECT * FROM v ORDER BY y") == before
    finally:
        await connection.close()
    assert compare_catalogs(plan, catalog, await inspect(spec)) == ()
