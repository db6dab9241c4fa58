"""The user's own procedure: its SQL blocks, and the template's blanks that the investigation answers."""

from __future__ import annotations

import pytest

from core.runbook.investigation.procedure import answers, filled, sql_blocks

FACTS = {
    "investigation.alembic_version": ["f867c7e3d51c"],
    "revisions.located": {"revisions": ["ba1a5bcdb110"]},
    "investigation.key_type": "uuid",
    "investigation.row_counts": {"users": 1204, "organizations": 17, "deals": None},
    "investigation.indicator_tables": {"folders": False, "document_questions": True},
    "investigation.estimated_seconds": 95.0,
}
KNOWN = answers(FACTS, "users.id")


def test_blocks_of_sql_and_nothing_else() -> None:
    text = (
        "# One\n```sql\nSELECT 1;\n\\d users\nSELECT ';' AS x\n```\n"
        "```bash\npsql -c 'SELECT 2'\n```\n## Two ##\n~~~SQL\nnonsense here;\n~~~\n"
    )
    first, second = sql_blocks(text)
    assert (first.heading, first.line, first.statements) == ("One", 2, ("SELECT 1", "SELECT ';' AS x"))
    assert first.left_out == ("\\d users",)
    assert (second.heading, second.statements, second.left_out) == ("Two", (), ("nonsense here;",))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("- Current alembic_version: `__________`", "- Current alembic_version: f867c7e3d51c"),
        ("- True revision: ____", "- True revision: ba1a5bcdb110"),
        ("- users.id type: ____", "- users.id type: uuid"),
        ("- Is users.id type [ ] UUID [ ] VARCHAR(36)", "- Is users.id type [x] UUID [ ] VARCHAR(36)"),
        ("| How many users? | ____ |", "| How many users? | 1204 |"),
        ("- organizations count: _____ (estimate)", "- organizations count: 17 (estimate)"),
        ("- Table folders exists: [ ] yes [ ] no", "- Table folders exists: [ ] yes [x] no"),
        ("- Estimated conversion time: ____", "- Estimated conversion time: about 1 min 35 s"),
        # What is not certain stays as it is.
        ("- deals count: ____", "- deals count: ____"),
        ("- users and organizations count: ____", "- users and organizations count: ____"),
        ("- Investigated by: ____", "- Investigated by: ____"),
        ("- [ ] Read the report about users", "- [ ] Read the report about users"),
        ("No blank: users count", "No blank: users count"),
    ],
)
def test_only_what_is_certain_is_filled(line: str, expected: str) -> None:
    assert filled(f"{line}\n", KNOWN) == f"{expected}\n"


def test_filling_twice_changes_nothing_more_and_sql_is_left_alone() -> None:
    text = "```sql\nSELECT count(*) FROM users WHERE name = '____'; -- users count\n```\n- users count: ____\r\n"
    once = filled(text, KNOWN)
    assert once == text.replace("count: ____", "count: 1204")
    assert filled(once, KNOWN) == once
