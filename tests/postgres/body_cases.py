"""Functions, whether their bodies survive a change of uuid keys to varchar(36), and what calls them.

A case lives in a schema of its own with two tables of keys (users, deals) and one that keeps its uuids (notes). `{1}` and `{2}` are the
ids of the users, `{3}` that of the only deal, whose owner is the first user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KEYS = tuple(f"{n:08d}-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
TABLES = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE deals (id uuid PRIMARY KEY, owner_id uuid REFERENCES users, n int);
CREATE TABLE notes (subject uuid, t text);
INSERT INTO users VALUES ('{1}', 'a'), ('{2}', 'b');
INSERT INTO deals VALUES ('{3}', '{1}', 1);
"""


def fill_in(sql: str) -> str:
    for n, key in enumerate(KEYS, start=1):
        sql = sql.replace(f"{{{n}}}", key)
    return sql


@dataclass(frozen=True)
class Case:
    """
    Attributes:
        sql: makes the functions.
        probe: statements, the last of which answers; each must work now.
        found: what is found, as (kind, line) of each remark.
        says: is in the warning.
        repaired: lines of the repaired body that it had not; empty if none is offered.
    """

    sql: str
    probe: str
    found: tuple[tuple[str, int], ...] = ()
    says: str = ""
    repaired: tuple[str, ...] = ()


def plpgsql(body: str, signature: str = "f(p uuid) RETURNS text", options: str = "") -> str:
    return f"CREATE FUNCTION {signature} LANGUAGE plpgsql {options} AS $${body}$$;"


def sql(body: str, signature: str) -> str:
    return f"CREATE FUNCTION {signature} LANGUAGE sql AS $${body}$$;"


def trigger(body: str, event: str = "BEFORE UPDATE ON deals FOR EACH ROW") -> str:
    function = plpgsql(body, "f() RETURNS trigger")
    return f"{function} CREATE TRIGGER t {event} EXECUTE FUNCTION f();"


F = "SELECT f('{1}')"
UPDATED = "UPDATE deals SET n = 2; SELECT n FROM deals"
NOTED = "UPDATE deals SET n = 2; SELECT subject FROM notes"
FAILS = (("fails", 1),)

FINE: Mapping[str, Case] = {
    "a key into a uuid variable": Case(
        plpgsql("DECLARE u uuid; BEGIN SELECT id INTO u FROM users WHERE name = 'a'; u := (SELECT id FROM users LIMIT 1); RETURN u; END"), F
    ),
    "a uuid into a key": Case(
        plpgsql("BEGIN INSERT INTO users VALUES (gen_random_uuid(), 'c'); UPDATE deals SET owner_id = p; RETURN 'x'; END"), F
    ),
    "a row type": Case(
        plpgsql("DECLARE u users%ROWTYPE; w users; BEGIN SELECT * INTO u FROM users WHERE name = 'a'; w := u;"
                " w.id := p; RETURN (SELECT name FROM users WHERE id = w.id); END"), F
    ),
    "a column's type in a declaration": Case(
        plpgsql("DECLARE u users.id%TYPE := p; v u%TYPE; BEGIN v := u; RETURN (SELECT name FROM users WHERE id = v); END"), F
    ),
    "rows of the table come back": Case(
        plpgsql("BEGIN RETURN QUERY SELECT * FROM users; RETURN QUERY SELECT u.* FROM users u; END", "f() RETURNS SETOF users"),
        "SELECT id, name FROM f()",
    ),
    "a record in a loop": Case(
        plpgsql("DECLARE r record; BEGIN FOR r IN SELECT u.id, d.n FROM users u JOIN deals d ON d.owner_id = u.id LOOP"
                " IF EXISTS (SELECT FROM deals WHERE owner_id = r.id) THEN RETURN r.n; END IF; END LOOP; RETURN 'none'; END"), F
    ),
    "a record of RETURNING": Case(
        plpgsql("DECLARE r record; BEGIN UPDATE deals SET n = 3 RETURNING id, owner_id INTO r;"
                " RETURN (SELECT name FROM users WHERE id = r.owner_id); END"), F
    ),
    "a cursor's rows": Case(
        plpgsql("DECLARE c CURSOR FOR SELECT id, name FROM users; r record; d refcursor; BEGIN"
                " FOR x IN c LOOP PERFORM 1 FROM deals WHERE owner_id = x.id; END LOOP;"
                " OPEN d FOR SELECT owner_id FROM deals; FETCH NEXT FROM d INTO r; CLOSE d;"
                " RETURN (SELECT name FROM users WHERE id = r.owner_id); END"), F
    ),
    "text on both sides": Case(plpgsql("BEGIN RETURN (SELECT name FROM users WHERE id::text = p::text); END"), F),
    "columns that are named like variables": Case(
        plpgsql("#variable_conflict use_column\nDECLARE id text := 'x'; BEGIN"
                " RETURN (SELECT name FROM users WHERE id = (SELECT owner_id FROM deals)); END"), F
    ),
    "a table that it makes": Case(
        plpgsql("BEGIN CREATE TEMP TABLE IF NOT EXISTS found ON COMMIT DROP AS SELECT id, name FROM users;"
                " RETURN (SELECT f.name FROM found f JOIN deals d ON d.owner_id = f.id); END"), F
    ),
    "a trigger that writes keys to keys": Case(
        trigger("BEGIN IF NEW.owner_id IS DISTINCT FROM OLD.owner_id OR TG_OP = 'UPDATE' THEN"
                " UPDATE users SET name = 'c' WHERE id = NEW.owner_id; END IF; RETURN NEW; END"), UPDATED
    ),
    "a transition table": Case(
        trigger("BEGIN INSERT INTO notes (t) SELECT d.id FROM fresh f JOIN deals d ON d.id = f.id; RETURN NULL; END",
                "AFTER UPDATE ON deals REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"),
        "UPDATE deals SET n = 2; SELECT t FROM notes",
    ),
    "SQL that returns rows of the table": Case(
        sql("SELECT * FROM users WHERE name = $1", "f(text) RETURNS SETOF users"), "SELECT id, name FROM f('a')"
    ),
    "a statement that is a constant text": Case(
        plpgsql("DECLARE t text; BEGIN EXECUTE 'SELECT name FROM users WHERE id::text = $1::text' INTO t USING p; RETURN t; END"), F
    ),
    "nothing of what changes": Case(plpgsql("DECLARE u uuid := p; BEGIN RETURN u = p; END"), F),
}  # fmt: skip

