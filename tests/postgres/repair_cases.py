"""Constructs that no longer type-check after a change of type, each with its repair and with what must answer as before.

A case lives in a schema of its own beside a table of keys (a: id, parent, n) and one of values that stay what they are
(s: uid, uids, n). `{1}` is the id of the first row, `{i1}` the same in upper case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import NamedTuple
from uuid import UUID

ROWS = 6
TABLES = """
CREATE TABLE a (id {type} PRIMARY KEY, parent {type} REFERENCES a, n int);
CREATE TABLE s (uid {type}, uids {type}[], n int);
INSERT INTO a SELECT md5(n::text)::uuid::{type}, md5(greatest(n / 2, 1)::text)::uuid::{type}, n FROM generate_series(1, 6) n;
INSERT INTO s SELECT md5((n + 2)::text)::uuid::{type}, ARRAY[md5(n::text)::uuid, md5('x')::uuid]::{type}[], n FROM generate_series(1, 6) n;
"""


def key(n: int) -> str:
    return str(UUID(md5(str(n).encode()).hexdigest()))


def fill_in(sql: str) -> str:
    for n in range(1, ROWS + 1):
        sql = sql.replace(f"{{{n}}}", key(n)).replace(f"{{i{n}}}", key(n).upper())
    return sql


@dataclass(frozen=True)
class Case:
    """
    Attributes:
        sql: makes the objects.
        repaired: by object, the lines that its definition has instead, without the schema's name.
        probes: queries that must answer the same before and after.
        refuses: statements that must fail before and after, with the same SQLSTATE.
        indexed: queries that must be answered by an index, before and after, when there is no other way but a poor one.
        since: the first major version of PostgreSQL that the case can be converted on.
    """

    sql: str
    repaired: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    probes: tuple[str, ...] = ("SELECT * FROM v",)
    refuses: tuple[str, ...] = ()
    indexed: tuple[str, ...] = ()
    since: int = 13


def view(query: str, *lines: str) -> Case:
    return Case(f"CREATE VIEW v AS {query}", {"view v": lines} if lines else {})


UUID_TO_VARCHAR: Mapping[str, Case] = {
    "literal": view("SELECT n FROM a WHERE id = '{1}'", "WHERE (id = ('{1}'::uuid)::text);"),
    "key looked up": Case(
        "CREATE VIEW v AS SELECT n FROM a WHERE id = current_setting('app.id', true)::uuid",
        {"view v": ("WHERE (id = ((current_setting('app.id'::text, true))::uuid)::text);",)},
        (),
        (),
        ("SELECT * FROM v",),
    ),
    "block range index": Case(
        "CREATE INDEX i ON a USING brin (id uuid_bloom_ops)",
        {"index i on a": ("CREATE INDEX i ON a USING brin (id text_bloom_ops)",)},
        (),
    ),
    "after other letters": view(
        "SELECT 'äöü€𝄞' AS x, n FROM a WHERE id <> '{1}'", "WHERE (id <> ('{1}'::uuid)::text);"
    ),
    "inequality": view("SELECT n FROM a WHERE id >= '{2}'", "WHERE (id >= ('{2}'::uuid)::text);"),
    "setting in upper case": Case(
        "CREATE VIEW v AS SELECT n FROM a WHERE id = current_setting('app.id')::uuid",
        {"view v": ("WHERE (id = ((current_setting('app.id'::text))::uuid)::text);",)},
        ("SELECT set_config('app.id', '{i2}', false)", "SELECT * FROM v"),
    ),
    "garbage is still refused": Case(
        "CREATE VIEW v AS SELECT n FROM a WHERE id = current_setting('app.id')::uuid",
        {"view v": ("WHERE (id = ((current_setting('app.id'::text))::uuid)::text);",)},
        ("SELECT set_config('app.id', 'garbage', false)",),
        ("SELECT * FROM v",),
    ),
    "value on the left": view(
        "SELECT a.n FROM a, s WHERE s.uid = a.id", "WHERE ((s.uid)::text = a.id);"
    ),
    "any of a column": view("SELECT a.n, s.n AS m FROM a, s WHERE a.id = ANY (s.uids)", "WHERE (a.id = ANY ((s.uids)::text[]));"),
    "any of a list": view(
        "SELECT n FROM a WHERE id IN ('{1}', '{3}')",
        "WHERE (id = ANY ((ARRAY['{1}'::uuid, '{3}'::uuid])::text[]));",
    ),
    "all of an array": view(
        "SELECT n FROM a WHERE id <> ALL (ARRAY(SELECT uid FROM s))",
        "WHERE (id <> ALL ((ARRAY( SELECT s.uid",
        "FROM s))::text[]));",
    ),
    "in a query": view("SELECT n FROM a WHERE id IN (SELECT uid FROM s)", "WHERE (id IN ( SELECT (s.uid)::text"),
    "in a query of two": view(
        "SELECT n FROM a WHERE id IN (SELECT uid FROM s UNION SELECT uids[1] FROM s)",
        "WHERE (id IN ( SELECT (s.uid)::text", "SELECT (s.uids[1])::text AS uids",
    ),
    "not in a query": view(
        "SELECT n FROM a WHERE id NOT IN (SELECT uid FROM s)", "WHERE (NOT (id IN ( SELECT (s.uid)::text"
    ),
    "a value in a query of keys": view(
        "SELECT n FROM s WHERE uid IN (SELECT id FROM a)", "WHERE ((uid)::text IN ( SELECT a.id"
    ),
    "a scalar query": view("SELECT n FROM a WHERE id = (SELECT uid FROM s WHERE n = 1)", "WHERE (id = (( SELECT s.uid", "WHERE (s.n = 1)))::text);"),
    "rows in a query": view(
        "SELECT n FROM a WHERE (n, parent, id) IN (SELECT n - 2, (SELECT parent FROM a x WHERE x.n = s.n + 2), uid FROM s)"
        " OR (id, n) IN (SELECT uid, n + 2 FROM s)",
        "(s.uid)::text", "FROM s)) OR ((id, n) IN ( SELECT (s.uid)::text,",
    ),
    "rows compared": view(
        "SELECT a.n FROM a, s WHERE ROW(a.id, a.n) < ROW(s.uid, s.n) AND s.n = 1",
        "WHERE ((ROW(a.id, a.n) < ROW((s.uid)::text, s.n)) AND (s.n = 1));",
    ),
    "coalesce": view("SELECT a.n, COALESCE(parent, s.uid)::text AS x FROM a JOIN s USING (n)", "(COALESCE(a.parent, (s.uid)::text))::text AS x"),
    "coalesce of values first": view(
        "SELECT a.n, COALESCE(s.uid, s.uids[1], parent)::text AS x FROM a JOIN s USING (n)",
        "(COALESCE((s.uid)::text, (s.uids[1])::text, a.parent))::text AS x",
    ),
    "case": view(
        "SELECT a.n, (CASE a.n WHEN 1 THEN s.uid WHEN 2 THEN a.id WHEN 3 THEN s.uids[1] ELSE NULL END)::text AS x"
        " FROM a JOIN s USING (n)",
        "WHEN 1 THEN (s.uid)::text", "WHEN 3 THEN (s.uids[1])::text",  "ELSE (NULL::uuid)::text",
    ),
    "case over a key": view("SELECT a.n, CASE a.id WHEN s.uids[1] THEN 'own' ELSE 'other' END AS x FROM a, s", "WHEN (s.uids[1])::text THEN 'own'::text"),
    "greatest": view("SELECT a.n, GREATEST(a.id, s.uid)::text AS x FROM a JOIN s USING (n)", "(GREATEST(a.id, (s.uid)::text))::text AS x"),
    "nullif": view("SELECT a.n, NULLIF(a.id, s.uids[1])::text AS x FROM a JOIN s USING (n)", "(NULLIF(a.id, (s.uids[1])::text))::text AS x"),
    "distinct": view("SELECT a.n FROM a JOIN s USING (n) WHERE a.id IS DISTINCT FROM s.uid", "WHERE (a.id IS DISTINCT FROM (s.uid)::text);"),
    "array": view("SELECT a.n, ARRAY[a.id, s.uid]::text AS x FROM a JOIN s USING (n)", "(ARRAY[a.id, (s.uid)::text])::text AS x"),
    "array contains": view("SELECT a.n FROM a JOIN s USING (n) WHERE ARRAY[a.id] <@ s.uids", "WHERE (ARRAY[a.id] <@ (s.uids)::character varying[]);"),
    "array appended": view("SELECT a.n, (ARRAY[a.id] || s.uid)::text AS x FROM a JOIN s USING (n)", "((ARRAY[a.id] || (s.uid)::text))::text AS x"),
    "position in an array": view(
        "SELECT a.n, array_position(s.uids, a.id) AS x FROM a JOIN s USING (n)",
        "array_position(s.uids, (a.id)::uuid) AS x",
    ),
    "union": view("SELECT id::text, n FROM (SELECT uid AS id, n FROM s UNION ALL SELECT id, n FROM a) q", "FROM ( SELECT (s.uid)::text AS id,"),
    "union of three": Case(
        "CREATE VIEW v AS SELECT uid, 1 AS one FROM s UNION SELECT parent, 2 FROM a UNION SELECT uids[1], 3 FROM s",
        {"view v": ("SELECT (s.uid)::text,", "SELECT (s.uids[1])::text AS uid,")},
        ("SELECT uid::text, one FROM v",),
    ),
    "union on the right": Case(
        "CREATE VIEW v AS SELECT id FROM a UNION (SELECT uid FROM s UNION SELECT uids[1] FROM s)",
        {"view v": ("SELECT (s.uid)::text AS id", "SELECT (s.uids[1])::text AS id")},
        ("SELECT id::text FROM v",),
    ),
    "except": Case(
        "CREATE VIEW v AS SELECT id FROM a EXCEPT SELECT uid FROM s",
        {"view v": ("SELECT (s.uid)::text AS id",)},
        ("SELECT id::text FROM v",),
    ),
    "values": Case(
        "CREATE VIEW v AS SELECT x::text FROM (VALUES ((SELECT uid FROM s WHERE n = 1)), ((SELECT id FROM a WHERE n = 2))) q (x)",
        {"view v": ("FROM ( VALUES ((( SELECT s.uid", "WHERE (s.n = 1)))::text), (( SELECT a.id")},
    ),
    "using": Case(
        "CREATE TABLE t (id uuid, x int); INSERT INTO t VALUES ('{2}', 7);"
        "CREATE VIEW v AS SELECT a.n, t.x FROM a LEFT JOIN t USING (id)",
        {"view v": ("LEFT JOIN t ON ((a.id = (t.id)::text)));",)},
    ),
    "using two keys": Case(
        "CREATE TABLE t (id uuid, parent uuid, x int); INSERT INTO t VALUES ('{2}', '{1}', 7), ('{3}', '{2}', 8);"
        "CREATE VIEW v AS SELECT a.n, t.x FROM a JOIN t USING (parent, id)",
        {"view v": ("JOIN t ON ((a.parent = (t.parent)::text) AND (a.id = (t.id)::text)));",)},
    ),
    "using two, and one further": Case(
        "CREATE TABLE t (id uuid, n int, x int); INSERT INTO t VALUES ('{2}', 2, 7), ('{3}', 3, 8), ('{4}', 3, 9);"
        "CREATE VIEW v AS SELECT a.n, t.x, u.n AS m FROM a JOIN t USING (id, n) JOIN s u ON u.uid = a.id",
        {"view v": ("JOIN t ON ((a.id = (t.id)::text) AND (a.n = t.n)))", "JOIN s u ON (((u.uid)::text = a.id)));")},
    ),
    "recursive path": Case(
        "CREATE VIEW v AS WITH RECURSIVE r (id, path) AS (SELECT id, ARRAY[id] FROM a WHERE n = 1 UNION ALL"
        " SELECT a.id, r.path || a.id FROM a JOIN r ON a.parent = r.id WHERE a.n > 1) SELECT id::text, path::text FROM r",
        {"view v": ("(ARRAY[a.id])::character varying[] AS \"array\"",)},
    ),
    "function": Case(
        "CREATE FUNCTION f(uuid) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT left($1::text, 4)';"
        "CREATE VIEW v AS SELECT f(id) FROM a",
        {"view v": ("SELECT f((id)::uuid) AS f",)},
    ),
    "function of several": Case(
        "CREATE FUNCTION f(x uuid, t varchar, y uuid) RETURNS text LANGUAGE sql AS 'SELECT x::text || t || y';"
        "CREATE VIEW v AS SELECT f(id, 'x', y => parent) FROM a",
        {"view v": ("SELECT f((id)::uuid, 'x'::character varying, y => (parent)::uuid) AS f",)},
    ),
    "function of postgresql": view("SELECT uuid_hash(id) FROM a", "SELECT uuid_hash((id)::uuid) AS uuid_hash"),
    "window function": view(
        "SELECT n, lag(id, 1, '{6}') OVER (ORDER BY n)::text AS x FROM a",
        "(lag((id)::uuid, 1, '{6}'::uuid) OVER (ORDER BY n))::text AS x",
    ),
    "domain": Case(
        "CREATE DOMAIN ref AS uuid; CREATE TABLE t (r ref, n int); INSERT INTO t VALUES ('{2}', 1);"
        "CREATE VIEW v AS SELECT a.n FROM a JOIN t ON t.r = a.id",
        {"view v": ("JOIN t ON ((((t.r)::uuid)::text = a.id)));",)},
    ),
    "view over a repaired view": Case(
        "CREATE VIEW u AS SELECT uid FROM s UNION ALL SELECT id FROM a;"
        "CREATE VIEW v AS SELECT s.n FROM u JOIN s ON s.uid = u.uid",
        {"view u": ("SELECT (s.uid)::text",), "view v": ("JOIN s ON (((s.uid)::text = u.uid)));",)},
    ),
    "materialized view": Case(
        "CREATE MATERIALIZED VIEW v AS SELECT id, n FROM a WHERE id <> '{1}'; CREATE UNIQUE INDEX ON v (id) WHERE id <> '{2}'",
        {
            "materialized view v": ("WHERE (id <> ('{1}'::uuid)::text);",),
            "index v_id_idx on v": (
                "CREATE UNIQUE INDEX v_id_idx ON v USING btree (id) WHERE (id <> ('{2}'::uuid)::text)",
            ),
        },
        ("SELECT n FROM v",),
    ),
    "check": Case(
        "ALTER TABLE a ADD CONSTRAINT c CHECK (id <> 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' OR n < 0) NOT VALID;"
        "COMMENT ON CONSTRAINT c ON a IS 'mine'",
        {"check c on a": ("CHECK (((id <> ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid)::text) OR (n < 0))) NOT VALID",)},
        (),
        ("INSERT INTO a VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', NULL, 1)",),
    ),
    "inherited check": Case(
        "CREATE TABLE p (id uuid PRIMARY KEY, CONSTRAINT c CHECK (id <> '{1}')); CREATE TABLE k () INHERITS (p);"
        "COMMENT ON CONSTRAINT c ON k IS 'of the child'",
        dict.fromkeys(("check c on p", "check c on k"), ("CHECK ((id <> ('{1}'::uuid)::text))",)),
        (),
        ("INSERT INTO k VALUES ('{1}')",),
    ),
    "index over an expression": Case(
        "CREATE INDEX i ON a (uuid_hash(id)); COMMENT ON INDEX i IS 'mine'; ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 50",
        {"index i on a": ("CREATE INDEX i ON a USING btree (uuid_hash((id)::uuid))",)},
        (),
    ),
    "partial index": Case(
        "CREATE INDEX i ON a (n) WHERE parent = '{1}'; CREATE INDEX kept ON a (n) WHERE parent IS NOT NULL",
        {"index i on a": ("CREATE INDEX i ON a USING btree (n) WHERE (parent = ('{1}'::uuid)::text)",)},
        (),
        (),
        ("SELECT n FROM a WHERE parent = '{1}'",),
    ),
    "index of a partitioned table": Case(
        "CREATE TABLE p (id uuid REFERENCES a, n int) PARTITION BY LIST (n);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p DEFAULT;"
        "CREATE INDEX i ON p (uuid_hash(id)) WHERE id <> '{1}'; ALTER INDEX p1_uuid_hash_idx RENAME TO \"own name\";"
        "COMMENT ON INDEX p2_uuid_hash_idx IS 'mine'",
        {
            f"index {name} on {table}": (
                f"CREATE INDEX {name} ON {only}{table} USING btree (uuid_hash((id)::uuid)) WHERE (id <> ('{{1}}'::uuid)::text)",
            )
            for name, only, table in (("i", "ONLY ", "p"), ('"own name"', "", "p1"), ("p2_uuid_hash_idx", "", "p2"))
        },
        (),
    ),
    "statistics": Case(
        "CREATE STATISTICS st ON (id = '{1}'::uuid), n FROM a; ALTER STATISTICS st SET STATISTICS 70",
        {"statistics object st": ("CREATE STATISTICS st ON n, (id = ('{1}'::uuid)::text) FROM a",)},
        (),
    ),
    "policy": Case(
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY; GRANT ALL ON a TO {reader};"
        "CREATE POLICY p ON a TO {reader} USING (id = ANY (string_to_array(current_setting('app.ids'), ',')::uuid[]))"
        " WITH CHECK (parent = COALESCE(nullif(current_setting('app.parent'), '')::uuid, parent))",
        {
            "policy p on a": (
                "(id = ANY (((string_to_array(current_setting('app.ids'::text), ','::text))::uuid[])::text[]))",
                "(parent = COALESCE(((NULLIF(current_setting('app.parent'::text), ''::text))::uuid)::text, parent))",
            )
        },
        (
            "SELECT set_config('app.ids', '{i2},{3}', false), set_config('app.parent', '{i1}', false)",
            "SET ROLE {reader}; SELECT n FROM a",
            "SET ROLE {reader}; UPDATE a SET parent = '{1}' RETURNING n",
        ),
        ("SET ROLE {reader}; UPDATE a SET parent = '{3}'",),
    ),
    "policy with a query": Case(
        "ALTER TABLE s ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a, s TO {reader};"
        "CREATE POLICY p ON s TO {reader} USING (EXISTS (SELECT FROM a WHERE a.id = s.uid AND a.n > 3))",
        {"policy p on s": ("WHERE ((a.id = (s.uid)::text) AND (a.n > 3))))",)},
        ("SET ROLE {reader}; SELECT n FROM s",),
    ),
    "publication": Case(
        "CREATE PUBLICATION {owner}_p FOR TABLE a (id, n) WHERE (id <> '{1}')",
        {"publication entry of a in {owner}_p": ("(id <> '{1}'::text)",)},
        ("SELECT rowfilter IS NOT NULL FROM pg_publication_tables WHERE pubname = '{owner}_p'",),
    ),
    "rule": Case(
        "CREATE TABLE log (uid uuid, n int);"
        "CREATE RULE r AS ON UPDATE TO a WHERE NEW.id <> '{1}' DO INSERT INTO log VALUES (NEW.id, NEW.n)",
        {
            "rule r on a": (
                "WHERE (new.id <> ('{1}'::uuid)::text) DO  INSERT INTO log (uid, n)",
                "VALUES ((new.id)::uuid, new.n);",
            )
        },
        ("UPDATE a SET n = n + 1 RETURNING n", "SELECT * FROM log"),
    ),
    "trigger": Case(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''23514''; END';"
        "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW WHEN (OLD.id = '{1}') EXECUTE FUNCTION stop()",
        {
            "trigger t on a": (
                "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW WHEN ((old.id = ('{1}'::uuid)::text)) EXECUTE FUNCTION stop()",
            )
        },
        ("UPDATE a SET n = n WHERE n = 2 RETURNING n",),
        ("UPDATE a SET n = n WHERE n = 1",),
    ),
    "function with a parsed body": Case(
        "CREATE FUNCTION f(k uuid) RETURNS TABLE (m int, up uuid) LANGUAGE sql"
        " BEGIN ATOMIC SELECT n, parent FROM a WHERE id = k; END; GRANT EXECUTE ON FUNCTION f(uuid) TO {reader}",
        {"function f(k uuid)": ("(a.parent)::uuid", "WHERE (a.id = (f.k)::text);")},
        ("SELECT * FROM f('{2}')",),
    ),
    "function that returns": Case(
        "CREATE FUNCTION f(m int) RETURNS uuid LANGUAGE sql RETURN (SELECT id FROM a WHERE n = m); CREATE VIEW v AS SELECT f(3)",
        {"function f(m integer)": ("RETURN ((SELECT a.id FROM a WHERE (a.n = f.m)))::uuid",)},
    ),
    "generated column": Case(
        "CREATE TABLE t (id uuid PRIMARY KEY, other uuid, g uuid GENERATED ALWAYS AS (COALESCE(other, id)) STORED);"
        "INSERT INTO t VALUES ('{1}', NULL), ('{2}', '{3}')",
        {"generated column t.g": ("(COALESCE((other)::text, id))::uuid",)},
        ("SELECT g FROM t", "INSERT INTO t VALUES ('{3}') RETURNING g"),
        since=17,
    ),
    "what survives": Case(
        "CREATE VIEW v AS SELECT id::text AS x, md5(id::text), to_jsonb(id), concat(id), n || id::text AS y FROM a"
        " WHERE id = parent OR id IS NOT NULL; CREATE INDEX i ON a (left(id::text, 4)) WHERE id IS NOT NULL",
        {},
        ("SELECT * FROM v",),
    ),
}  # fmt: skip


VARCHAR_TO_UUID: Mapping[str, Case] = {
    "text survives": Case(
        "CREATE VIEW v AS SELECT n, length(id), upper(id) AS u, id || 'x' AS x, min(id) OVER () FROM a"
        " WHERE id LIKE '%' AND id <> 'garbage'; CREATE INDEX i ON a (lower(id)) WHERE id <> ''",
        {}, ("SELECT n, length, u, x FROM v",),
    ),
    "collation of an index": Case(
        'CREATE UNIQUE INDEX i ON a (id COLLATE "C" DESC, n) WHERE n > 0',
        {"index i on a": ("CREATE UNIQUE INDEX i ON a USING btree (id DESC, n) WHERE (n > 0)",)},
        ("SELECT id FROM a WHERE n > 0 ORDER BY id",),
    ),
    "coalesce": view("SELECT n, COALESCE(parent, 'none') AS x FROM a", "COALESCE((parent)::character varying(36), 'none'::character varying) AS x"),
    "case": view("SELECT n, CASE WHEN n > 2 THEN id ELSE 'few' END AS x FROM a", "WHEN (n > 2) THEN (id)::character varying(36)"),
    "union": view("SELECT id FROM a UNION SELECT uid FROM s", "SELECT (a.id)::character varying(36)"),
    "in a query": view("SELECT n FROM a WHERE id IN (SELECT uid FROM s)"),
    "function": Case(
        "CREATE FUNCTION f(varchar) RETURNS text LANGUAGE sql AS 'SELECT left($1, 4)'; CREATE VIEW v AS SELECT f(id) FROM a",
        {"view v": ("SELECT f((id)::character varying) AS f",)},
    ),
    "using": Case(
        "CREATE TABLE t (id varchar(36), x int); INSERT INTO t VALUES ('{2}', 7); CREATE VIEW v AS SELECT a.n, t.x FROM a JOIN t USING (id)",
        {"view v": ("JOIN t ON (((a.id)::text = t.id)));",)},
    ),
    "array": view("SELECT n, ARRAY[id, 'x'] AS x FROM a", "ARRAY[(id)::character varying(36), 'x'::character varying] AS x"),
    "collation": view('SELECT n FROM a ORDER BY id COLLATE "C"', 'ORDER BY ((id)::text COLLATE "C");'),
    "policy": Case(
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY; GRANT SELECT ON a TO {reader};"
        "CREATE POLICY p ON a TO {reader} USING (COALESCE(parent, 'x') = current_setting('app.id'))",
        {"policy p on a": ("((COALESCE((parent)::character varying(36), 'x'::character varying))::text = current_setting('app.id'::text))",)},
        ("SELECT set_config('app.id', '{1}', false)", "SET ROLE {reader}; SELECT n FROM a"),
    ),
    "check": Case(
        "ALTER TABLE a ADD CONSTRAINT c CHECK (COALESCE(parent, 'x') <> 'garbage')",
        {"check c on a": ("CHECK (((COALESCE((parent)::character varying(36), 'x'::character varying))::text <> 'garbage'::text))",)},
        (),
    ),
}  # fmt: skip
TEXT_TO_UUID: Mapping[str, Case] = {
    "equality": view("SELECT n FROM a WHERE id <> 'abc'", "WHERE ((id)::text <> 'abc'::text);"),
    "pattern": view("SELECT n FROM a WHERE id LIKE 'c%'", "WHERE ((id)::text ~~ 'c%'::text);"),
    "length": view("SELECT n, length(id) FROM a", "length((id)::text) AS length"),
    "joined with text": view("SELECT a.n FROM a JOIN s ON s.uid = a.id", "JOIN s ON ((s.uid = (a.id)::text)));"),
    "concatenated": view("SELECT id || 'x' AS x FROM a"),
    "index": Case(
        "CREATE INDEX i ON a (lower(id)) WHERE id <> ''",
        {"index i on a": ("CREATE INDEX i ON a USING btree (lower((id)::text)) WHERE ((id)::text <> ''::text)",)},
        (),
    ),
}  # fmt: skip


class Blocked(NamedTuple):
    """What cannot be repaired for certain: the object that blocks, and a part of the reason."""

    sql: str
    object: str
    reason: str


BLOCKED: Mapping[str, Blocked] = {
    "full join": Blocked(
        "CREATE TABLE t (id uuid, x int); CREATE VIEW v AS SELECT id, t.x FROM a FULL JOIN t USING (id)",
        "view v", "no cast repairs it for certain",
    ),
    "several functions would do": Blocked(
        "CREATE FUNCTION f(uuid, uuid) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION f(varchar, uuid) RETURNS int LANGUAGE sql AS 'SELECT 2';"
        "CREATE FUNCTION f(uuid, varchar) RETURNS int LANGUAGE sql AS 'SELECT 3';"
        "CREATE VIEW v AS SELECT f(id, parent) FROM a",
        "view v", "more than one cast would do",
    ),
    "another function would be called": Blocked(
        "CREATE FUNCTION f(uuid) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 2'; CREATE VIEW v AS SELECT f(id) FROM a",
        "view v", "it would use {schema}.f(text) where it uses {schema}.f(uuid) now",
    ),
    "no operator class": Blocked(
        "CREATE INDEX i ON a USING brin (id uuid_minmax_multi_ops)", "index i on a", "operator class uuid_minmax_multi_ops",
    ),
    "an array or its element": Blocked(
        "CREATE FUNCTION f(anyarray, uuid) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION f(uuid[], text) RETURNS int"
        " LANGUAGE sql AS 'SELECT 1'; CREATE VIEW v AS SELECT f(ARRAY[id], parent) FROM a",
        "view v", "more than one cast would do",
    ),
}  # fmt: skip
