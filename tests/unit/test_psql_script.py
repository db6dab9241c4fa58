"""Scripts for psql, taken apart as psql does it."""

from __future__ import annotations

import pytest

from core.retype.psql_script import read_psql_script


def texts(script: str) -> list[str]:
    return [statement.text for statement in read_psql_script(script).statements]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1", ["SELECT 1"]),
        (" ;; ", []),
        ("-- a; b\nSELECT 1; -- c;\n", ["SELECT 1"]),
        ("/* a; /* b; */ c; */ SELECT 1;", ["SELECT 1"]),
        ("SELECT 'a;''b;', \"c;\"\"d\", E'e\\';f';SELECT 2;", ["SELECT 'a;''b;', \"c;\"\"d\", E'e\\';f'", "SELECT 2"]),
        ("DO $$ BEGIN; $x$;$x$ END $$; SELECT 2", ["DO $$ BEGIN; $x$;$x$ END $$", "SELECT 2"]),
        ("SELECT a$b$; SELECT $1;", ["SELECT a$b$", "SELECT $1"]),
        ("CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2); SELECT 3;",
         ["CREATE RULE r AS ON DELETE TO t DO (SELECT 1; SELECT 2)", "SELECT 3"]),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3;",
         ["CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END", "SELECT 3"]),
        ("BEGIN; SELECT 1; END;", ["BEGIN", "SELECT 1", "END"]),
        ("COPY t FROM stdin;\na;b\n'c\n\\.\nSELECT 1;", ["COPY t FROM stdin", "SELECT 1"]),
        ("\\set x 'users'\nSELECT :'x', :\"x\", :x, 1::x, a[1:2], :y;",
         ["SELECT 'users', \"users\", users, 1::x, a[1:2], :y"]),
        ("SELECT 1 \\gset\nSELECT 2 \\gexec\nSELECT 3;", ["SELECT 1", "SELECT 2", "SELECT 3"]),
        ("SELECT '\\echo x'; \\echo 'it''s; here'\nSELECT 2;", ["SELECT '\\echo x'", "SELECT 2"]),
        ("SELECT 'never closed;", ["SELECT 'never closed;"]),
        ("SELECT $q$ never closed;", ["SELECT $q$ never closed;"]),
        ("/* never closed;", []),
    ],
)  # fmt: skip
def test_statements(script: str, expected: list[str]) -> None:
    assert texts(script) == expected


def test_places_and_commands() -> None:
    script = "\\set ON_ERROR_STOP on\n-- why\nBEGIN;\n\\if :go\n  COMMIT;\n\\endif\nSELECT x\n  FROM y \\gexec\n\\i other.sql\n"
    read = read_psql_script(script)
    assert [(s.text, s.line, s.sent_by, s.conditional) for s in read.statements] == [
        ("BEGIN", 3, ";", False),
        ("COMMIT", 5, ";", True),
        ("SELECT x\n  FROM y", 7, "gexec", False),
    ]
    assert [script[s.start : s.end] for s in read.statements][:2] == ["BEGIN;", "COMMIT;"]
    assert [(c.name, c.argument, c.line) for c in read.commands] == [
        ("set", "ON_ERROR_STOP on", 1),
        ("if", ":go", 4),
        ("endif", "", 6),
        ("gexec", "", 8),
        ("i", "other.sql", 9),
    ]
