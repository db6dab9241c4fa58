"""Taking a migration's SQL apart."""

from __future__ import annotations

import pytest

from core.revisions.parts import parts_of


def test_a_table_is_made_without_its_foreign_keys() -> None:
    sql = """
        CREATE TABLE IF NOT EXISTS s."No" (
            id varchar(36) PRIMARY KEY DEFAULT 'a:b',
            p varchar(36) NOT NULL CONSTRAINT pk REFERENCES patients (id) ON DELETE CASCADE
                DEFERRABLE INITIALLY DEFERRED UNIQUE,
            q uuid REFERENCES q,
            CONSTRAINT f FOREIGN KEY (id, p) REFERENCES q (a, b))
    """
    assert parts_of(sql) == (
        "CREATE TABLE IF NOT EXISTS s.\"No\" (id varchar(36) PRIMARY KEY DEFAULT 'a:b', p varchar(36) NOT NULL UNIQUE, q uuid)",
        (
            'ALTER TABLE s."No" ADD CONSTRAINT pk FOREIGN KEY (p) REFERENCES patients (id) ON DELETE CASCADE'
            " DEFERRABLE INITIALLY DEFERRED"
        ),
        'ALTER TABLE s."No" ADD FOREIGN KEY (q) REFERENCES q',
        'ALTER TABLE s."No" ADD CONSTRAINT f FOREIGN KEY (id, p) REFERENCES q (a, b)',
    )


def test_statements_and_changes_go_one_by_one() -> None:
    assert parts_of("CREATE INDEX i ON n (p); ALTER TABLE x ADD a int, DROP b; SELECT '%s :x'") == (
        "CREATE INDEX i ON n (p)",
        "ALTER TABLE x ADD COLUMN a integer",
        "ALTER TABLE x DROP COLUMN b",
        "SELECT '%s :x'",
    )


@pytest.mark.parametrize("sql", ["", "CREATE TABLE x (id int)", "no SQL at all", "ALTER TABLE x ADD a int"])
def test_what_cannot_be_taken_apart(sql: str) -> None:
    assert parts_of(sql) == ()
