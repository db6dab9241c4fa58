"""Everything that can hang on a converted key, one kind a test: after the conversion nothing differs but the types."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import asyncpg
import pytest

from core.postgres.inspect import inspect_within
from core.retype.model import ScopeRequest
from core.retype.types import parse_type_pair
from tests.databases import Database
from tests.postgres.matrix import Bench, open_bench

BASE = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text, boss uuid REFERENCES users);
CREATE TABLE deals (id uuid PRIMARY KEY, owner uuid REFERENCES users, parent uuid, title text, n int);
CREATE TABLE plain (x int PRIMARY KEY, y int);
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
INSERT INTO users (id, email) SELECT md5(n::text)::uuid, n FROM generate_series(1, 5) n;
INSERT INTO deals SELECT md5('d' || n)::uuid, md5(n::text)::uuid, NULL, 't' || n, n FROM generate_series(1, 5) n;
"""


@pytest.fixture
async def bench(database: Database) -> AsyncGenerator[Bench, None]:
    async with open_bench(database) as bench:
        await bench.as_owner(BASE)
        yield bench


@dataclass(frozen=True)
class Case:
    sql: str
    since: int = 0
    superuser: str = ""
    planned: tuple[str, ...] = ()
    """Pieces of statements that the plan must have."""


CASES = {
    # --- foreign keys
    "actions": Case(
        "CREATE TABLE t (a uuid REFERENCES users ON DELETE CASCADE ON UPDATE RESTRICT, b uuid REFERENCES users "
        "ON DELETE SET NULL, c uuid DEFAULT gen_random_uuid() REFERENCES users ON DELETE SET DEFAULT)"
    ),
    "set null of some columns": Case(
        "ALTER TABLE users ADD UNIQUE (id, email); CREATE TABLE t (a uuid, b text, "
        "FOREIGN KEY (a, b) REFERENCES users (id, email) MATCH FULL ON DELETE SET NULL (a))",
        since=15,
    ),
    "deferrable": Case(
        "CREATE TABLE t (a uuid REFERENCES users DEFERRABLE INITIALLY DEFERRED, b uuid REFERENCES users DEFERRABLE)"
    ),
    "not valid": Case("ALTER TABLE deals ADD CONSTRAINT up FOREIGN KEY (parent) REFERENCES deals NOT VALID"),
    "not enforced": Case(
        "ALTER TABLE deals ADD CONSTRAINT up FOREIGN KEY (parent) REFERENCES deals NOT ENFORCED", since=18
    ),
    "composite, other types beside": Case(
        "ALTER TABLE deals ADD UNIQUE (n, id); CREATE TABLE t (did uuid, dn int, FOREIGN KEY (dn, did) REFERENCES deals (n, id))"
    ),
    "to a bare unique index": Case(
        "CREATE UNIQUE INDEX odd ON deals (owner, id); CREATE TABLE t (a uuid, b uuid, FOREIGN KEY (a, b) REFERENCES deals (owner, id))"
    ),
    "to a unique constraint of another column": Case(
        "ALTER TABLE deals ADD code uuid UNIQUE; ALTER TABLE users ADD code uuid REFERENCES deals (code) ON UPDATE CASCADE"
    ),
    "a cycle": Case("ALTER TABLE users ADD CONSTRAINT back FOREIGN KEY (boss) REFERENCES deals NOT VALID"),
    "two schemas, names that need quotes": Case(
        'CREATE SCHEMA "Odd ""One"""; CREATE TABLE "Odd ""One"""."select" ("user" uuid PRIMARY KEY, "from $$ \'a\' \\" uuid '
        'CONSTRAINT "it\'s; DROP" REFERENCES users); COMMENT ON CONSTRAINT "it\'s; DROP" ON "Odd ""One"""."select" IS \'a\\b\'\'c\''
    ),
    "long names": Case(
        f"CREATE TABLE {'t' * 63} ({'c' * 63} uuid PRIMARY KEY, {'d' * 63} uuid REFERENCES users); "
        f"CREATE INDEX {'i' * 63} ON {'t' * 63} ({'d' * 63})"
    ),
    "keys outside the scope": Case(
        "ALTER TABLE deals ADD FOREIGN KEY (n) REFERENCES plain NOT VALID; ALTER TABLE plain ADD FOREIGN KEY (y) REFERENCES plain",
        planned=("to keep their places",),
    ),
    "comments": Case("COMMENT ON CONSTRAINT users_boss_fkey ON users IS 'who'"),
    # --- constraints and indexes
    "deferrable unique": Case("ALTER TABLE deals ADD UNIQUE (owner, n) DEFERRABLE INITIALLY DEFERRED"),
    "nulls not distinct, include": Case(
        "ALTER TABLE deals ADD UNIQUE NULLS NOT DISTINCT (id, parent) INCLUDE (title) WITH (fillfactor = 70)", since=15
    ),
    "exclusion": Case("ALTER TABLE deals ADD EXCLUDE USING hash (id WITH =) WHERE (n > 0) DEFERRABLE"),
    "primary key with a comment": Case(
        "COMMENT ON CONSTRAINT deals_pkey ON deals IS 'pk'; COMMENT ON INDEX deals_pkey IS 'ix'"
    ),
    "indexes of every kind": Case(
        "CREATE INDEX ON deals (owner DESC NULLS LAST) WITH (fillfactor = 60); CREATE INDEX ON deals USING hash (owner);"
        "CREATE INDEX ON deals USING brin (id) WITH (pages_per_range = 4); CREATE INDEX ON deals (n) INCLUDE (owner);"
        "CREATE INDEX ON deals (lower(title)) WHERE owner IS NOT NULL; CREATE INDEX ON deals (left(id::text, 8), n);"
        "COMMENT ON INDEX deals_owner_idx IS 'o'"
    ),
    "clustered, replica identity": Case(
        "CREATE UNIQUE INDEX ri ON deals (id, n); ALTER TABLE deals ALTER n SET NOT NULL;"
        "ALTER TABLE deals REPLICA IDENTITY USING INDEX ri; ALTER TABLE deals CLUSTER ON deals_pkey"
    ),
    "statistics target of an index": Case(
        "CREATE INDEX e ON deals (left(id::text, 8)); ALTER INDEX e ALTER COLUMN 1 SET STATISTICS 7",
        planned=("ALTER INDEX public.e ALTER COLUMN 1 SET STATISTICS 7",),
    ),
    "checks": Case(
        "ALTER TABLE deals ADD CHECK (id <> owner) NOT VALID; ALTER TABLE deals ADD CONSTRAINT c CHECK (parent IS NOT NULL OR n > 0) "
        "NO INHERIT; COMMENT ON CONSTRAINT c ON deals IS 'c'"
    ),
    "named NOT NULL": Case(
        "ALTER TABLE deals ADD m uuid CONSTRAINT must NOT NULL DEFAULT md5('1')::uuid REFERENCES users"
    ),
    "extended statistics": Case(
        "CREATE STATISTICS s (ndistinct) ON id, owner FROM deals; ALTER STATISTICS s SET STATISTICS 9;"
        "COMMENT ON STATISTICS s IS 's'; CREATE STATISTICS s2 ON owner, n FROM deals; ALTER STATISTICS s2 OWNER TO {other}"
    ),
    # --- columns
    "defaults": Case("ALTER TABLE deals ALTER id SET DEFAULT gen_random_uuid()"),
    "column settings": Case(
        "ALTER TABLE deals ALTER owner SET STATISTICS 77, ALTER owner SET (n_distinct = -0.5), ALTER owner SET NOT NULL;"
        "COMMENT ON COLUMN deals.owner IS 'o'; GRANT SELECT (owner), UPDATE (owner, n) ON deals TO {reader};"
        "GRANT SELECT (id) ON deals TO {other} WITH GRANT OPTION"
    ),
    "a table's own things": Case(
        "ALTER TABLE deals SET (autovacuum_enabled = false); ALTER TABLE deals SET UNLOGGED; COMMENT ON TABLE deals IS 'd';"
        "ALTER TABLE deals ENABLE ROW LEVEL SECURITY; GRANT SELECT ON deals TO PUBLIC"
    ),
    "generated columns": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text || '!') STORED, ADD u uuid GENERATED ALWAYS AS (owner) STORED;"
        "CREATE UNIQUE INDEX ON deals (g); COMMENT ON COLUMN deals.g IS 'g'; CREATE VIEW gv AS SELECT g, u FROM deals",
        since=17,
    ),
    "generated columns that are NOT NULL": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (COALESCE(title, owner::text, id::text)) STORED NOT NULL,"
        "ADD h varchar(40) GENERATED ALWAYS AS (id) STORED NOT NULL, ADD m int GENERATED ALWAYS AS (length(id::text)) STORED NOT NULL,"
        "ADD u uuid GENERATED ALWAYS AS (id) STORED NOT NULL, ADD j boolean GENERATED ALWAYS AS (owner IS NULL) STORED NOT NULL;"
        "CREATE INDEX ON deals (g, n) WHERE g <> ''; CREATE UNIQUE INDEX ON deals (n) WHERE title IS NOT NULL",
        since=17,
    ),
    "a virtual generated column": Case(
        "ALTER TABLE deals ADD g text GENERATED ALWAYS AS (id::text || '!') VIRTUAL", since=18
    ),
    "generated column over others": Case("ALTER TABLE deals ADD g int GENERATED ALWAYS AS (n * 2) STORED"),
    # --- views
    "nested views": Case(
        "CREATE VIEW a AS SELECT id, owner FROM deals; CREATE VIEW b AS SELECT u.id, a.id AS deal FROM a JOIN users u ON u.id = a.owner;"
        "CREATE VIEW c AS SELECT count(*) FROM b; CREATE VIEW d AS SELECT title FROM deals"
    ),
    "a view's own things": Case(
        "CREATE VIEW v WITH (security_barrier, check_option = 'local') AS SELECT id, title AS named FROM deals WHERE n > 0;"
        'ALTER VIEW v RENAME COLUMN named TO "The Title"; ALTER VIEW v ALTER id SET DEFAULT gen_random_uuid();'
        "ALTER VIEW v OWNER TO {other}; COMMENT ON VIEW v IS 'v'; COMMENT ON COLUMN v.id IS 'i'"
    ),
    "security invoker": Case("CREATE VIEW v WITH (security_invoker) AS SELECT id FROM deals", since=15),
    "a view's grants": Case(
        "CREATE VIEW v AS SELECT id, n FROM deals; GRANT SELECT ON v TO {other} WITH GRANT OPTION; GRANT UPDATE (n) ON v TO {reader};"
        "GRANT INSERT ON v TO PUBLIC; REVOKE DELETE ON v FROM CURRENT_USER; SET ROLE {other}; GRANT SELECT ON v TO {reader}; RESET ROLE"
    ),
    "default privileges": Case(
        "CREATE VIEW v AS SELECT id FROM deals; CREATE VIEW w AS SELECT id FROM deals; GRANT SELECT ON w TO {reader};"
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}"
    ),
    "rules and triggers of a view": Case(
        "CREATE VIEW v AS SELECT id, n FROM deals; CREATE TRIGGER i INSTEAD OF INSERT OR UPDATE ON v FOR EACH ROW EXECUTE FUNCTION fired();"
        "CREATE RULE r AS ON DELETE TO v DO INSTEAD NOTHING; COMMENT ON RULE r ON v IS 'r'; COMMENT ON TRIGGER i ON v IS 'i'"
    ),
    "views that use each other's rules": Case(
        "CREATE VIEW v AS SELECT id FROM deals; CREATE VIEW w AS SELECT id FROM v;"
        "CREATE RULE r AS ON INSERT TO v DO INSTEAD SELECT id FROM w"
    ),
    "whole rows": Case(
        "CREATE VIEW v AS SELECT deals FROM deals; CREATE VIEW j AS SELECT to_jsonb(deals) FROM deals; CREATE VIEW c AS SELECT count(*) FROM deals"
    ),
    "a recursive view": Case(
        "CREATE VIEW v AS WITH RECURSIVE t AS (SELECT id, 1 AS d FROM users WHERE boss IS NULL UNION ALL "
        "SELECT u.id, d + 1 FROM users u JOIN t ON u.boss = t.id) SELECT * FROM t"
    ),
    "a view over a function of rows": Case(
        "CREATE FUNCTION all_deals() RETURNS SETOF deals LANGUAGE sql AS 'SELECT * FROM public.deals'; CREATE VIEW v AS SELECT * FROM all_deals()"
    ),
    "a function of a view's row": Case(
        "CREATE VIEW v AS SELECT id FROM deals; CREATE FUNCTION f(v) RETURNS int LANGUAGE sql AS 'SELECT 1'; "
        "CREATE VIEW w AS SELECT f(v.*) FROM v; COMMENT ON FUNCTION f(v) IS 'f'"
    ),
    # --- materialized views
    "materialized views": Case(
        "CREATE MATERIALIZED VIEW m WITH (fillfactor = 80) AS SELECT owner, count(*) AS c FROM deals GROUP BY 1;"
        "CREATE UNIQUE INDEX mi ON m (owner); CREATE INDEX me ON m ((c + 1)); ALTER INDEX me ALTER COLUMN 1 SET STATISTICS 3;"
        "ALTER MATERIALIZED VIEW m CLUSTER ON mi; COMMENT ON INDEX mi IS 'mi'; COMMENT ON MATERIALIZED VIEW m IS 'm';"
        "ALTER MATERIALIZED VIEW m ALTER c SET STATISTICS 5; ALTER MATERIALIZED VIEW m ALTER c SET (n_distinct = 2);"
        "GRANT SELECT ON m TO {reader}; CREATE MATERIALIZED VIEW m2 AS SELECT owner FROM m; ALTER MATERIALIZED VIEW m2 OWNER TO {other}; GRANT SELECT ON m TO {other};"
        "CREATE VIEW v AS SELECT * FROM m2; CREATE STATISTICS ms ON owner, c FROM m",
        planned=("REFRESH MATERIALIZED VIEW public.m", "REFRESH MATERIALIZED VIEW public.m2"),
    ),
    "not populated": Case("CREATE MATERIALIZED VIEW m AS SELECT id FROM deals WITH NO DATA"),
    "rows in a materialized view": Case(
        "CREATE MATERIALIZED VIEW m AS SELECT deals AS d, n FROM deals; CREATE INDEX ON m (n)"
    ),
    # --- policies, triggers, rules
    "policies": Case(
        "CREATE POLICY p ON deals FOR SELECT TO {reader}, {other} USING (owner = id); "
        "CREATE POLICY q ON deals AS RESTRICTIVE FOR INSERT WITH CHECK (id IS NOT NULL); CREATE POLICY r ON deals FOR UPDATE USING (n > 0);"
        "CREATE POLICY s ON plain USING (EXISTS (SELECT FROM deals WHERE owner IS NOT NULL)); COMMENT ON POLICY p ON deals IS 'p'"
    ),
    "triggers": Case(
        "CREATE TRIGGER a BEFORE UPDATE OF owner ON deals FOR EACH ROW EXECUTE FUNCTION fired();"
        "CREATE TRIGGER b AFTER UPDATE ON deals FOR EACH ROW WHEN (OLD.owner IS DISTINCT FROM NEW.owner) EXECUTE FUNCTION fired();"
        "CREATE CONSTRAINT TRIGGER c AFTER INSERT OR UPDATE OF id ON deals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fired();"
        "CREATE TRIGGER d AFTER UPDATE ON deals REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION fired();"
        "ALTER TABLE deals DISABLE TRIGGER a; ALTER TABLE deals ENABLE REPLICA TRIGGER b; ALTER TABLE deals ENABLE ALWAYS TRIGGER c;"
        "COMMENT ON TRIGGER a ON deals IS 'a'; COMMENT ON CONSTRAINT c ON deals IS 'c'; "
        "CREATE TRIGGER e BEFORE INSERT ON deals FOR EACH ROW EXECUTE FUNCTION fired(); ALTER TABLE deals DISABLE TRIGGER e",
    ),
    "rules": Case(
        "CREATE RULE a AS ON INSERT TO plain WHERE EXISTS (SELECT FROM deals WHERE owner IS NULL) DO ALSO NOTHING;"
        "CREATE RULE b AS ON UPDATE TO deals WHERE new.owner IS NULL DO INSTEAD (UPDATE plain SET x = 1; DELETE FROM plain);"
        "ALTER TABLE plain DISABLE RULE a; COMMENT ON RULE b ON deals IS 'b'"
    ),
    # --- functions and what uses them
    "BEGIN ATOMIC": Case(
        "CREATE FUNCTION f() RETURNS bigint STABLE LANGUAGE sql BEGIN ATOMIC SELECT count(owner) FROM deals; END;"
        "CREATE FUNCTION g(a int, b text DEFAULT 'x') RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT f() + a; END;"
        "CREATE PROCEDURE h() LANGUAGE sql BEGIN ATOMIC UPDATE deals SET n = 1 WHERE owner IS NULL; END;"
        "ALTER FUNCTION g(int, text) OWNER TO {other}; REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION f() TO {reader};"
        "COMMENT ON FUNCTION f() IS 'f'; COMMENT ON PROCEDURE h() IS 'h'; CREATE VIEW v AS SELECT g(1);"
        "CREATE TABLE t (a bigint DEFAULT f(), b bigint CHECK (b < g(2))); CREATE POLICY p ON t USING (a < f());"
        "COMMENT ON CONSTRAINT t_b_check ON t IS 'chk'",
        since=14,
    ),
    "an index on a function": Case(
        "CREATE FUNCTION f(int) RETURNS bigint IMMUTABLE LANGUAGE sql BEGIN ATOMIC SELECT count(owner) + $1 FROM deals; END;"
        "CREATE INDEX fi ON plain (f(y)) WHERE y > 0; COMMENT ON INDEX fi IS 'fi'; CREATE STATISTICS fs ON f(y), x FROM plain",
        since=14,
    ),
    # --- partitions and inheritance
    "partitions": Case(
        "CREATE TABLE p (id uuid, k int, u uuid REFERENCES users, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (30) PARTITION BY LIST (k);"
        "CREATE TABLE p21 PARTITION OF p2 FOR VALUES IN (11); CREATE INDEX ON p (u); CREATE INDEX lower_u ON p (lower(u::text)) WITH (fillfactor = 70);"
        "INSERT INTO p SELECT md5('p' || n)::uuid, n, md5('1')::uuid FROM generate_series(1, 9) n;"
        "CREATE TRIGGER t AFTER UPDATE OF u ON p FOR EACH ROW EXECUTE FUNCTION fired(); ALTER TABLE p1 DISABLE TRIGGER t;"
        "CREATE TABLE q (id uuid, k int, FOREIGN KEY (id, k) REFERENCES p); COMMENT ON CONSTRAINT p_pkey ON p IS 'pk'"
    ),
    "partitions' own indexes": Case(
        "CREATE TABLE p (id uuid NOT NULL, k int NOT NULL, u uuid) PARTITION BY RANGE (k);"
        "CREATE TABLE p1 (LIKE p INCLUDING ALL); ALTER TABLE p1 ADD CONSTRAINT own_pk PRIMARY KEY (id, k);"
        "CREATE INDEX own_u ON p1 (u) WITH (fillfactor = 60); COMMENT ON INDEX own_u IS 'own'; CREATE INDEX p1_u_idx ON p1 (k);"
        "ALTER TABLE p1 CLUSTER ON own_u; ALTER TABLE p1 REPLICA IDENTITY USING INDEX own_pk; COMMENT ON CONSTRAINT own_pk ON p1 IS 'opk';"
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);"
        "ALTER TABLE p ADD PRIMARY KEY (id, k); CREATE INDEX pu ON p (u) WITH (fillfactor = 80); COMMENT ON INDEX pu IS 'parent';"
        "CREATE INDEX px ON p ((u::text)); ALTER INDEX px ALTER COLUMN 1 SET STATISTICS 5;"
        "CREATE TABLE r (u uuid REFERENCES users, p uuid, k int, FOREIGN KEY (p, k) REFERENCES p)"
    ),
    "a partition's own foreign key": Case(
        "CREATE TABLE p (k int, u uuid) PARTITION BY RANGE (k); CREATE TABLE p1 (k int, u uuid CONSTRAINT own REFERENCES users);"
        "COMMENT ON CONSTRAINT own ON p1 IS 'own'; CREATE TABLE p2 (k int, u uuid CONSTRAINT alone REFERENCES users);"
        "ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10); ALTER TABLE p ADD CONSTRAINT fk FOREIGN KEY (u) REFERENCES users;"
        "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)"
    ),
    "inheritance": Case(
        "CREATE TABLE base (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), x int, CONSTRAINT chk CHECK (id IS NOT NULL));"
        "CREATE TABLE child (y int) INHERITS (base); ALTER TABLE child ADD PRIMARY KEY (id); CREATE TABLE grandchild () INHERITS (child);"
        "ALTER TABLE child ALTER id SET DEFAULT md5('x')::uuid; CREATE INDEX ON child (id, y); CREATE TABLE ref (id uuid REFERENCES child);"
        "COMMENT ON CONSTRAINT chk ON child IS 'childs'; COMMENT ON CONSTRAINT chk ON base IS 'bases'; COMMENT ON COLUMN child.id IS 'ci'"
    ),
    # --- publications
    "publications": Case(
        "",
        since=15,
        superuser="CREATE PUBLICATION a FOR TABLE deals (id, n) WHERE (owner IS NOT NULL), users; CREATE PUBLICATION b FOR TABLE plain WHERE (x > 0);"
        "CREATE PUBLICATION c FOR ALL TABLES; CREATE PUBLICATION d FOR TABLES IN SCHEMA public; COMMENT ON PUBLICATION a IS 'a';"
        "ALTER PUBLICATION a OWNER TO {owner}",
        planned=("ALTER PUBLICATION a ADD TABLE ONLY public.deals (id, n) WHERE",),
    ),
    # --- spelling
    "lists of strings": Case(
        "CREATE TABLE t (id uuid PRIMARY KEY, status varchar(9), owner uuid REFERENCES users, kinds varchar(5)[] DEFAULT ARRAY['a', 'b'],"
        "CHECK (owner IS NULL OR status IN ('open', 'it''s')), CONSTRAINT k CHECK (owner IS NULL OR kinds <> ARRAY['a', 'b']::varchar(5)[]));"
        "CREATE INDEX ti ON t (owner) WHERE status NOT IN ('a', 'b'); CREATE STATISTICS ts ON owner, (status IN ('a', 'b')) FROM t;"
        "CREATE VIEW v AS SELECT id, status IN ('a', 'b') AS x, kinds FROM t WHERE status NOT IN ('ä', '::text[]') AND id IS NOT NULL;"
        "CREATE POLICY p ON t USING (owner = id AND status IN ('a', 'b')); CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW "
        "WHEN (OLD.owner IS NULL AND NEW.status IN ('a', 'b')) EXECUTE FUNCTION fired()",
        since=14,
    ),
    # --- what does not change
    "functions that are not tracked": Case(
        "CREATE FUNCTION f(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'"
    ),
    "the same type elsewhere": Case(
        "CREATE TABLE log (n int, token uuid DEFAULT gen_random_uuid()); CREATE INDEX ON log (token)"
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_kept_and_undone(bench: Bench, name: str) -> None:
    case = CASES[name]
    if bench.version < case.since:
        pytest.skip(f"not on version {bench.version}")
    if case.sql:
        await bench.as_owner(case.sql)
    if case.superuser:
        await bench.as_superuser(case.superuser.replace("{owner}", bench.owner))
    plan, _ = await bench.convert_and_undo()
    text = "\n".join(f"{s.sql} -- {s.reason}" for s in plan.statements)
    for piece in case.planned:
        assert piece in text


async def label(bench: Bench, relation: str, column: int = 0) -> None:
    """A security label as a provider leaves it; providers are libraries, of which this server has none."""
    await bench.as_superuser(
        "SET LOCAL allow_system_table_mods = on;"
        f"INSERT INTO pg_seclabel VALUES ('{relation}'::regclass, 'pg_class'::regclass, {column}, 'guard', 'it''s secret');"
        "RESET allow_system_table_mods"
    )


async def test_security_labels_of_what_is_kept_stay(bench: Bench) -> None:
    await label(bench, "deals")
    await label(bench, "deals", 2)
    _, undone = await bench.convert_and_undo()
    assert not [s for s in undone.statements if s.kind == "security label"]
    catalog = await inspect_within(bench.connection)
    assert [r.name for r in catalog.relations if r.labels] == ["deals"]
    assert [c.name for c in catalog.columns if c.labels] == ["owner"]


async def test_security_labels_of_a_view_are_put_back_by_their_provider(bench: Bench) -> None:
    await bench.as_owner("CREATE VIEW v AS SELECT id, owner FROM deals")
    await label(bench, "v")
    await label(bench, "v", 1)
    _, plan = await bench.plan()
    assert [warning.id for warning in plan.warnings] == ["security-label:v"]
    assert [s.sql for s in plan.statements if s.kind == "security label"] == [
        "SECURITY LABEL FOR guard ON VIEW public.v IS 'it''s secret'",
        "SECURITY LABEL FOR guard ON COLUMN public.v.id IS 'it''s secret'",
    ]
    with pytest.raises(asyncpg.PostgresError, match='security label provider "guard" is not loaded'):
        await bench.run(plan)


@pytest.mark.parametrize("name", [name for name in CASES if name != "publications"])
async def test_there_and_back(bench: Bench, name: str) -> None:
    """Converted and converted back: the catalog is the one of the beginning."""
    case = CASES[name]
    if bench.version < case.since:
        pytest.skip(f"not on version {bench.version}")
    if case.sql:
        await bench.as_owner(case.sql)
    first = await inspect_within(bench.connection)
    plan = await bench.convert()
    columns = tuple(column.name for column in plan.scope.columns)
    back = await bench.convert(ScopeRequest(types=parse_type_pair("varchar(36)", "uuid"), roots=columns))
    assert [c.name for c in back.scope.columns] == [c.name for c in plan.scope.columns]
    last = await inspect_within(bench.connection)
    types = [{(c.schema, c.table, c.name): c.type for c in catalog.columns} for catalog in (first, last)]
    assert types[0] == types[1]
