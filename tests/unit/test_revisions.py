"""Histories, evidence and obstacles as pure functions."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from core.revisions.application import ApplicationProject
from core.revisions.evidence import Status, weigh
from core.revisions.graph import Graph, Revision, in_order
from core.revisions.locate import locate
from core.revisions.obstacles import predict
from core.revisions.process import RUNNER
from core.revisions.replay import Change, Replay, ReplayedRevision, changes_between
from core.revisions.schema import Item, Schema
from core.revisions.spelling import Spelling, TypePair, short
from core.revisions.version_table import Claim

DIAMOND = Graph(
    (
        Revision("a"),
        Revision("b", ("a",)),
        Revision("c", ("a",)),
        Revision("d", ("b", "c")),
        Revision("e", ("d",)),
        Revision("x"),
        Revision("y", ("x",), depends_on=("b",)),
    )
)


def table(name: str, *columns: str, kind: str = "table") -> dict[Item, dict[str, str]]:
    """A table and its columns, each written `name type`."""
    items: dict[Item, dict[str, str]] = {Item(kind, "public", name): {"persistence": "p"}}
    for text in columns:
        column, _, type_ = text.partition(" ")
        items[Item("column", "public", name, column)] = {"type": type_, "nullable": "yes"}
    return items


def history(*steps: tuple[Schema, str]) -> Replay:
    """A linear history: the schema after each revision r1, r2, …, and the SQL that it sent."""
    before: Schema = {}
    replayed: list[ReplayedRevision] = []
    for number, (after, sql) in enumerate(steps, 1):
        statements = (sql,) if sql else ()
        replayed.append(ReplayedRevision(f"r{number}", "plain", changes_between(before, after), statements))
        before = after
    revisions = tuple(Revision(f"r{n}", (f"r{n - 1}",) if n > 1 else ()) for n in range(1, len(steps) + 1))
    return Replay(Graph(revisions), tuple(replayed), 18)


def test_heads_closure_and_pending() -> None:
    assert DIAMOND.heads == ("e", "y")
    assert DIAMOND.closure(["b", "deadbeef"]) == {"a", "b"}
    assert DIAMOND.heads_of({"a", "b", "c"}) == ("b", "c")
    assert DIAMOND.heads_of(DIAMOND.closure(["y"])) == ("y",)  # it depends on b, whose row goes
    assert [r.id for r in DIAMOND.pending(["b"])] == ["c", "d", "e", "x", "y"]
    assert [r.id for r in DIAMOND.pending(["b"], ["d"])] == ["c", "d"]
    assert DIAMOND.pending(["e", "y"]) == ()


def test_an_order_in_which_revisions_can_run() -> None:
    assert [r.id for r in in_order(reversed(DIAMOND.revisions))] == ["x", "a", "c", "b", "y", "d", "e"]
    with pytest.raises(ValueError, match="follows nowhere"):
        in_order([Revision("a", ("nowhere",))])
    with pytest.raises(ValueError, match="circle: a, b"):
        in_order([Revision("a", ("b",)), Revision("b", ("a",))])


def test_what_a_later_revision_has_overwritten_says_nothing_about_an_earlier_one() -> None:
    replay = history(
        (table("t", "a integer"), "CREATE"),
        (table("t", "a bigint"), "ALTER"),
        (table("t", "a bigint", "b text"), "ALTER"),
    )
    found = weigh(replay, table("t", "a bigint", "b text"), 18).revisions
    assert [(e.status, e.found, e.of) for e in found] == [
        (Status.APPLIED, 2, 2),
        (Status.APPLIED, 1, 1),
        (Status.APPLIED, 1, 1),
    ]
    found = weigh(replay, table("t", "a numeric", "b text"), 18).revisions
    assert str(found[1]) == "r2 PARTIAL 0/1 (t.a: live numeric, migration wants bigint)"
    assert found[0].status is Status.APPLIED


def test_keys_of_another_type_where_only_a_few_tables_have_them() -> None:
    """As in a database whose later tables were made by hand: the keys of the rest are as they are wanted."""

    def keyed(name: str, type_: str) -> dict[Item, dict[str, str]]:
        key = Item("constraint", "public", name, f"{name}_pkey")
        return {**table(name, f"id {type_}"), key: {"kind": "p", "columns": '["id"]', "definition": "PRIMARY KEY (id)"}}

    trunk = {**keyed("a", "uuid"), **keyed("b", "uuid"), **keyed("c", "uuid")}
    replay = history((trunk, "CREATE"), ({**trunk, **keyed("d", "character varying(36)")}, "CREATE"))
    location = locate(replay, {**trunk, **keyed("d", "uuid")}, 18, Claim(("r2",)))
    assert location.key_types == ()
    assert str(location.evidence[1]) == "r2 PARTIAL 2/3 (d.id: live uuid, migration wants varchar(36))"
    assert location.rows is None
    assert [candidate.rows for candidate in location.candidates] == [("r2",), ("r1",)]


def test_after_a_conversion_the_columns_that_it_left_or_took_along_are_no_drift() -> None:
    replay = history((table("t", "id character varying(36)", "tenant uuid", "a text"), "CREATE"))
    live = table("t", "id uuid", "tenant character varying(36)", "a text")
    assert locate(replay, live, 18, Claim(None)).rows is None
    location = locate(replay, live, 18, Claim(None), [TypePair("uuid", "character varying(36)")])
    assert location.rows == ("r1",)
    assert str(location.evidence[0]) == "r1 APPLIED 4/4 (but for key types 2)"
    assert [(d.column, d.wanted) for d in location.type_differences] == [
        ("id", "character varying(36)"),
        ("tenant", "uuid"),
    ]


def test_a_data_only_revision_at_the_claim_is_believed_and_elsewhere_asked() -> None:
    replay = history((table("t", "a integer"), "CREATE"), (table("t", "a integer"), "UPDATE t SET a = 1"))
    live = table("t", "a integer")
    assert locate(replay, live, 18, Claim(("r2",))).rows == ("r2",)
    assert locate(replay, live, 18, Claim(("r1",))).rows == ("r1",)
    asked = locate(replay, live, 18, Claim(()))
    assert [candidate.rows for candidate in asked.candidates] == [("r1",), ("r2",)]
    assert asked.candidates[0].question == "r2 has not run (it sends: UPDATE t SET a = 1)"


def test_an_index_alone_proves_nothing_about_data() -> None:
    base = table("t", "a integer")
    index = {Item("index", "public", "t", "t_a_idx"): {"definition": "CREATE INDEX ON public.t USING btree (a)"}}
    replay = history((base, "CREATE"), ({**base, **index}, "UPDATE t SET a = 1"))
    location = locate(replay, {**base, **index}, 18, Claim(None))
    assert location.rows is None
    assert any("told by an index alone" in note for note in location.notes)


def predicted(replay: Replay, live: Schema, *applied: str) -> list[str]:
    found = predict(replay, live, replay.graph.closure(applied), Spelling())
    return [f"{o.revision} {o.kind}: {o.sentence}" for o in found]


def test_obstacles_of_each_kind() -> None:
    base = table("t", "id uuid", "a integer")
    key = {
        Item("constraint", "public", "u", "u_t_fkey"): {
            "kind": "f",
            "definition": "FOREIGN KEY (t_id) REFERENCES public.t(id)",
            "columns": '["t_id"]',
            "foreign_table": '["public", "t"]',
            "foreign_columns": '["id"]',
        }
    }
    replay = history(
        (base, "CREATE TABLE t"),
        ({**base, **table("v", kind="view")}, "CREATE VIEW v"),
        (table("t", "id uuid", "a bigint") | table("v", kind="view"), "ALTER TABLE t ALTER a TYPE bigint"),
        (table("t", "id uuid", "a bigint") | table("u", "t_id text") | key, "CREATE TABLE u; DROP VIEW v"),
    )
    live = {**table("t", "id uuid"), **table("v")}
    assert predicted(replay, live, "r1") == [
        "r2 exists: view v exists already, and is not what the revision would make",
        "r3 missing: column t.a is to be altered, and it is not there",
        'r4 types: foreign key constraint "u_t_fkey" cannot be implemented: u.t_id is text, t.id is uuid',
    ]
    assert predicted(replay, base, "r1") == [
        'r4 types: foreign key constraint "u_t_fkey" cannot be implemented: u.t_id is text, t.id is uuid'
    ]


def test_what_looks_before_it_acts_is_no_obstacle() -> None:
    base = table("t", "a integer")
    for sql in ("CREATE TABLE IF NOT EXISTS public.t (a integer)", 'CREATE TABLE IF NOT EXISTS "t" (a integer)'):
        assert predicted(history((base, sql)), table("t", "b text")) == []
    assert predicted(history((base, "CREATE TABLE IF NOT EXISTS tt (a integer)")), table("t", "b text")) != []
    gone = Replay(
        Graph((Revision("r1"),)),
        (
            ReplayedRevision(
                "r1", "plain", (Change(Item("table", "public", "t"), {}, None),), ("DROP TABLE IF EXISTS t",)
            ),
        ),
        18,
    )
    assert predicted(gone, {}) == []


def test_a_table_that_others_refer_to() -> None:
    base = table("t", "id integer")
    key = {
        Item("constraint", "public", "u", "fk"): {"kind": "f", "columns": "[]", "foreign_table": '["public", "t"]'},
    }
    (obstacle,) = predict(history((base, "CREATE TABLE t")), {**base, **table("u"), **key}, frozenset(), Spelling())
    assert obstacle.same
    assert obstacle.referenced_by == ("public.u",)


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ("(parent_id <> id)", "((parent_id)::text <> (id)::text)", True),
        ("(id <> '0'::uuid)", "((id)::text <> '0'::text)", True),
        ("(parent_id <> id)", "((parent_id)::text = (id)::text)", False),
        ("(amount > 0)", "(amount > 1)", False),
    ],
)
def test_definitions_that_differ_in_the_type_of_keys_alone(live: str, wanted: str, same: bool) -> None:
    spelling = Spelling(frozenset({TypePair("uuid", "character varying(36)")}))
    assert spelling.same("definition", live, wanted) is same
    assert Spelling().same("definition", live, wanted) is False


def test_types_as_people_write_them() -> None:
    assert short("character varying(36)[]") == "varchar(36)[]"
    assert short("timestamp with time zone") == "timestamptz"


def test_the_environment_of_the_application_is_scrubbed() -> None:
    project = ApplicationProject(None, None, Path("/app"), Path("/app"), passed_on=("APP_MODE",))
    ours = {
        "PATH": "/bin",
        "HOME": "/h",
        "PGPASSWORD": "fake",
        "DATABASE_URL": "fake",
        "APP_MODE": "x",
        "PYTHONPATH": "/",
    }
    assert project.environment(ours) == {
        "PATH": "/bin",
        "HOME": "/h",
        "APP_MODE": "x",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_runner_is_python_3_8_and_knows_nothing_of_this_program() -> None:
    files = sorted(RUNNER.glob("*.py"))
    assert {file.name for file in files} >= {"__main__.py", "project.py", "replay.py"}
    for file in files:
        tree = ast.parse(file.read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            allowed = {"alembic", "sqlalchemy", *sys.stdlib_module_names}
            assert {name.partition(".")[0] for name in names} <= allowed, file.name
