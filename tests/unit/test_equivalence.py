"""Which casts may come and go with a change of type, and which are part of what an expression says."""

from __future__ import annotations

import pytest

from core.retype.equivalence import Equivalence, Form, other_columns
from core.retype.model import TypePair
from core.retype.spelling import as_read_back

A = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
OTHER = frozenset({"amount", "n"})
TO_VARCHAR = Equivalence(TypePair(), OTHER)
TO_UUID = Equivalence(TypePair("character varying(36)", "uuid"), OTHER)
TO_BIGINT = Equivalence(TypePair("integer", "bigint"), OTHER)


@pytest.mark.parametrize(
    ("before", "after", "form"),
    [
        ("(a.id = b.id)", "((a.id)::text = (b.id)::text)", "expression"),
        (f"(id = '{A}'::uuid)", f"((id)::text = '{A}'::text)", "expression"),
        (f"(id = '{A}'::uuid)", f"((id)::text = ('{A}'::uuid)::text)", "expression"),
        (
            f"(id = ANY (ARRAY['{A}'::uuid]))",
            f"((id)::text = ANY ((ARRAY['{A}'::character varying])::text[]))",
            "expression",
        ),
        (f"(id = ANY ('{{{A}}}'::uuid[]))", f"((id)::text = ANY ('{{{A}}}'::text[]))", "expression"),
        ("COALESCE(id, NULL::uuid)", "COALESCE(id, NULL::character varying)", "expression"),
        (
            "(id = (current_setting('app.id'::text))::uuid)",
            "((id)::text = ((current_setting('app.id'::text))::uuid)::text)",
            "expression",
        ),
        ("gen_random_uuid()", "(gen_random_uuid())::text", "expression"),
        ("(id)::character varying(36)", "id", "expression"),
        ("SELECT a.id FROM a", "SELECT (a.id)::text AS id FROM a", "statement"),
        ("SELECT a.id AS x FROM a;", "SELECT (a.id)::text AS x\n  FROM a;", "statement"),
        ("CHECK ((a <> b))", "CHECK (((a)::text <> (b)::text))", "constraint"),
        (
            "CREATE INDEX i ON public.t USING bloom (id public.uuid_bloom_ops)",
            "CREATE INDEX i ON public.t USING bloom (id public.text_bloom_ops)",
            "statement",
        ),
    ],
)
def test_casts_that_come_with_the_type_are_not_differences(before: str, after: str, form: Form) -> None:
    assert TO_VARCHAR.same_definition(before, after, form)
    if "'app.id'" not in before:  # the way back may not add a cast to uuid around a text
        assert TO_UUID.same_definition(after, before, form)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CREATE INDEX i ON t USING btree (((id)::text), k)", "CREATE INDEX i ON t USING btree (id, k)"),
        ("CREATE STATISTICS s ON note, (id::text) FROM t", "CREATE STATISTICS s ON id, note FROM t"),
    ],
)
def test_an_expression_that_is_a_mere_column_without_its_cast(before: str, after: str) -> None:
    to_text = Equivalence(TypePair("character varying(36)", "text"))
    assert to_text.same_definition(before, after, "statement")
    assert not to_text.same_definition(before, after.replace("id", "other"), "statement")


@pytest.mark.parametrize(
    ("before", "after", "form"),
    [
        # without the cast upper case and garbage would pass
        ("(id = (current_setting('app.id'))::uuid)", "((id)::text = current_setting('app.id'))", "expression"),
        (f"(id = '{A.upper()}'::uuid)", f"((id)::text = '{A.upper()}'::text)", "expression"),
        (f"(id = '{A}'::uuid)", f"((id)::text = '{A[:-1]}2'::text)", "expression"),
        ("((amount)::text || 'x'::text)", "(amount || 'x'::text)", "expression"),
        ("((n + 1))::text", "(n + 1)", "expression"),
        ("(id)::character varying(5)", "id", "expression"),
        ("(n)::uuid", "n", "expression"),
        ("(a = b)", "(a <> b)", "expression"),
        ("SELECT a.id FROM a", "SELECT a.id AS other FROM a", "statement"),
        ("SELECT a.id FROM a", "SELECT a.id FROM a WHERE true", "statement"),
        ("CHECK ((a <> b)) NOT VALID", "CHECK (((a)::text <> (b)::text))", "constraint"),
        ("CREATE INDEX i ON t (id)", "CREATE UNIQUE INDEX i ON t (id)", "statement"),
        ("CREATE INDEX i ON t (id) WHERE (n = 1)", "CREATE INDEX i ON t (id)", "statement"),
        ("not ( sql", "not ) sql", "expression"),
    ],
)
def test_everything_else_is_a_difference(before: str, after: str, form: Form) -> None:
    assert not TO_VARCHAR.same_definition(before, after, form)


