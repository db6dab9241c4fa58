from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigurationError, UsageError
from core.postgres.sql import load_queries, qualified, quote_identifier, quote_literal


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("users", "users"),
        ("_private_2", "_private_2"),
        ("Users", '"Users"'),
        ("order", '"order"'),
        ("user", '"user"'),
        ("system_user", '"system_user"'),  # a keyword since 16
        ("name", "name"),  # a keyword that any name may be
        ("2fast", '"2fast"'),
        ("pay$", '"pay$"'),
        ("naïve", '"naïve"'),
        ("with space", '"with space"'),
        ('say "hi"', '"say ""hi"""'),
        ("a;drop table b", '"a;drop table b"'),
        ("line\nbreak", '"line\nbreak"'),
    ],
)
def test_identifier_is_bare_only_where_that_is_safe(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_can_be_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name"):
        quote_identifier(name)


def test_qualified_quotes_both_sides() -> None:
    assert qualified("public", "Order") == 'public."Order"'
    assert qualified("My.Schema", "a.b") == '"My.Schema"."a.b"'


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("", "''"), ("it's", "'it''s'"), ("back\\slash", "E'back\\\\slash'"), ("\\'", "E'\\\\'''"), ("%s $1", "'%s $1'")],
)
def test_literal(text: str, quoted: str) -> None:
    assert quote_literal(text) == quoted


def test_literal_with_nul_is_refused() -> None:
    with pytest.raises(UsageError, match="NUL"):
        quote_literal("a\0b")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_quoted_identifier_can_be_read_back(name: str) -> None:
    quoted = quote_identifier(name)
    assert (quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted) == name


def test_queries_are_loaded_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "-- about this file\n\n-- name: one\nSELECT 1 -- a remark\n  AS x;\n\n--name: two\nSELECT 2\n"
    )
    (tmp_path / "b.sql").write_text("-- name: three\n-- why\nSELECT 3\n")
    assert dict(load_queries(tmp_path)) == {
        "one": "SELECT 1 -- a remark\n  AS x;",
        "two": "SELECT 2",
        "three": "-- why\nSELECT 3",
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.sql": "-- name: one\nSELECT 1", "b.sql": "-- name: one\nSELECT 2"},
            "one is defined twice, in a.sql and in b.sql",
        ),
        ({"a.sql": "SELECT 1\n-- name: one\nSELECT 1"}, "before the first name, in a.sql"),
        ({"a.sql": "-- name: one\n-- nothing"}, "The query one has no text"),
        ({}, "There are no queries in"),
    ],
)
def test_broken_queries_are_said_clearly(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_queries(tmp_path)
