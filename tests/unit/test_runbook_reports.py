"""Reports, questions and the comparison with the rehearsal: pure functions of a plan made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.errors import UsageError
from core.events import PhaseFinished, Tally
from core.postgres.catalog import Catalog
from core.postgres.identity import Identity
from core.retype.estimate import Timing, Timings, estimate
from core.retype.model import (
    Blocker,
    Evidence,
    Phase,
    Plan,
    PlanWarning,
    Scope,
    ScopedColumn,
    SoftReference,
    Statement,
    TypePair,
)
from core.retype.proof import Proof
from core.runbook import facts, questions
from core.runbook.conversion.production import UNREHEARSED, unrehearsed
from core.runbook.conversion.rehearsal import Rehearsal, not_rehearsed, statements_of
from core.runbook.conversion.report import ConversionReport, render, tally_lines
from core.runbook.investigation.findings import Findings, conclusion, facts_of, find_table, key_type
from core.runbook.investigation.findings import render as render_findings
from core.runbook.markdown import block, code, table
from core.runbook.words import counted, size, span
from tests.catalogs import SERVER, CatalogBuilder

HOSTILE = "x`; **bold** <script> | [/red]"
AT = datetime(2026, 3, 7, 2, 30, tzinfo=UTC)


def statement(phase: Phase, kind: str, object_: str, sql: str = "SELECT 1", *, moved: int = 0) -> Statement:
    return Statement(phase, kind, object_, sql, "because", table="users" if moved else None, bytes=moved)


SOFT = SoftReference(
    key=(16386, 1),
    name="notes.user_id",
    type="uuid",
    evidence=(Evidence("name", "yes", "named after users", "users.id"),),
    is_reference=True,
    can_be_taken=True,
    chosen=False,
    if_left="It stays.",
    if_taken="It changes.",
)


def make_plan(**changes: object) -> Plan:
    scope = Scope(
        TypePair(),
        (
            ScopedColumn((16384, 1), "users.id", "key", "users.id", "primary key of users"),
            ScopedColumn((16385, 2), "deals.owner_id", "reference", "users.id", "references users.id (fk)"),
        ),
        (16390,),
        soft_references=(SOFT,),
    )
    values: dict[str, object] = {
        "identity": Identity("7300", 5, "app"),
        "catalog": "c" * 64,
        "scope": scope,
        "statements": (
            statement(Phase.VERIFY, "lock tables", "2 tables"),
            statement(Phase.DETACH, "drop foreign key", "fk on deals", "ALTER TABLE deals DROP CONSTRAINT fk"),
            statement(Phase.RETYPE_KEYS, "retype columns", "users", "ALTER TABLE users …", moved=70_000_000),
            statement(Phase.REATTACH, "add foreign key", "fk on deals", "ALTER TABLE deals ADD CONSTRAINT fk …"),
            statement(Phase.PROVE, "check types", "2 columns"),
        ),
    }
    return Plan(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def make_findings(**changes: object) -> Findings:
    plan = make_plan()
    builder = CatalogBuilder()
    builder.table("users", "id uuid")
    values: dict[str, object] = {
        "at": AT,
        "where": "owner@db.example:5432/app",
        "catalog": builder.build(),
        "plan": plan,
        "estimate": estimate(plan),
        "revisions": ("0123456789ab",),
        "indicators": {"folders": True, "rbac_audit_logs": False},
        "key_column": "users.id",
        "key_type": "uuid",
        "counts": {"users": 1234, "organizations": None, "locked": "about 5 rows (counting took too long)"},
    }
    return Findings(**{**values, **changes})  # pyright: ignore[reportArgumentType]


# --- words and Markdown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (723_000_000, "723 MB"),
        (4_200_000_000, "4.2 GB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (12, "12 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_counted() -> None:
    assert [counted(n, "table") for n in (0, 1, 1204)] == ["0 tables", "1 table", "1,204 tables"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("users", "`users`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("two\nlines", "`two lines`"), ("", "` `")],
)
def test_code_spans_hold_any_text(text: str, expected: str) -> None:
    assert code(text) == expected


def test_blocks_hold_any_text() -> None:
    assert block("SELECT '```'", "sql") == "````sql\nSELECT '```'\n````"


def test_tables_hold_bars() -> None:
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |"


# --- the investigation -------------------------------------------------------------------------------------------------


def test_investigation_report_answers_each_question() -> None:
    text = render_findings(make_findings())
    for line in (
        "A conversion from uuid to character varying(36) is needed: 2 columns",
        "It claims `0123456789ab`",
        "| `folders` | yes |",
        "| `rbac_audit_logs` | no |",
        "| `users` | 1,234 |",
        "| `organizations` | no such table |",
        "| `uuid` | 1 |",
        "| `users.id` | 1 | 1 | 0 | 0 |",
        "- add foreign key: 1",
        "- `notes.user_id`: `named after users`. **It seems to reference a key.** Left: `It stays.` Retyped: `It changes.`",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("revisions", "said"), [(None, "no table alembic_version"), ((), "is empty"), (("a1", "b2"), "`a1`, `b2`")]
)
def test_alembic_version_in_words(revisions: tuple[str, ...] | None, said: str) -> None:
    assert said in render_findings(make_findings(revisions=revisions))


def test_no_conversion_needed() -> None:
    plan = make_plan(scope=Scope(TypePair(), (), ()), statements=())
    findings = make_findings(plan=plan, estimate=estimate(plan))
    assert conclusion(findings) == "No conversion is needed: no key has the type uuid."
    assert "There is nothing to convert." in render_findings(findings)


def test_blockers_and_warnings_stand_in_the_report() -> None:
    plan = make_plan(
        blockers=(Blocker("partition-key:b", HOSTILE, "it is in the partition key.", "rebuild the table."),),
        warnings=(PlanWarning("function:f", "f", "will fail.", "writes fail."),),
    )
    findings = make_findings(plan=plan, estimate=estimate(plan))
    assert "cannot start yet: 1 blocker." in conclusion(findings)
    text = render_findings(findings)
    assert f"``{HOSTILE}``" in text
    assert "FROM pg_partitioned_table" in text
    assert "`function:f`" in text
    assert facts_of(findings)[facts.INVESTIGATION_TOTALS]["blockers"] == 1


def test_text_of_the_database_is_never_markup() -> None:
    text = render_findings(make_findings(revisions=(HOSTILE,), key_type=HOSTILE, counts={HOSTILE: 1}))
    without_code = text.replace(f"``{HOSTILE}``", "").replace(f"``{HOSTILE}``".replace("|", "\\|"), "")
    assert "**bold**" not in without_code


def test_tables_are_found_by_name() -> None:
    builder = CatalogBuilder()
    for schema, name in (("public", "users"), ("audit", "users"), ("audit", "log"), ("a", "twin"), ("b", "twin")):
        builder.table(name, "id uuid", schema=schema)
    for name in ("Order", "Item", "item"):
        builder.table(name, "id text")
    catalog = builder.build()

    def found(text: str) -> tuple[str, str] | None:
        relation = find_table(catalog, text)
        return relation and (relation.schema, relation.name)

    assert found("users") == ("public", "users")
    assert found("audit.users") == ("audit", "users")
    assert found("log") == ("audit", "log")
    assert found('"Order"') == ("public", "Order")
    assert found("Order") == ("public", "Order")
    assert found("ORDER") is None
    assert (found("Item"), found('"Item"')) == (("public", "item"), ("public", "Item"))
    with pytest.raises(UsageError, match="several tables twin"):
        found("twin")
    with pytest.raises(UsageError, match="not a table's name"):
        found("a.b.c")
    assert key_type(catalog, "users.id") == "uuid"
    assert key_type(catalog, "users.absent") is None


# --- questions ---------------------------------------------------------------------------------------------------------


def test_confirmation_binds_the_name_and_says_what_it_costs() -> None:
    expected = estimate(make_plan())
    words = questions.confirmation("production", expected, checked=("a",), details=("b",))
    convert, cancel = words.choices
    assert (convert.name, convert.phrase, cancel.name, cancel.phrase) == ("convert", "app", "cancel", None)
    assert words.default == "cancel"
    assert words.locks[0].startswith("1 table, exclusively")
    assert words.locks[1] == "users"
    assert "COMMIT cannot be rolled back: afterwards the undo" in words.cannot_undo[0]
    assert "rolls back" in words.way_back
    assert words.checked == ("a",)
    assert words.details[0] == "b"


def test_confirmation_of_many_tables_stays_short() -> None:
    statements = tuple(
        Statement(Phase.RETYPE_KEYS, "retype columns", f"t{i:03}", "SELECT 1", "", table=f"t{i:03}") for i in range(100)
    )
    words = questions.confirmation("test", estimate(make_plan(statements=statements)))
    assert words.locks[0].startswith("100 tables")
    assert len(words.locks) == questions.MOST_LISTED + 2
    assert words.locks[-1] == "and 60 more"


def test_commit_takes_the_typed_name_and_an_unanswered_question_is_a_rollback() -> None:
    plan = make_plan()
    words = questions.commit(
        "production", estimate(plan), ("all rows are there",), ("Total 1",), "The undo leads back."
    )
    assert words.default == "rollback"
    assert {choice.name: choice.phrase for choice in words.choices} == {
        "commit": plan.identity.database,
        "rollback": None,
    }
    assert words.checked == ("all rows are there",)
    assert words.cannot_undo == ("COMMIT cannot be rolled back. The undo leads back.",)


def test_the_confirmation_of_an_undo_says_so() -> None:
    undo = replace(make_plan(), goal=Catalog(server=SERVER))
    words = questions.confirmation("production", estimate(undo))
    assert words.title.startswith("Undo the conversion of the production database app")
    assert "only another conversion, or the backup" in words.cannot_undo[0]


# --- the conversion's report -------------------------------------------------------------------------------------------


def test_counts_read_as_in_the_action_plan() -> None:
    tallies = [
        Tally(what="foreign keys dropped", count=95),
        Tally(what="foreign keys dropped", root="users.id", count=42),
        Tally(what="keys retyped", count=30),
        Tally(what="keys retyped", count=10),
        Tally(what="foreign keys recreated", count=95),
        Tally(what="foreign keys recreated", root="users.id", count=42),
    ]
    assert tally_lines(tallies) == [
        "Total foreign keys dropped: 95, recreated: 95",
        "Total users.id foreign keys dropped: 42, recreated: 42",
        "Total keys retyped: 40",
    ]


@pytest.mark.parametrize(
    ("outcome", "way_back"),
    [
        ("committed", "Step 7.3-undo leads back."),
        ("rolled back", "nothing to go back from"),
        ("proved, not decided yet", "ROLLBACK, in about"),
    ],
)
def test_conversion_report(outcome: str, way_back: str) -> None:
    plan = make_plan()
    text = render(
        ConversionReport(
            target="production",
            where="owner@db.example:5432/app",
            expected=estimate(plan),
            accepted=unrehearsed(("create view v",)),
            started=AT,
            seconds=75,
            phases=(
                PhaseFinished(step="7.3", phase=2, seconds=1.5, tallies=(Tally(what="foreign keys dropped", count=1),)),
                PhaseFinished(step="7.3", phase=5, seconds=2, tallies=(Tally(what="foreign keys recreated", count=1),)),
            ),
            proof=Proof("counts", True, ("All 2 tables have their rows.",), ()),
            outcome=outcome,
            after_commit="Step 7.3-undo leads back.",
            log="conversion.log",
            log_error="conversion.log: No space left on device",
        )
    )
    assert text.startswith(f"# Conversion of production: {outcome}\n")
    assert "`Total foreign keys dropped: 1, recreated: 1`" in text
    assert "| 2 detach | 1.5 s |" in text
    assert "## Proof: counts, holds" in text
    assert "incomplete: `conversion.log: No space left on device`" in text
    assert "`unrehearsed:create view v`: `not rehearsed.`" in text
    assert way_back in text


# --- against the rehearsal ---------------------------------------------------------------------------------------------


def test_the_same_plan_was_rehearsed_in_full() -> None:
    assert not_rehearsed(make_plan(), statements_of(make_plan())) == ()
    assert unrehearsed(()) == ()


def test_what_a_rehearsal_left_out_is_named() -> None:
    plan = make_plan()
    rehearsed = {key: sql for key, sql in statements_of(plan).items() if "retype" not in key}
    rehearsed["add foreign key fk on deals"] = "ALTER TABLE deals ADD CONSTRAINT fk … NOT VALID"
    missing = not_rehearsed(plan, rehearsed)
    assert missing == ("retype columns users", "add foreign key fk on deals (rehearsed with another text)")
    assert [(warning.id, warning.object) for warning in unrehearsed(missing)] == [
        (f"{UNREHEARSED}:{name}", name) for name in missing
    ]


def test_counting_statements_need_no_rehearsal() -> None:
    """They name how many tables and columns there are, which differs between databases of the same schema."""
    plan = make_plan()
    fewer = {key: sql for key, sql in statements_of(plan).items() if not key.startswith(("lock tables", "check"))}
    assert not_rehearsed(plan, fewer) == ()


def test_a_rehearsal_survives_its_evidence_file() -> None:
    left = Rehearsal(
        statements=statements_of(make_plan()),
        timings=Timings(
            statements={"retype columns users": Timing(seconds=2, bytes=70_000_000)}, proof={"counts": 1.0}
        ),
    )
    assert Rehearsal.model_validate_json(left.model_dump_json()) == left
