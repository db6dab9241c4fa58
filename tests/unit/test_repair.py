"""Which casts answer what the server complains about: found in the parse tree, put into the text, nothing else moved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.postgres.catalog import Address, Catalog, Index
from core.postgres.identity import Identity
from core.retype.model import Plan, Repair, Scope, TypePair
from core.retype.proof import compare_catalogs
from core.retype.repair.casts import candidates
from core.retype.repair.complaints import (
    Complaint,
    FunctionMissing,
    NoCollation,
    NoSuchCast,
    OperatorMissing,
    Problem,
    RecursionWidens,
    TypesDiffer,
    WrongAssignment,
    WrongOperatorClass,
    WrongResult,
    problem,
)
from core.retype.repair.definitions import detached, with_copies, with_repairs
from core.retype.repair.diff import repair_diff
from core.retype.repair.syntax import Edit, Parsed, edited
from core.retype.repair.words import Words, words_of
from tests.catalogs import CatalogBuilder

TO_VARCHAR = words_of(TypePair())
TO_UUID = words_of(TypePair("character varying(36)", "uuid"))
TEXT_TO_UUID = words_of(TypePair("text", "uuid"))
TO_BIGINT = words_of(TypePair("integer", "bigint"))

VARCHAR_UUID = "operator does not exist: character varying = uuid"
UUID_VARCHAR = "operator does not exist: uuid = character varying"


def answers(marked: str, message: str, words: Words = TO_VARCHAR, detail: str = "") -> list[list[str]]:
    """The texts that the candidates make, group by group; `marked` has ^ before where the complaint points at."""
    at = marked.find("^")
    sql = marked.replace("^", "")
    complaint = Complaint("", message, detail, at if at >= 0 else None)
    about = problem(complaint)
    assert about is not None
    return [[edited(sql, one.edits) for one in group] for group in candidates(sql, complaint, about, words)]


@pytest.mark.parametrize(
    ("message", "detail", "expected"),
    [
        (VARCHAR_UUID, "", OperatorMissing("character varying", "=", "uuid")),
        ("operator does not exist: uuid[] @> character varying[]", "", OperatorMissing("uuid[]", "@>", "character varying[]")),
        ("operator does not exist: - uuid", "", OperatorMissing(None, "-", "uuid")),
        ("operator does not exist: uuid public.<-> text", "", OperatorMissing("uuid", "public.<->", "text")),
        ("function f(character varying, integer) does not exist", "", FunctionMissing(("character varying", "integer"))),
        ('function odd (name(uuid) does not exist', "", FunctionMissing(("uuid",))),
        ("function public.f(text, y => uuid) does not exist", "", FunctionMissing(("text", "uuid"))),
        ("procedure p() does not exist", "", FunctionMissing(())),
        ("UNION types character varying and uuid cannot be matched", "", TypesDiffer("UNION", "character varying", "uuid")),
        ("JOIN/USING types text and uuid cannot be matched", "", TypesDiffer("JOIN/USING", "text", "uuid")),
        (
            'column "x" is of type uuid but expression is of type character varying', "",
            WrongAssignment("uuid", "character varying"),
        ),
        (
            'column "g" is of type uuid but default expression is of type character varying', "",
            WrongAssignment("uuid", "character varying"),
        ),
        (
            'recursive query "r" column 2 has type character varying(36)[] in non-recursive term but type character varying[] overall',
            "", RecursionWidens("character varying(36)[]", "character varying[]"),
        ),
        (
            "return type mismatch in function declared to return uuid", "Actual return type is character varying.",
            WrongResult("uuid", "character varying", 1),
        ),
        (
            "return type mismatch in function declared to return record",
            "Final statement returns character varying instead of uuid at column 2.", WrongResult("uuid", "character varying", 2),
        ),
        ("return type mismatch in function declared to return record", "Final statement returns too few columns.", None),
        ("cannot cast type uuid to integer", "", NoSuchCast("uuid", "integer")),
        ("collations are not supported by type uuid", "", NoCollation("uuid")),
        (
            'operator class "uuid_bloom_ops" does not accept data type character varying', "",
            WrongOperatorClass("uuid_bloom_ops", "character varying"),
        ),
        ('relation "t" does not exist', "", None),
        ("l'opérateur n'existe pas : character varying = uuid", "", None),
    ],
)  # fmt: skip
def test_complaints_are_read(message: str, detail: str, expected: Problem | None) -> None:
    assert problem(Complaint("", message, detail)) == expected


@pytest.mark.parametrize(
    ("sql", "column", "expected"),
    [
        ("SELECT a + b", "b", "SELECT a + (b)::text"),
        ("SELECT a, ((b)), c", "b", "SELECT a, (((b)::text)), c"),
        ("SELECT 'äöü€𝄞', (b) FROM t", "b", "SELECT 'äöü€𝄞', ((b)::text) FROM t"),
        ("SELECT /* b */ b -- b\n", "b", "SELECT /* b */ (b)::text -- b\n"),
    ],
)
def test_a_cast_goes_around_the_expression_and_nothing_else(sql: str, column: str, expected: str) -> None:
    parsed = Parsed(sql)
    node = next(
        n for n in parsed.nodes() if n.kind == "ColumnRef" and n.fields["fields"][-1]["String"]["sval"] == column
    )
    edits = parsed.cast(node.path, "text")
    assert edits is not None
    assert edited(sql, edits) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "b", "t.b", '"B c"', "f(x)", "(f(x, g(y)))[1]", "(x)::uuid", "x::uuid", "x::character varying(36)", "ARRAY[x, y]",
        "CASE WHEN a THEN b ELSE c END", "COALESCE(a, (b)::uuid)", "( SELECT x FROM t WHERE (y = z) LIMIT 1)", "(r).c",
        "x COLLATE \"C\"", "CAST(x AS uuid)", "NULL::uuid", "ARRAY( SELECT x FROM t)", "lag(x, 1) OVER (PARTITION BY y ORDER BY z)",
        "count(x) FILTER (WHERE (y > 1))", "(current_setting('app.id'::text))::uuid", "x AT TIME ZONE 'UTC'", "- x",
    ],
)  # fmt: skip
def test_whatever_stands_beside_an_operator_can_be_cast(expression: str) -> None:
    sql = f"SELECT a FROM t WHERE ((k = {expression}) AND (l = m))"
    parsed = Parsed(sql)
    operator = next(n for n in parsed.nodes() if n.kind == "A_Expr" and parsed.location(n.fields) == sql.index("= "))
    edits = parsed.cast((*operator.path, "A_Expr", "rexpr"), "text")
    assert edits is not None
    assert edited(sql, edits) == sql.replace(expression, f"({expression})::text", 1) or expression == "b"


@pytest.mark.parametrize(
    ("marked", "message", "groups"),
    [
        ("SELECT a WHERE id ^= x::uuid", VARCHAR_UUID, [["SELECT a WHERE id = (x::uuid)::text"]]),
        ("SELECT a WHERE u ^= id", UUID_VARCHAR, [["SELECT a WHERE (u)::text = id"]]),
        (
            "SELECT a WHERE id ^= 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", VARCHAR_UUID,
            [
                ["SELECT a WHERE id = ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid)::text"],
                ["SELECT a WHERE id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::text"],
            ],
        ),
        (
            "SELECT a WHERE id ^= 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", VARCHAR_UUID,
            [["SELECT a WHERE id = ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid)::text"]],
        ),
        (
            "SELECT a WHERE id ^= ANY (us)", VARCHAR_UUID,
            [["SELECT a WHERE id = ANY ((us)::text[])"], ["SELECT a WHERE id = ANY ((us)::character varying[])"]],
        ),
        ("SELECT a WHERE u ^= ANY (ids)", UUID_VARCHAR, [["SELECT a WHERE (u)::text = ANY (ids)"]]),
        (
            "SELECT a WHERE (id, n) ^IN (SELECT u, m FROM s)", VARCHAR_UUID,
            [
                ["SELECT a WHERE (id, n) IN (SELECT (u)::text, m FROM s)", "SELECT a WHERE (id, n) IN (SELECT u, (m)::text FROM s)"],
                ["SELECT a WHERE (id, n) IN (SELECT (u)::text, (m)::text FROM s)"],
            ],
        ),
        (
            "SELECT f^(id)".replace("f^", "^f"), "function f(character varying) does not exist", [["SELECT f((id)::uuid)"]],
        ),
        (
            "SELECT ^f(id, t, 1)", "function f(character varying, text, integer) does not exist",
            [
                ["SELECT f((id)::uuid, t, 1)", "SELECT f(id, (t)::uuid, 1)"],
                ["SELECT f((id)::uuid, (t)::uuid, 1)"],
            ],
        ),
        ("SELECT COALESCE(id, ^u)", "COALESCE types character varying and uuid cannot be matched", [["SELECT COALESCE(id, (u)::text)"]]),
        (
            "SELECT COALESCE(u, v, NULL, ^id)", "COALESCE types uuid and character varying cannot be matched",
            [["SELECT COALESCE((u)::text, (v)::text, NULL, id)"]],
        ),
        (
            "SELECT CASE WHEN a THEN ^id ELSE u END", "CASE types uuid and character varying cannot be matched",
            [["SELECT CASE WHEN a THEN id ELSE (u)::text END"]],  # PostgreSQL looks at ELSE first
        ),
        (
            "SELECT id, n FROM a UNION SELECT ^u, m FROM b", "UNION types character varying and uuid cannot be matched",
            [["SELECT id, n FROM a UNION SELECT (u)::text, m FROM b"]],
        ),
        (
            "SELECT u FROM a UNION SELECT v FROM b UNION SELECT ^id FROM c", "UNION types uuid and character varying cannot be matched",
            [["SELECT (u)::text FROM a UNION SELECT (v)::text FROM b UNION SELECT id FROM c"]],
        ),
        (
            "SELECT 1 FROM a JOIN b USING (id)", VARCHAR_UUID,
            [["SELECT 1 FROM a JOIN b ON ((a.id = (b.id)::text))"]],
        ),
        (
            "SELECT 1 FROM a JOIN b USING (id)", "JOIN/USING types uuid and character varying cannot be matched",
            [["SELECT 1 FROM a JOIN b ON (((a.id)::text = b.id))"]],
        ),
        (
            "CREATE INDEX i ON t USING bloom (id public.uuid_bloom_ops)",
            'operator class "uuid_bloom_ops" does not accept data type character varying',
            [[
                "CREATE INDEX i ON t USING bloom (id public.text_bloom_ops)",
                "CREATE INDEX i ON t USING bloom (id public.varchar_bloom_ops)",
            ]],
        ),
    ],
)  # fmt: skip
def test_candidates(marked: str, message: str, groups: list[list[str]]) -> None:
    assert answers(marked, message) == groups


@pytest.mark.parametrize(
    ("marked", "message", "first"),
    [
        ("SELECT id ^~~ 'x'::text", "operator does not exist: uuid ~~ text", "SELECT (id)::text ~~ 'x'::text"),
        ("SELECT ^length(id)", "function length(uuid) does not exist", "SELECT length((id)::text)"),
        ('SELECT id ^COLLATE "C"', "collations are not supported by type uuid", 'SELECT (id)::text COLLATE "C"'),
        ("SELECT id^::integer", "cannot cast type uuid to integer", "SELECT (id)::text::integer"),
        ("SELECT COALESCE(^id, t)", "COALESCE types uuid and text cannot be matched", None),
    ],
)
def test_back_to_uuid_the_key_is_read_as_text(marked: str, message: str, first: str | None) -> None:
    groups = answers(marked, message, TEXT_TO_UUID)
    assert (groups[0] if groups else None) == (None if first is None else [first])


def test_a_function_of_varchar_gets_varchar_before_text() -> None:
    groups = answers("SELECT ^f(id)", "function f(uuid) does not exist", TO_UUID)
    assert groups == [["SELECT f((id)::character varying)"], ["SELECT f((id)::text)"]]


@pytest.mark.parametrize(
    ("marked", "message", "words"),
    [
        ("SELECT id ^= n", "operator does not exist: character varying = integer", TO_VARCHAR),
        ("SELECT ^f(id)", "function f(bigint) does not exist", TO_BIGINT),  # a cast would overflow later
        ("SELECT ^f(n)", "function f(integer) does not exist", TO_VARCHAR),
        ("SELECT id = x = ", VARCHAR_UUID, TO_VARCHAR),  # no SQL
        ("SELECT 1 FROM a FULL JOIN b USING (id) JOIN c USING (id)", UUID_VARCHAR, TO_BIGINT),
        ('SELECT ^ARRAY[x]', 'recursive query "r" column 1 has type integer in non-recursive term but type bigint overall', TO_BIGINT),
    ],
)  # fmt: skip
def test_there_is_no_candidate_where_no_rule_holds(marked: str, message: str, words: Words) -> None:
    assert answers(marked, message, words) == []


def test_integers_are_widened() -> None:
    groups = answers("SELECT a ^@> ids", "operator does not exist: integer[] @> bigint[]", TO_BIGINT)
    assert groups == [["SELECT (a)::bigint[] @> ids"]]


def test_edits_keep_all_else() -> None:
    assert edited("abc", (Edit(2, 2, "]"), Edit(1, 1, "["))) == "a[b]c"


def test_a_repair_is_bound_to_its_object_and_its_text() -> None:
    builder = CatalogBuilder()
    table = builder.table("t", "id uuid")
    check = builder.constraint(table, "c", "c", ("id",))
    other = builder.constraint(table, "d", "c", ("id",))
    catalog = _with_definition(builder.build(), "CHECK ((id <> x))")
    repair = Repair("check c on t", "CHECK ((id <> x))", "CHECK ((id <> (x)::text))", "")
    repaired = with_repairs(catalog, (repair,))
    assert repaired.constraint[check.oid].definition == repair.after
    assert repaired.constraint[other.oid].definition == "CHECK ((id <> x))"
    assert detached(catalog, (repair,)) == {Address("pg_constraint", check.oid)}
    changed = _with_definition(catalog, "CHECK ((id <> y))")
    assert with_repairs(changed, (repair,)) == changed
    assert with_repairs(catalog, ()) is catalog


def test_the_proof_permits_a_repair_to_its_object_as_it_is_shown_and_nothing_else() -> None:
    builder = CatalogBuilder()
    table = builder.table("t", "id uuid")
    for name in "cd":
        builder.constraint(table, name, "c", ("id",))
    before = _with_definition(builder.build(), "CHECK ((f(id) > 0))")
    repair = Repair("check c on t", "CHECK ((f(id) > 0))", "CHECK ((f((id)::uuid) > 0))", "")
    plan = Plan(Identity("c", 1, "d"), "", Scope(TypePair(), (), ()), (), repairs=(repair,))

    def changed(**definitions: str) -> set[str]:
        constraints = tuple(replace(c, definition=definitions.get(c.name, c.definition)) for c in before.constraints)
        return {
            difference.object for difference in compare_catalogs(plan, before, replace(before, constraints=constraints))
        }

    assert changed(c=repair.after) == set()
    assert changed(c="CHECK (((f((id)::uuid)) > 0))") == set()  # as the server prints it
    assert changed(c="CHECK ((f((id)::uuid) > 1))") == {"constraint public.t.c"}
    assert changed(c="CHECK ((f((id)::text) > (0)::uuid))") == {"constraint public.t.c"}
    assert changed(c=repair.after, d=repair.after) == {"constraint public.t.d"}


def test_copies_are_repaired_like_their_originals() -> None:
    builder = CatalogBuilder()
    parent = builder.table("p", "id uuid", kind="p")
    child = builder.table("k", "id uuid", parents=("p",))
    top = Index(
        oid=1,
        relation=parent.oid,
        schema="public",
        table="p",
        name="i",
        definition="CREATE INDEX i ON ONLY p USING btree (f(id))",
    )
    attached = Index(
        oid=2,
        relation=child.oid,
        parent=1,
        schema="public",
        table="k",
        name="j",
        definition="CREATE INDEX j ON k USING btree (f(id))",
    )
    other = replace(attached, oid=3, name="o", definition="CREATE INDEX o ON k USING hash (f(id))")
    catalog = replace(builder.build(), indexes=(top, attached, other))
    repair = Repair("index i on p", top.definition, "CREATE INDEX i ON ONLY p USING btree (f((id)::uuid))", "why")
    assert with_copies(catalog, (repair,)) == (
        repair,
        Repair("index j on k", attached.definition, "CREATE INDEX j ON k USING btree (f((id)::uuid))", "why"),
    )


def _with_definition(catalog: Catalog, definition: str) -> Catalog:
    return replace(
        catalog,
        constraints=tuple(replace(c, definition=definition) if c.kind == "c" else c for c in catalog.constraints),
    )


def test_the_diff_names_the_object() -> None:
    repair = Repair(
        "view v", " SELECT a\n  FROM t\n WHERE (a = b);", " SELECT a\n  FROM t\n WHERE (a = (b)::text);", ""
    )
    assert repair_diff(repair).splitlines() == [
        "--- view v (before)",
        "+++ view v (after)",
        "@@ -1,3 +1,3 @@",
        " SELECT a",
        "   FROM t",
        "- WHERE (a = b);",
        "+ WHERE (a = (b)::text);",
    ]