LIST = "((s)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[]))"


@pytest.mark.parametrize("equivalence", [TO_VARCHAR, TO_UUID, TO_BIGINT])
def test_a_cast_of_a_list_is_one_of_its_elements(equivalence: Equivalence) -> None:
    again = "((s)::text = ANY (ARRAY[('x'::character varying)::text, ('y'::character varying)::text]))"
    assert equivalence.same_definition(LIST, again, "expression")
    assert not equivalence.same_definition(LIST, again.replace("'y'", "'z'"), "expression")
    nested = "(ARRAY[ARRAY[1, 2], ARRAY[3, n]])::numeric[]"
    assert equivalence.same_definition(
        nested, "ARRAY[(ARRAY[1, 2])::numeric[], (ARRAY[3, n])::numeric[]]", "expression"
    )
    assert not equivalence.same_definition("ARRAY[]::text[]", "ARRAY[]::integer[]", "expression")


def test_a_list_is_spelt_as_it_is_read_back() -> None:
    spelt = LIST.replace(")::text[]", ")")
    view = "CREATE VIEW v AS\n SELECT s FROM t WHERE ({} AND (s <> '::text[]'::text) AND 'ä' <> ALL ({}));"
    text = "(ARRAY['b'::character varying])"
    assert as_read_back(view.format(LIST, f"{text}::text[]")) == view.format(spelt, text)
    for sql in ("SELECT (ARRAY['a'])::text[]", "SELECT x = ANY ((ARRAY[1])::bigint[])", "no ( sql ::text[]"):
        assert as_read_back(sql) == sql


def test_absence_is_a_difference() -> None:
    assert TO_VARCHAR.same_definition(None, None, "expression")
    assert not TO_VARCHAR.same_definition("id", None, "expression")
    assert not TO_VARCHAR.same_definition(None, "id", "expression")


def test_text_that_the_grammar_does_not_know_must_be_equal() -> None:
    assert TO_VARCHAR.same_definition("some future syntax !!", "some future syntax !!", "statement")
    assert not TO_VARCHAR.same_definition("some future syntax !!", "some  future syntax !!", "statement")


def test_integers_may_only_widen() -> None:
    assert TO_BIGINT.same_definition("COALESCE(id, 0)", "COALESCE(id, (0)::bigint)", "expression")
    assert not TO_BIGINT.same_definition("f(id)", "f((id)::integer)", "expression")


@pytest.mark.parametrize(
    ("equivalence", "before", "after", "follows"),
    [
        (TO_VARCHAR, "uuid", "character varying(36)", True),
        (TO_VARCHAR, "uuid", "character varying", True),
        (TO_VARCHAR, "uuid", "text", True),
        (TO_VARCHAR, "uuid[]", "character varying[]", True),
        (TO_VARCHAR, "uuid[]", "text", False),
        (TO_VARCHAR, "uuid", "character varying(40)", False),
        (TO_VARCHAR, "text", "character varying", False),
        (TO_UUID, "character varying(36)", "uuid", True),
        (TO_UUID, "text", "uuid", True),
        (TO_UUID, "integer", "uuid", False),
        (TO_BIGINT, "integer", "bigint", True),
        (TO_BIGINT, "bigint", "numeric", False),
    ],
)
def test_types_of_output_columns_follow(equivalence: Equivalence, before: str, after: str, follows: bool) -> None:
    assert equivalence.type_follows(before, after) is follows


def test_columns_of_other_types_are_told_by_name() -> None:
    types = {"id": {"uuid"}, "ref": {"integer", "character varying(36)"}, "n": {"integer"}, "ids": {"uuid[]"}}
    assert other_columns(TypePair(), types) == {"n"}
