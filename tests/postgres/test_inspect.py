"""Reading a catalog: what is in it (wide.sql has one of everything), and that it is of one moment."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.errors import QueryFailed
from core.postgres.catalog import Address, Catalog, Constraint, Grant, Index, Relation
from core.postgres.connect import connect
from core.postgres.fingerprint import FOREIGN_KEY_ORDER, canonical, compare
from core.postgres.inspect import InspectionProgress, inspect, inspect_within
from tests.databases import Database, Server, create_database, drop_database, run_sync
from tests.sessions import session

WIDE = (Path(__file__).parent / "wide.sql").read_text()
SENTINEL = "fake-sentinel-pw"


@pytest.fixture(scope="module")
def wide_database(server: Server) -> Iterator[Database]:
    """A database made by wide.sql. Only look at it."""
    database = run_sync(create_database(server))
    run_sync(execute(database, WIDE))
    yield database
    run_sync(drop_database(database))


@pytest.fixture(scope="module")
def wide(wide_database: Database) -> Catalog:
    return run_sync(inspect(wide_database.spec))


async def execute(database: Database, *statements: str) -> None:
    async with session(database.spec) as connection:
        for statement in statements:
            await connection.execute(statement)


async def execute_as_superuser(database: Database, *statements: str) -> None:
    connection = await database.superuser_connect()
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def relation(catalog: Catalog, name: str, schema: str = "public") -> Relation:
    return catalog.relation_named[schema, name]


def constraint(catalog: Catalog, name: str) -> Constraint:
    (found,) = (c for c in catalog.constraints if c.name == name and not c.parent)
    return found


def index(catalog: Catalog, name: str) -> Index:
    (found,) = (i for i in catalog.indexes if i.name == name)
    return found


# What is read


def test_server(wide: Catalog, wide_database: Database) -> None:
    facts = wide.server
    assert (facts.database, facts.role, facts.encoding) == (wide_database.name, wide_database.owner, "UTF8")
    assert not facts.is_superuser
    assert facts.can_create_database
    assert facts.version_num // 10_000 == int(facts.version.split(".")[0])
    assert facts.system_identifier
    assert facts.database_bytes > 1_000_000
    assert int(facts.settings["max_locks_per_transaction"]) > 0
    assert "statement_timeout" not in facts.settings  # that would be the session's own


def test_table(wide: Catalog, wide_database: Database) -> None:
    users = relation(wide, "users")
    assert (users.kind, users.owner, users.persistence, users.access_method) == ("r", wide_database.owner, "p", "heap")
    assert users.options == ("fillfactor=90", "toast.autovacuum_enabled=false")
    assert users.row_security
    assert users.force_row_security
    assert users.comment == "people"
    assert Grant("PUBLIC", wide_database.owner, "SELECT", False) in users.acl
    assert Grant(wide_database.owner, wide_database.owner, "INSERT", False) in users.acl
    assert list(users.acl) == sorted(users.acl)
    assert users.bytes > 0  # its indexes have a page each
    order = relation(wide, "Order", "Sales")
    assert order.replica_identity == "i"
    assert relation(wide, "typed").typed_as == "public.point3"
    assert relation(wide, "typed").persistence == "u"


def test_columns(wide: Catalog, wide_database: Database) -> None:
    users = relation(wide, "users").oid
    columns = {c.name: c for c in wide.columns_of[users]}
    assert [(c.name, c.position, c.attnum) for c in columns.values()][:3] == [
        ("id", 1, 1),
        ("Order", 2, 3),
        ("name", 3, 4),
    ]
    assert (columns["id"].type, columns["id"].not_null, columns["id"].default) == ("uuid", True, "gen_random_uuid()")
    assert columns["id"].comment == "the key"
    assert columns["Order"].identity == "d"
    assert columns["name"].type == "character varying(80)"
    assert columns["name"].collation == 'pg_catalog."C"'
    assert columns["name"].default == "'who''s there'::character varying"
    assert columns["mail"].type == "public.email"
    assert columns["mail"].collation is None
    assert (columns["upper_name"].generated, columns["upper_name"].default) == ("s", "upper((name)::text)")
    note = columns["note"]
    assert (note.storage, note.compression, note.statistics_target, note.options) == ("m", "p", 250, ("n_distinct=7",))
    assert note.acl == (Grant("PUBLIC", wide_database.owner, "UPDATE", False),)
    assert columns["id"].acl == ()
    assert (columns["id"].storage, columns["id"].statistics_target) == ("", -1)
    child = {c.name: (c.inherited, c.is_local) for c in wide.columns_of[relation(wide, "child").oid]}
    assert child == {"id": (1, False), "extra": (0, True)}


def test_foreign_keys(wide: Catalog) -> None:
    order, users = relation(wide, "Order", "Sales"), relation(wide, "users")
    key = constraint(wide, "order_user")
    assert (key.relation, key.foreign_relation, key.columns, key.foreign_columns) == (order.oid, users.oid, (2,), (1,))
    assert (
        key.definition
        == "FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
    )
    assert (key.foreign_table, key.deferrable, key.deferred, key.validated) == ("public.users", True, True, True)
    assert key.comment == "who bought"
    assert wide.index[key.index].name == "users_pkey"
    assert not constraint(wide, "order_later").validated
    assert constraint(wide, "order_later").definition.endswith("NOT VALID")
    names = [c.name for c in wide.foreign_keys() if not c.parent]
    assert names == ["order_user", "order_self", "order_later", "to_hashed_fk"]
    copies = [c for c in wide.constraints if c.parent == constraint(wide, "to_hashed_fk").oid]
    assert {c.foreign_table for c in copies} == {"public.hashed_0", "public.hashed_1"}


def test_other_constraints(wide: Catalog) -> None:
    named = constraint(wide, "named")
    assert (named.kind, named.no_inherit) == ("c", True)
    assert named.definition == "CHECK (((name)::text <> ''::text)) NO INHERIT"
    assert constraint(wide, "no_overlap").definition == "EXCLUDE USING gist (during WITH &&)"
    assert constraint(wide, "checked").kind == "t"
    domain = constraint(wide, "has_at")
    assert (domain.relation, domain.schema, domain.table) == (0, "public", "email")
    assert wide.server.version_num < 180000 or constraint(wide, "users_name_not_null").kind == "n"


def test_indexes(wide: Catalog, wide_database: Database) -> None:
    order = relation(wide, "Order", "Sales")
    partial = index(wide, "order_partial")
    assert partial.definition == (
        'CREATE INDEX order_partial ON "Sales"."Order" USING btree (user_id, ((other_id)::text)) INCLUDE (no)'
        " WHERE (other_id IS NOT NULL)"
    )
    assert (partial.relation, partial.columns, partial.statistics_targets) == (order.oid, (2, 0, 4), ((2, 321),))
    assert (partial.comment, partial.owner, partial.schema) == ("an index", wide_database.owner, "Sales")
    assert partial.bytes > 0
    key = index(wide, "order_key")
    assert (key.unique, key.primary, key.clustered, key.replica_identity, key.valid) == (True, True, True, True, True)
    assert key.constraint == constraint(wide, "order_key").oid
    attached = index(wide, "events_1_id_idx")
    assert (attached.attached_to, attached.parent) == ("public.events_id", index(wide, "events_id").oid)


def test_partitions_and_inheritance(wide: Catalog) -> None:
    events, part = relation(wide, "events"), relation(wide, "events_1")
    assert (events.kind, events.partition_key) == ("p", "RANGE (at, lower(kind))")
    assert events.partition_key_columns == ("at", "kind")
    assert (part.is_partition, part.parents, part.inherits) == (True, (events.oid,), ("public.events",))
    assert part.partition_bound is not None
    assert part.partition_bound.startswith("FOR VALUES FROM")
    assert relation(wide, "child").inherits == ("public.parent",)
    assert not relation(wide, "child").is_partition


def test_sequences(wide: Catalog) -> None:
    serial = relation(wide, "serial_no", "Sales")
    assert serial.sequence == "integer start 20 min 10 max 900 increment 5 cache 3 cycle"
    assert serial.owned_by == '"Sales"."Order".no'
    assert relation(wide, "users_Order_seq").owned_by == 'public.users."Order"'


def test_views_rules_policies(wide: Catalog) -> None:
    people = relation(wide, "people")
    assert people.options == ("security_barrier=true",)
    assert people.definition is not None
    assert "public.users" in people.definition
    counted = relation(wide, "counted")
    assert (counted.kind, counted.populated) == ("m", False)
    (rule,) = wide.rules
    assert (rule.name, rule.relation, rule.enabled, rule.comment) == ("no_delete", people.oid, "O", "a rule")
    (policy,) = wide.policies
    assert (policy.command, policy.permissive, policy.roles) == ("w", False, ("PUBLIC",))
    assert (policy.using, policy.check) == ("(id <> gen_random_uuid())", "(note <> ''::text)")


def test_triggers(wide: Catalog) -> None:
    triggers = {(t.table, t.name): t for t in wide.triggers}
    touched = triggers["users", "touched"]
    assert (touched.enabled, touched.has_condition, touched.is_constraint) == ("D", True, False)
    assert touched.columns == (4, 9)
    assert "EXECUTE FUNCTION public.touch()" in touched.definition
    assert wide.function[touched.function].name == "touch"
    assert triggers["users", "checked"].is_constraint
    assert triggers["events_1", "on_partitions"].parent == triggers["events", "on_partitions"].oid
    assert len(triggers) == 4  # and none of those behind foreign keys


def test_functions(wide: Catalog) -> None:
    functions = {f.name: f for f in wide.functions}
    name = functions["user_name"]
    uuid = 2950
    assert (name.arguments, name.returns, name.language, name.kind) == ("uuid", "text", "sql", "f")
    assert name.is_sql_body
    assert name.argument_types == (uuid,)
    assert name.comment == "a function"
    assert functions["touch"].is_trigger
    assert functions["touch"].config == ("search_path=public",)
    assert {g.grantee for g in functions["touch"].acl} == {functions["touch"].owner}
    assert functions["clean"].kind == "p"
    assert functions["pairs"].argument_types == (uuid,)
    assert functions["pairs"].all_argument_types == (uuid, uuid, 25)
    aggregate = functions["first_id"]
    assert (aggregate.kind, aggregate.definition) == ("a", None)
    assert "public.first_id_step" in aggregate.body
    member = functions["dintdict_init"]
    assert (member.extension, member.definition) == ("dict_int", None)
    assert "span" not in functions


def test_types(wide: Catalog) -> None:
    types = {t.name: t for t in wide.types}
    assert (types["mood"].kind, types["mood"].definition) == ("e", "'so so', 'happy'")
    assert types["mood"].comment == "how one feels"
    assert types["email"].definition == "text collate pg_catalog.\"C\" default 'x@y'::text not null"
    assert types["email"].base_type == 25
    assert types["point3"].definition == 'x integer, "Y" numeric(5,2), owner_id uuid'
    assert wide.relation[types["point3"].relation].name == "point3"
    assert types["span"].definition.startswith("uuid opclass pg_catalog.uuid_ops")
    assert types["_mood"].base_type == types["mood"].oid
    assert "users" not in types


def test_statistics_publications_and_others(wide: Catalog, wide_database: Database) -> None:
    (statistics,) = wide.statistics
    assert (statistics.name, statistics.table, statistics.target) == ("order_stats", '"Sales"."Order"', 77)
    assert statistics.columns == (2, 3)
    (publication,) = wide.publications
    assert (publication.name, publication.definition) == ("orders", "insert, update, via partition root")
    published = {t.table: t for t in wide.published_tables}
    assert published["Order"].column_names == ("id", "user_id")
    assert published["Order"].row_filter == "(other_id IS NULL)"
    assert published["users"].columns == ()
    others = {(o.kind, o.identity) for o in wide.others}
    assert others == {
        ("collation", "public.german"),
        ("operator", "public.===(public.point3,public.point3)"),
        ("text search dictionary", "public.simple_words"),
        ("default acl", f'for role {wide_database.owner} in schema "Sales" on tables'),
    }
    assert {e.name for e in wide.extensions} == {"plpgsql", "dict_int"}
    schemas = {s.name: s for s in wide.schemas}
    assert schemas["Sales"].comment == "where money is made"
    assert schemas.keys() == {"public", "Sales"}


def test_dependencies(wide: Catalog) -> None:
    users = relation(wide, "users").oid
    on_key = {(d.dependent.catalog, d.kind) for d in wide.dependents_of[Address("pg_class", users, 1)]}
    assert {
        ("pg_constraint", "n"),
        ("pg_rewrite", "n"),
        ("pg_policy", "n"),
        ("pg_trigger", "n"),
        ("pg_proc", "n"),
    } <= on_key
    rule = next(
        d.dependent for d in wide.dependents_of[Address("pg_class", users, 1)] if d.dependent.catalog == "pg_rewrite"
    )
    assert Address("pg_class", relation(wide, "people").oid) in {d.referenced for d in wide.references_of[rule]}


def test_what_a_superuser_makes_is_read_without_its_secrets(database: Database) -> None:
    run_sync(
        execute_as_superuser(
            database,
            "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER watcher ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION watch()",
            "CREATE FOREIGN DATA WRAPPER w",
            f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (api_key '{SENTINEL}', host 'h')",
            f"CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'u', password '{SENTINEL}')",
            "CREATE FOREIGN TABLE far (id uuid OPTIONS (c 'd')) SERVER s OPTIONS (a 'b')",
            f"ALTER DATABASE {database.name} SET app.jwt_secret = '{SENTINEL}'",
            "CREATE SCHEMA closed",
            "CREATE TABLE closed.t (id uuid PRIMARY KEY)",
            "CREATE PUBLICATION everything FOR ALL TABLES",
            "CREATE TABLE parent (id uuid PRIMARY KEY)",
            "CREATE TABLE child (id uuid CONSTRAINT unwatched REFERENCES parent)",
            "ALTER TABLE child DISABLE TRIGGER ALL",
        )
    )
    catalog = run_sync(inspect(database.spec))
    (trigger,) = catalog.event_triggers
    assert (trigger.name, trigger.event, trigger.tags) == ("watcher", "ddl_command_end", ("ALTER TABLE",))
    assert (trigger.function, trigger.enabled) == ("public.watch()", "O")
    others = {o.kind: o for o in catalog.others}
    assert others["server"].definition == "wrapper w type  version  options {api_key,host}"
    assert others["user mapping"].identity == "public on server s"
    assert others["database setting"].definition == "app.jwt_secret=***"
    assert SENTINEL not in repr(catalog)
    far = relation(catalog, "far")
    assert (far.kind, far.foreign_server, far.options) == ("f", "s", ("a=b",))
    assert catalog.columns_of[far.oid][0].options == ("c=d",)
    assert relation(catalog, "t", "closed").owner == database.server.superuser
    assert catalog.publications[0].all_tables
    states = {(e.table, e.enabled) for e in constraint(catalog, "unwatched").enforcement}
    assert states == {("public.child", "D")}


def test_newer_features(database: Database) -> None:
    """Of 16 to 18; elsewhere there is nothing to read."""
    run_sync(execute(database, "CREATE TABLE t (id uuid PRIMARY KEY, o uuid, g text)"))
    run_sync(execute_as_superuser(database, "CREATE PUBLICATION p FOR TABLES IN SCHEMA public"))
    newest = run_sync(inspect(database.spec)).server.version_num >= 180000
    if newest:
        run_sync(
            execute(
                database,
                "ALTER TABLE t ADD v text GENERATED ALWAYS AS (upper(g)) VIRTUAL",
                "ALTER TABLE t ADD CONSTRAINT lax FOREIGN KEY (o) REFERENCES t NOT ENFORCED",
            )
        )
    catalog = run_sync(inspect(database.spec))
    assert catalog.publications[0].schemas == ("public",)
    assert not newest or "NOT ENFORCED" in constraint(catalog, "lax").definition
    assert not newest or catalog.columns_of[relation(catalog, "t").oid][3].generated == "v"


def test_canonical_form_survives_a_dump_and_restore(wide_database: Database, wide: Catalog) -> None:
    binary = wide_database.server.binary
    environment = {**wide_database.environment, "PATH": "/usr/bin:/bin"}
    dump = subprocess.run(
        [binary("pg_dump"), "--schema-only"], env=environment, capture_output=True, check=True, timeout=60
    ).stdout
    copy = f"{wide_database.name}_copy"
    run_sync(execute(wide_database, f"CREATE DATABASE {copy} TEMPLATE template0"))
    subprocess.run(
        [binary("psql"), "-q", "-v", "ON_ERROR_STOP=1"],
        env={**environment, "PGDATABASE": copy},
        input=dump,
        capture_output=True,
        check=True,
        timeout=60,
    )
    restored = run_sync(inspect(wide_database.spec.with_database(copy)))
    assert compare(wide, restored, ignoring={FOREIGN_KEY_ORDER}) == ()
    assert len(canonical(wide)) > 100


def test_order_of_foreign_keys_is_part_of_the_schema(database: Database) -> None:
    add = {name: f"ALTER TABLE c ADD CONSTRAINT {name} FOREIGN KEY ({name}) REFERENCES p" for name in "ab"}
    drop = "ALTER TABLE c DROP CONSTRAINT a, DROP CONSTRAINT b"
    run_sync(
        execute(database, "CREATE TABLE p (id uuid PRIMARY KEY)", "CREATE TABLE c (a uuid, b uuid)", add["a"], add["b"])
    )
    before = run_sync(inspect(database.spec))
    run_sync(execute(database, drop, add["a"], add["b"]))
    assert compare(before, run_sync(inspect(database.spec))) == ()
    run_sync(execute(database, drop, add["b"], add["a"]))
    differences = compare(before, run_sync(inspect(database.spec)))
    assert {(d.object, d.property) for d in differences} == {
        ("table public.c", FOREIGN_KEY_ORDER),
        ("table public.p", FOREIGN_KEY_ORDER),
    }


# When it is read


async def test_another_sessions_temporary_tables_have_names(database: Database) -> None:
    async with session(database.spec) as other:
        await other.execute("CREATE TABLE t (id uuid); CREATE TEMP VIEW of_t AS SELECT * FROM t")
        catalog = await inspect(database.spec)
    (view,) = (r for r in catalog.relations if r.persistence == "t")
    assert (view.name, view.kind, view.definition) == ("of_t", "v", None)
    assert not any("of_t" in key for key in canonical(catalog))


async def test_progress_names_every_query_once(database: Database) -> None:
    seen: list[InspectionProgress] = []
    await inspect(database.spec, progress=seen.append)
    assert len({p.name for p in seen}) == len(seen) == seen[-1].total
    assert [p.done for p in seen] == list(range(1, len(seen) + 1))
    assert {"constraints", "columns", "dependencies", "sizes"} <= {p.name for p in seen}


@pytest.mark.parametrize("connections", [1, 4])
async def test_all_is_of_one_moment(database: Database, connections: int) -> None:
    await execute(database, "CREATE TABLE before (id uuid PRIMARY KEY)")

    def change(progress: InspectionProgress) -> None:
        if progress.done == 1:
            later = "CREATE TABLE later (id uuid PRIMARY KEY, b uuid REFERENCES before CHECK (b IS NOT NULL))"
            run_sync(
                execute(database, later, "CREATE VIEW v AS SELECT id FROM later", "COMMENT ON TABLE before IS 'x'")
            )

    catalog = await inspect(database.spec, connections=connections, progress=change)
    assert {key for key in canonical(catalog) if "later" in key or ".v" in key} == set()
    assert relation(catalog, "before").comment is None
    again = await inspect(database.spec)
    assert {"table public.later", "view public.v", "column public.later.b"} <= canonical(again).keys()


async def test_what_vanishes_meanwhile_is_read_anew(database: Database) -> None:
    await execute(database, "CREATE TABLE t (id uuid PRIMARY KEY)", "CREATE VIEW v AS SELECT id FROM t")
    started: list[str] = []

    def drop_once(progress: InspectionProgress) -> None:
        if progress.done == 1:
            started.append(progress.name)
            run_sync(execute(database, "DROP VIEW IF EXISTS v"))

    catalog = await inspect(database.spec, connections=1, progress=drop_once)
    assert len(started) == 2
    assert {r.name for r in catalog.relations} == {"t"}


async def test_what_never_stops_vanishing_is_given_up(database: Database) -> None:
    await execute(database, "CREATE VIEW v AS SELECT 1 AS a")

    def replace(progress: InspectionProgress) -> None:
        if progress.done == 1:
            run_sync(execute(database, "DROP VIEW v", "CREATE VIEW v AS SELECT 1 AS a"))

    with pytest.raises(QueryFailed, match="something was dropped meanwhile") as failed:
        await inspect(database.spec, connections=1, progress=replace)
    assert "try again" in failed.value.advice


async def test_sizes_wait_for_nobody(database: Database) -> None:
    await execute(database, "CREATE TABLE locked (id int)", "CREATE TABLE free (id int)")
    await execute(database, "INSERT INTO locked VALUES (1)", "INSERT INTO free VALUES (1)")
    async with session(database.spec) as other, other.transaction():
        await other.execute("LOCK TABLE locked")
        catalog = await inspect(database.spec)
    assert relation(catalog, "locked").bytes == 0
    assert relation(catalog, "free").bytes == relation(catalog, "free").heap_bytes == 8192


async def test_fewer_connections_do(database: Database) -> None:
    await execute_as_superuser(database, f"ALTER ROLE {database.owner} CONNECTION LIMIT 1")
    catalog = await inspect(database.spec, connections=4)
    assert {s.name for s in catalog.schemas} == {"public"}


async def test_slow_query_is_cancelled_and_explained(database: Database) -> None:
    await execute(database, "CREATE TABLE t (id int)", "CREATE VIEW v AS SELECT id FROM t")
    async with session(database.spec) as other, other.transaction():
        await other.execute("LOCK TABLE t")  # for which the view's definition waits
        with pytest.raises(QueryFailed, match=r"took too long \(relations\)") as failed:
            await inspect(database.spec, statement_timeout_ms=1_000)
    assert failed.value.advice


async def test_cancellation_leaves_no_session_behind(wide_database: Database) -> None:
    reached = asyncio.Event()
    task = asyncio.create_task(inspect(wide_database.spec, progress=lambda _: reached.set()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with session(wide_database.spec) as connection:
        left = 1
        for _ in range(100):
            left = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if not left:
                return
            await asyncio.sleep(0.05)
    pytest.fail(f"{left} sessions left")


# Inside a transaction


async def test_within_a_transaction_its_own_changes_are_seen(wide_database: Database, wide: Catalog) -> None:
    async with session(wide_database.spec) as connection:
        await connection.execute('SET search_path = "Sales", public')
        transaction = connection.transaction()
        await transaction.start()
        same = await inspect_within(connection)
        assert compare(wide, same) == ()
        assert relation(same, "users").bytes == 0  # not measured
        await connection.execute("ALTER TABLE typed RENAME TO other; LOCK TABLE users")
        catalog = await inspect_within(connection)
        changed = {d.object for d in compare(wide, catalog)}
        assert {"table public.typed", "table public.other"} <= changed
        assert "table public.users" not in changed
        assert await connection.fetchval("SHOW search_path") == '"Sales", public'
        assert await connection.fetchval("SHOW jit") == await connection.fetchval(
            "SELECT reset_val FROM pg_settings WHERE name = 'jit'"
        )
        await transaction.rollback()


async def test_within_a_transaction_a_failure_leaves_it_usable(wide_database: Database) -> None:
    async with session(wide_database.spec) as connection, connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 1")
        with pytest.raises(QueryFailed):
            await inspect_within(connection)
        await connection.execute("SET LOCAL statement_timeout = 0")
        assert await connection.fetchval("SELECT 1") == 1
        assert await connection.fetchval("SHOW search_path") == '"$user", public'


async def test_within_a_repeatable_read_transaction(wide_database: Database, wide: Catalog) -> None:
    connection = await connect(wide_database.spec)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            assert compare(wide, await inspect_within(connection)) == ()
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("CREATE TABLE t (id int)")
    finally:
        await connection.close()