BROKEN: Mapping[str, Case] = {
    "compared with an argument": Case(
        plpgsql("\nBEGIN\n  RETURN (SELECT name\n    FROM users WHERE id = p);\nEND"), F,
        (("fails", 4),), "operator does not exist: character varying = uuid",
        ("FROM users WHERE id = (p)::text);",),
    ),
    "compared after other letters": Case(
        plpgsql("BEGIN /* äöü€𝄞 */ RETURN 'ß𝄞' || (SELECT name FROM users WHERE 'ä' <> '𝄞' AND id = p); END"), F, FAILS,
        repaired=("AS $function$BEGIN /* äöü€𝄞 */ RETURN 'ß𝄞' || (SELECT name FROM users WHERE 'ä' <> '𝄞' AND id = (p)::text); END$function$",),
    ),
    "compared with a variable": Case(
        plpgsql("\nDECLARE v uuid := p;\nBEGIN\n  IF v = (SELECT owner_id FROM deals) THEN\n    RETURN 'x';\n  END IF;\n  RETURN 'y';\nEND"), F,
        (("fails", 4),), repaired=("IF (v)::text = (SELECT owner_id FROM deals) THEN",),
    ),
    "an inner variable hides an outer one": Case(
        plpgsql("DECLARE v text := p; BEGIN DECLARE v uuid := p; BEGIN\nRETURN (SELECT name FROM users WHERE id = v);\nEND; END"), F,
        (("fails", 2),), repaired=("RETURN (SELECT name FROM users WHERE id = (v)::text);",),
    ),
    "named by its block": Case(
        plpgsql("<<b>> DECLARE id uuid := p; BEGIN\nRETURN (SELECT name FROM users WHERE users.id = b.id);\nEND"), F,
        (("fails", 2),), repaired=("RETURN (SELECT name FROM users WHERE users.id = (b.id)::text);",),
    ),
    "an argument without a name": Case(
        plpgsql("DECLARE a ALIAS FOR $1; BEGIN\nIF a IS NULL THEN RETURN ''; END IF;\nRETURN (SELECT name FROM users WHERE id = $1);\nEND",
                "f(uuid) RETURNS text"), F,
        (("fails", 3),), repaired=("RETURN (SELECT name FROM users WHERE id = ($1)::text);",),
    ),
    "an array": Case(
        plpgsql("BEGIN\nRETURN (SELECT name FROM users WHERE id = ANY (p));\nEND", "f(p uuid[]) RETURNS text"),
        "SELECT f(ARRAY['{1}']::uuid[])",
        (("fails", 2),), repaired=("RETURN (SELECT name FROM users WHERE id = ANY ((p)::text[]));",),
    ),
    "before INTO": Case(
        plpgsql("DECLARE n text; BEGIN\nSELECT name INTO STRICT n FROM users WHERE id = p;\nRETURN n; END"), F,
        (("fails", 2),), repaired=("SELECT name INTO STRICT n FROM users WHERE id = (p)::text;",),
    ),
    "a record beside a variable": Case(
        plpgsql("DECLARE r record; BEGIN FOR r IN SELECT id, name FROM users LOOP\nIF r.id = p THEN RETURN r.name; END IF;\nEND LOOP; END"), F,
        (("fails", 2),), repaired=("IF r.id = (p)::text THEN RETURN r.name; END IF;",),
    ),
    "a cursor with an argument": Case(
        plpgsql("DECLARE c CURSOR (k uuid) FOR\nSELECT name FROM users WHERE id = k;\nn text; BEGIN OPEN c(p); FETCH c INTO n; CLOSE c; RETURN n; END"), F,
        (("fails", 2),), repaired=("SELECT name FROM users WHERE id = (k)::text;",),
    ),
    "CASE of a key": Case(
        plpgsql("DECLARE r deals; BEGIN SELECT * INTO r FROM deals;\nCASE r.owner_id WHEN p THEN RETURN 'x';\nELSE RETURN 'y'; END CASE; END"), F,
        (("fails", 2),), repaired=("CASE r.owner_id WHEN (p)::text THEN RETURN 'x';",),
    ),
    "a function that takes a uuid": Case(
        plpgsql("BEGIN RETURN g; END", "h(g uuid) RETURNS text")
        + plpgsql("BEGIN\nRETURN (SELECT h(owner_id) FROM deals);\nEND"), F,
        (("fails", 2),), "function h(character varying) does not exist", ("RETURN (SELECT h((owner_id)::uuid) FROM deals);",),
    ),
    "rows come back from a query": Case(
        plpgsql("BEGIN\nRETURN QUERY SELECT u.id, u.name FROM users u;\nEND", "f() RETURNS TABLE (a uuid, b text)"), "SELECT * FROM f()",
        (("fails", 2),), "structure of query does not match function result type",
        ("RETURN QUERY SELECT (u.id)::uuid, u.name FROM users u;",),
    ),
    "a set of uuids": Case(
        plpgsql("BEGIN\nRETURN QUERY SELECT id FROM users;\nEND", "f() RETURNS SETOF uuid"), "SELECT * FROM f()",
        (("fails", 2),), repaired=("RETURN QUERY SELECT (id)::uuid FROM users;",),
    ),
    "a constructed row": Case(
        "CREATE TYPE pair AS (a uuid, b text);"
        + plpgsql("DECLARE u users; BEGIN SELECT * INTO u FROM users;\nRETURN (u.id, u.name);\nEND", "f() RETURNS pair"), "SELECT * FROM f()",
        (("fails", 2),), "returned record type does not match expected record type",
    ),
    "a row of RETURN NEXT": Case(
        "CREATE TYPE pair AS (a uuid, b text);"
        + plpgsql("DECLARE r record; BEGIN FOR r IN SELECT id, name FROM users LOOP\nRETURN NEXT r;\nEND LOOP; END", "f() RETURNS SETOF pair"),
        "SELECT * FROM f()", (("fails", 2),), "wrong record type supplied in RETURN NEXT",
    ),
    "columns that the caller names": Case(
        plpgsql("BEGIN RETURN QUERY\nSELECT id FROM users;\nEND", "f() RETURNS SETOF record"), "SELECT * FROM f() AS t (id uuid)",
        (("callers", 2),), "its callers name them",
    ),
    "a statement in a constant text": Case(
        plpgsql("DECLARE n text; BEGIN\nEXECUTE 'SELECT name FROM users WHERE id = $1' INTO n USING p;\nRETURN n; END"), F,
        (("fails", 2),), "a statement within a text is not changed",
    ),
    "a statement that is put together": Case(
        plpgsql("DECLARE n text; BEGIN\nEXECUTE format('SELECT name FROM %I WHERE id = $1', 'users') INTO n USING p;\nRETURN n; END"), F,
        (("unchecked", 2),), "not checkable",
    ),
    "two statements": Case(
        plpgsql("BEGIN\nPERFORM 1 FROM deals WHERE owner_id = p;\nRETURN (SELECT name FROM users\nWHERE id = p);\nEND"), F,
        (("fails", 2), ("fails", 4)), repaired=("PERFORM 1 FROM deals WHERE owner_id = (p)::text;", "WHERE id = (p)::text);"),
    ),
    "a trigger that compares": Case(
        trigger("DECLARE v uuid := '{1}'; BEGIN\nIF NEW.owner_id = v THEN NEW.n := 7; END IF;\nRETURN NEW; END"), UPDATED,
        (("fails", 2),), "Writes fail: it is called by trigger t on", ("IF NEW.owner_id = (v)::text THEN NEW.n := 7; END IF;",),
    ),
    "a trigger that writes a key to a uuid": Case(
        trigger("BEGIN\nINSERT INTO notes (subject) VALUES (NEW.id);\nRETURN NEW; END"), NOTED,
        (("fails", 2),), 'column "subject" is of type uuid but expression is of type character varying',
        ("INSERT INTO notes (subject) VALUES ((NEW.id)::uuid);",),
    ),
    "a trigger on two tables": Case(
        trigger("BEGIN\nINSERT INTO notes (subject) VALUES (NEW.id);\nRETURN NEW; END")
        + "CREATE TABLE plain (id uuid, n int); CREATE TRIGGER t BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION f();",
        "INSERT INTO plain VALUES ('{2}', 1); UPDATE deals SET n = 2; SELECT subject FROM notes",
        (("fails", 2),), repaired=("INSERT INTO notes (subject) VALUES ((NEW.id)::uuid);",),
    ),
    "a transition table that is compared": Case(
        trigger("BEGIN\nINSERT INTO notes (subject) SELECT f.owner_id FROM fresh f;\nRETURN NULL; END",
                "AFTER UPDATE ON deals REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"), NOTED,
        (("fails", 2),), repaired=("INSERT INTO notes (subject) SELECT (f.owner_id)::uuid FROM fresh f;",),
    ),
    "an exception handler": Case(
        plpgsql("BEGIN PERFORM 1 / 0; RETURN ''; EXCEPTION WHEN division_by_zero THEN\nRETURN (SELECT name FROM users WHERE id = p);\nEND"), F,
        (("fails", 2),), repaired=("RETURN (SELECT name FROM users WHERE id = (p)::text);",),
    ),
    "SQL, compared with an argument": Case(
        sql("\nSELECT 1;\nSELECT name FROM users\nWHERE id = p\n", "f(p uuid) RETURNS text"), F,
        (("fails", 4),), repaired=("WHERE id = (p)::text",),
    ),
    "SQL that returns a uuid": Case(
        sql("SELECT owner_id FROM deals", "f() RETURNS uuid"), "SELECT f()", FAILS,
        "return type mismatch in function declared to return uuid",
        ("AS $function$SELECT (owner_id)::uuid FROM deals$function$",),
    ),
    "SQL that returns a table": Case(
        sql("SELECT name, id FROM users", "f() RETURNS TABLE (a text, b uuid)"), "SELECT * FROM f()", FAILS,
        repaired=("AS $function$SELECT name, (id)::uuid FROM users$function$",),
    ),
    "SECURITY DEFINER with a path of its own": Case(
        plpgsql("BEGIN\nRETURN (SELECT name FROM {schema}.users WHERE id = p);\nEND", options="SECURITY DEFINER SET search_path = pg_catalog, pg_temp"),
        F, (("fails", 2),), repaired=("RETURN (SELECT name FROM {schema}.users WHERE id = (p)::text);",),
    ),
    "a default argument": Case(
        plpgsql("BEGIN\nRETURN (SELECT name FROM users WHERE id = p);\nEND", "f(p uuid DEFAULT '{1}') RETURNS text"), "SELECT f()",
        (("fails", 2),), repaired=("RETURN (SELECT name FROM users WHERE id = (p)::text);",),
    ),
    "a procedure": Case(
        "CREATE PROCEDURE f(p uuid) LANGUAGE plpgsql AS $$BEGIN\nUPDATE deals SET n = 9 WHERE owner_id = p;\nEND$$",
        "CALL f('{1}'); SELECT n FROM deals", (("fails", 2),), repaired=("UPDATE deals SET n = 9 WHERE owner_id = (p)::text;",),
    ),
}  # fmt: skip
