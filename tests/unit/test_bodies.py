"""The pure parts of the check of function bodies: reading PL/pgSQL, what is looked at, what is told."""

from __future__ import annotations

import pytest

from core.errors import UsageError
from core.postgres.catalog import Function
from core.retype.bodies.findings import Found, found_of, notes, offered, repairs_chosen, require_offered, warnings
from core.retype.bodies.plpgsql import read_body
from core.retype.bodies.probe import Known, Uncheckable, probe
from core.retype.bodies.reading import Fetch, Frame, Piece, Reading, Scope, Variable, line_of
from core.retype.bodies.routine import Column, Routine
from core.retype.bodies.second_opinion import found_by_libpg_query_alone
from core.retype.bodies.selection import find_affected, functions_to_check
from core.retype.bodies.statements import literal_of, way_to_look_at, without_rows
from core.retype.bodies.tokens import Unreadable
from core.retype.bodies.verdict import Remark, Verdict
from core.retype.model import Repair, ScopeRequest
from core.retype.scope import decide_scope
from tests.catalogs import CatalogBuilder

PARAMETERS = (Variable("p", "uuid"), Variable("", "text"))


def read(body: str) -> Reading:
    return read_body(body, PARAMETERS, function="f", further=(Variable("found", "boolean"),))


def pieces(body: str) -> list[tuple[str, str]]:
    reading = read(body)
    return [(piece.role, reading.sql(piece)) for _, piece in reading.pieces()]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("BEGIN NULL; END", []),
        ("BEGIN x.y[1] := 2 + 3; END;", [("assign", "2 + 3")]),
        ("DECLARE a int NOT NULL DEFAULT 1; b text := 'x'; BEGIN a = b; END", [("assign", "1"), ("assign", "'x'"), ("assign", "b")]),
        (
            "BEGIN IF a THEN PERFORM g(1); ELSIF b THEN NULL; ELSE RETURN c; END IF; END",
            [("value", "a"), ("value", "g(1)"), ("value", "b"), ("return", "c")],
        ),
        (
            "BEGIN CASE a WHEN 1, 2 THEN NULL; ELSE NULL; END CASE; CASE WHEN b THEN NULL; END CASE; END",
            [("case", "a"), ("when", "1, 2"), ("value", "b")],
        ),
        (
            "BEGIN <<l>> WHILE a LOOP EXIT l WHEN b; CONTINUE WHEN c; END LOOP l; END",
            [("value", "a"), ("value", "b"), ("value", "c")],
        ),
        ("BEGIN FOR i IN REVERSE a .. b BY c LOOP NULL; END LOOP; END", [("value", "a"), ("value", "b"), ("value", "c")]),
        ("BEGIN FOR a, b IN SELECT 1, 2 LOOP NULL; END LOOP; END", [("row", "SELECT 1, 2")]),
        ("BEGIN FOREACH a SLICE 1 IN ARRAY b LOOP NULL; END LOOP; END", [("each", "b")]),
        (
            "BEGIN FOR r IN EXECUTE q USING a, b LOOP NULL; END LOOP; END",
            [("dynamic", "q"), ("value", "a"), ("value", "b")],
        ),
        (
            "BEGIN EXECUTE q INTO STRICT a USING b; EXECUTE q USING b INTO a; END",
            [("dynamic", "q"), ("value", "b"), ("dynamic", "q"), ("value", "b")],
        ),
        (
            "BEGIN RAISE NOTICE '% %', a, b USING HINT = c, ERRCODE := 'x'; RAISE; RAISE no_data_found; END",
            [("value", "a"), ("value", "b"), ("value", "c"), ("value", "'x'")],
        ),
        ("BEGIN ASSERT a, b; RETURN NEXT c; RETURN QUERY SELECT 1; RETURN QUERY EXECUTE d; RETURN; END",
         [("value", "a"), ("value", "b"), ("return next", "c"), ("return query", "SELECT 1"), ("dynamic", "d")]),
        ("BEGIN SELECT a INTO b FROM t; INSERT INTO t VALUES (1) RETURNING a INTO b; END",
         [("row", "SELECT a /****/ FROM t"), ("row", "INSERT INTO t VALUES (1) RETURNING a /****/")]),
        ("BEGIN NULL; EXCEPTION WHEN others OR SQLSTATE '22012' THEN a := b; END", [("assign", "b")]),
        ("BEGIN GET DIAGNOSTICS a = ROW_COUNT; CLOSE c; MOVE NEXT FROM c; COMMIT; ROLLBACK AND CHAIN; END", []),
        ("BEGIN CALL g(a); -- END;\n /* END */ PERFORM $q$; END $q$; END", [("row", "CALL g(a)"), ("value", "$q$; END $q$")]),
    ],
)  # fmt: skip
def test_the_sql_in_a_body(body: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(body) == expected
    definition = f"CREATE FUNCTION f(p uuid, text) RETURNS void LANGUAGE plpgsql AS $body${body}$body$"
    assert found_by_libpg_query_alone(read(body), definition) is None


@pytest.mark.parametrize(
    "body",
    ["", "BEGIN", "BEGIN x := ; END", "BEGIN IF a THEN END; END", "BEGIN NULL; END extra more", "BEGIN a := (1; END"],
)
def test_what_is_no_plpgsql_is_not_read(body: str) -> None:
    with pytest.raises(Unreadable):
        read(body)


def test_what_the_reader_misses_is_noticed() -> None:
    definition = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM a; PERFORM b; END'"
    assert found_by_libpg_query_alone(read("BEGIN PERFORM a; END"), definition) == "SELECTb"


def test_variables_are_seen_where_they_are_declared() -> None:
    reading = read("<<o>> DECLARE v int; BEGIN DECLARE v text := v; BEGIN PERFORM v; END; PERFORM v; END")
    (_, default), (_, inner), (_, outer) = reading.pieces()

    def type_of(piece: Piece, *names: str) -> str | None:
        found = piece.scope.lookup(names)
        return reading.variables[found[0]].type if found else None

    assert (type_of(default, "v"), type_of(inner, "v"), type_of(outer, "v")) == ("int", "text", "int")
    assert type_of(inner, "o", "v") == "int"
    assert (type_of(outer, "f", "p"), type_of(outer, "p"), type_of(outer, "$2")) == ("uuid", "uuid", "text")
    assert type_of(outer, "nobody") is None


def test_rows_go_to_records() -> None:
    reading = read(
        "DECLARE r record; c CURSOR FOR SELECT 1; BEGIN SELECT 1 INTO r; FOR r IN SELECT 2 LOOP NULL; END LOOP; FETCH c INTO r; END"
    )
    (record,) = [i for i, variable in enumerate(reading.variables) if variable.name == "r"]
    assert [piece.targets for _, piece in reading.pieces() if piece.role == "row"] == [(record,), (record,)]
    assert [step.targets for step in reading.steps if isinstance(step, Fetch)] == [(record,)]


def test_lines_are_counted_as_plpgsql_does() -> None:
    body = "\nDECLARE\n  v int;\nBEGIN\n  PERFORM v;\nEND"
    ((_, piece),) = read(body).pieces()
    assert line_of(body, piece.start) == 5


def test_edits_bring_the_into_clause_back() -> None:
    reading = read("BEGIN SELECT a INTO b FROM t WHERE c = d; END")
    ((_, piece),) = reading.pieces()
    changed = reading.sql(piece).replace("c = d", "c = (d)::text")
    assert reading.restored(piece, changed) == "SELECT a INTO b FROM t WHERE c = (d)::text"
    assert reading.restored(piece, "SELECT a FROM t") is None


SCOPE = Scope((Frame("b", {"v": 0, "new": 1, "r": 2}), Frame("f", {"a": 3, "$1": 3})))
TYPES = {0: Known("uuid"), 1: Known("public.users", frozenset({"id"})), 2: None, 3: Known("uuid[]")}


@pytest.mark.parametrize(
    ("sql", "looked_at"),
    [
        ("SELECT 1 WHERE x = v", "SELECT 1 WHERE x = (NULL::uuid)"),
        ("SELECT new.id", "SELECT (NULL::public.users).id"),
        ("SELECT new.other, new.*", "SELECT new.other, (NULL::public.users).*"),
        ("SELECT b.v = f.a[1]", "SELECT (NULL::uuid) = (NULL::uuid[])[1]"),
        ("SELECT x = ANY ($1)", "SELECT x = ANY ((NULL::uuid[]))"),
        ("SELECT v, v::text", "SELECT (SELECT NULL::uuid AS v), (SELECT NULL::uuid AS v)::text"),
        ("INSERT INTO v (v) VALUES (v)", "INSERT INTO v (v) VALUES ((NULL::uuid))"),
        ("UPDATE t SET v = 1", "UPDATE t SET v = 1"),
        ("SELECT 'v', \"V\"", "SELECT 'v', \"V\""),
    ],
)
def test_variables_become_nulls_of_their_types(sql: str, looked_at: str) -> None:
    assert probe(sql, SCOPE, TYPES).sql == looked_at


def test_a_variable_of_unknown_type_cannot_be_looked_at() -> None:
    with pytest.raises(Uncheckable, match="the type of r is not known"):
        probe("SELECT r.id", SCOPE, TYPES)


def test_places_are_those_of_what_was_written() -> None:
    looked = probe("SELECT 'ä𝄞' WHERE v = new.id AND y = 1", SCOPE, TYPES)
    for text in ("= (NULL", "(NULL::public", "y = 1", "WHERE"):
        place = looked.place(looked.sql.index(text))
        assert looked.written[place:].startswith({"= (NULL": "= new", "(NULL::public": "new"}.get(text, text))


@pytest.mark.parametrize(
    ("sql", "way"),
    [
        ("SELECT 1", "prepare"),
        ("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "prepare"),
        ("CALL p(1)", "parse"),
        ("CREATE TEMP TABLE x (i int)", "create"),
        ("CREATE TABLE x AS SELECT 1", "create"),
        ("CREATE TABLE x (i int)", "nothing"),
        ("TRUNCATE t", "nothing"),
        ("SET LOCAL x.y = '1'", "nothing"),
    ],
)
def test_ways_to_look(sql: str, way: str) -> None:
    assert way_to_look_at(sql) == way


@pytest.mark.parametrize(
    "sql", ["SELECT 1; DROP TABLE t", "DO $$ BEGIN END $$", "EXPLAIN SELECT 1", "CREATE VIEW v AS SELECT 1",
            "CREATE TEMP TABLE x PARTITION OF y FOR VALUES FROM (f()) TO (2)"]
)  # fmt: skip
def test_what_would_run_something_is_not_looked_at(sql: str) -> None:
    with pytest.raises(Uncheckable):
        way_to_look_at(sql)


def test_tables_are_made_without_rows() -> None:
    assert without_rows("CREATE TEMP TABLE x AS SELECT f()") == "CREATE TEMP TABLE x AS SELECT f()\nWITH NO DATA"
    assert without_rows("CREATE TEMP TABLE x AS SELECT 1 WITH DATA").split() == [
        "CREATE",
        "TEMP",
        "TABLE",
        "x",
        "AS",
        "SELECT",
        "1",
        "WITH",
        "NO",
        "DATA",
    ]
    assert "COMMIT" not in without_rows("CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1")
    assert without_rows("CREATE TEMP TABLE x (i int) ON COMMIT PRESERVE ROWS").strip() == "CREATE TEMP TABLE x (i int)"


def test_constant_texts() -> None:
    assert literal_of("SELECT 'it''s'") == "it's"
    assert literal_of("SELECT 'a' || b") is None
    assert literal_of("SELECT 1") is None


def test_a_body_is_replaced_where_it_stands() -> None:
    definition = "CREATE OR REPLACE FUNCTION f(t text DEFAULT ' x ')\n AS $function$ x $function$\n"
    routine = Routine("f", definition, " x ", "sql")
    assert routine.with_body(" y ").definition == definition.replace("$ x $", "$ y $")
    assert Routine("f", definition, "z", "sql").body_starts_at is None


def test_rows_are_not_cast() -> None:
    uuid, varchar, varchar36 = (Column(2950, -1, "", ""), Column(1043, -1, "", ""), Column(1043, 40, "", ""))
    assert (uuid.takes(uuid), uuid.takes(varchar36), varchar.takes(varchar36)) == (True, False, True)
    assert (varchar36.takes(varchar), varchar36.takes(varchar36)) == (False, True)


def function(builder: CatalogBuilder, name: str, body: str, **changes: object) -> Function:
    made = Function(oid=builder.oid(), schema="public", name=name, arguments="p uuid", language="plpgsql", body=body,
                    definition=body, owner="owner", **changes)  # type: ignore[arg-type] # fmt: skip
    builder.functions.append(made)
    return made


@pytest.fixture
def builder() -> CatalogBuilder:
    builder = CatalogBuilder()
    builder.table("users", "id uuid", "name text")
    builder.table("colours", "id integer", "name text")
    return builder


def test_functions_that_name_nothing_that_changes_are_left_out(builder: CatalogBuilder) -> None:
    named = function(builder, "named", 'SELECT FROM "users"')
    dynamic = function(builder, "dynamic", "EXECUTE format('%I', x) USING p::uuid")
    function(builder, "other", "SELECT FROM colours; -- user")
    function(builder, "of_extension", "SELECT FROM users", extension="x")
    function(builder, "atomic", "SELECT FROM users", is_sql_body=True)
    rows = function(builder, "rows", "", return_type=builder.find("public", "users").row_type)
    calls = function(builder, "calls", "PERFORM rows();")
    catalog = builder.build()
    affected = find_affected(catalog, decide_scope(catalog, ScopeRequest()))
    assert set(functions_to_check(catalog, affected)) == {named, dynamic, rows, calls}
    assert affected.has_its_type("uuid[]")
    assert affected.has_its_type("public.users")
    assert not affected.has_its_type("text")


def found_with(builder: CatalogBuilder, *remarks: Remark, repair: bool = True) -> tuple[Found, ...]:
    one = function(builder, "one", "body")
    verdict = Verdict(
        one,
        remarks,
        Repair("function one(p uuid)", "body", "other", "why") if repair else None,
        "" if repair else "not certain",
    )
    return found_of(builder.build(), (verdict,))


FAILING = Remark("fails", 3, 7, "x = y", "operator does not exist")


def test_what_is_told_of_a_function(builder: CatalogBuilder) -> None:
    (found,) = found_with(builder, FAILING)
    (warning,) = warnings((found,), ())
    assert warning.id == found.id == "function:public.one(p uuid)"
    assert "line 7: “x = y”: operator does not exist" in warning.reason
    assert "A repair is offered: --repair-functions 'function:public.one(p uuid)'" in warning.consequence
    assert len(offered((found,), ())) == 1
    chosen = repairs_chosen((found,), ("all",))
    assert len(chosen) == 1
    assert list(warnings((found,), chosen)) == []
    assert offered((found,), chosen) == ()


def test_a_repair_does_not_hide_what_could_not_be_checked(builder: CatalogBuilder) -> None:
    found = found_with(builder, FAILING, Remark("unchecked", 4, 8, "EXECUTE q", "its text is made only when it runs"))
    (warning,) = warnings(found, repairs_chosen(found, ("all",)))
    assert "x = y" not in warning.reason
    assert "It is not checkable: line 8: “EXECUTE q”" in warning.reason


def test_without_a_certain_repair_none_is_offered(builder: CatalogBuilder) -> None:
    found = found_with(builder, FAILING, repair=False)
    assert repairs_chosen(found, ("all",)) == offered(found, ()) == ()
    (warning,) = warnings(found, ())
    assert "No repair is offered: not certain" in warning.consequence
    with pytest.raises(UsageError, match=r"There is no repair of public\.one"):
        require_offered(found, ("public.one(p uuid)",))
    require_offered(found, ("all", "none", "ask"))


def test_what_fails_already_is_noted_only(builder: CatalogBuilder) -> None:
    found = found_with(builder, Remark("failing already", 0, 2, "x", 'column "x" does not exist'), repair=False)
    assert list(warnings(found, ())) == []
    (note,) = notes(found)
    assert 'function one(p uuid) (line 2: column "x" does not exist)' in note
