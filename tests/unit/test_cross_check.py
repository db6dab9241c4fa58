"""The enumeration of approach B, held against the catalog: what is missing or different is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.postgres.catalog import Catalog
from core.postgres.identity import Identity
from core.retype.blockers import Findings
from core.retype.cross_check import CrossCheck, cross_check
from core.retype.foreign_key_list import KEPT, RECREATED, RECREATED_IN_ORDER, from_csv, list_foreign_keys, to_csv
from core.retype.foreign_key_text import read_definition
from core.retype.model import Scope, ScopeRequest
from core.retype.plan import make_plan
from core.retype.scope import decide_scope
from core.retype.script import render_script
from tests.catalogs import CatalogBuilder

IDENTITY = Identity("7300000000000000001", 5, "app")
ACTIONS = " MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (owner_id) DEFERRABLE INITIALLY DEFERRED NOT VALID"


@pytest.fixture
def catalog() -> Catalog:
    """users <- deals <- notes, beside them a key of another type that is younger, and one that has nothing to do with them."""
    builder = CatalogBuilder()
    stages = builder.table("stages", "id integer")
    other = builder.table("other", "id integer", "stage integer")
    users = builder.table("users", "id uuid")
    deals = builder.table('"De, als"', "id uuid", "owner_id uuid", "stage integer")
    notes = builder.table("notes", "id uuid", "deal_id uuid", schema="Sales")
    builder.foreign_key(other, "stage", other)
    owner = builder.foreign_key(deals, "owner_id", users)
    builder.constraints[-1] = replace(
        owner, definition=owner.definition + ACTIONS, validated=False, deferrable=True, deferred=True, comment="a\nb"
    )
    builder.foreign_key(notes, "deal_id", deals)
    builder.foreign_key(deals, "stage", stages)
    for i, constraint in enumerate(builder.constraints):
        builder.constraints[i] = replace(
            constraint, definition=constraint.definition.replace('public."De, als"', 'public."""De, als"""')
        )
    return builder.build()


def written(catalog: Catalog) -> tuple[Scope, str, str]:
    scope = decide_scope(catalog, ScopeRequest())
    plan = make_plan(catalog, scope, Findings(), IDENTITY)
    return scope, to_csv(list_foreign_keys(catalog, scope)), render_script(plan, catalog)


def test_what_is_written_is_complete(catalog: Catalog) -> None:
    check = cross_check(catalog, *written(catalog))
    assert check == CrossCheck(
        (
            "The catalog has 4 foreign keys; 2 of them join columns to retype.",
            "2 of 2 are in the list, each with its definition.",
            "2 of 2 are dropped by the script, each once.",
            "2 of 2 are created again by the script, each once, with the same definition.",
            "They are created in the order in which they were created.",
            "5 of 5 columns are retyped by the script, each once, to character varying(36).",
        ),
        (),
    )


def test_the_list_tells_everything_of_every_key(catalog: Catalog) -> None:
    scope, text, _ = written(catalog)
    rows = list_foreign_keys(catalog, scope)
    assert from_csv(text) == rows
    assert [row.conversion for row in rows] == [KEPT, RECREATED, RECREATED, RECREATED_IN_ORDER]
    row = rows[1]
    assert (row.table, row.columns, row.referenced_schema, row.referenced_table, row.referenced_columns) == (
        '"De, als"', "owner_id", "public", "users", "id",
    )  # fmt: skip
    assert (row.match, row.on_update, row.on_delete) == ("FULL", "CASCADE", "SET NULL (owner_id)")
    assert (row.deferrable, row.initially_deferred, row.validated) == ("yes", "yes", "no")
    assert (row.comment, row.definition) == ("a\nb", catalog.constraint[scope.foreign_keys[0]].definition)


def drop_line(text: str, part: str) -> str:
    lines = text.splitlines(keepends=True)
    assert sum(part in line for line in lines) == 1
    return "".join(line for line in lines if part not in line)


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("DROP CONSTRAINT notes_deal_id_fkey", "foreign key notes_deal_id_fkey on \"Sales\".notes is dropped 0 times by the script"),
        ("ADD CONSTRAINT notes_deal_id_fkey", "foreign key notes_deal_id_fkey on \"Sales\".notes is created 0 times by the script"),
        ("ALTER COLUMN deal_id TYPE", "\"Sales\".notes.deal_id is retyped 0 times by the script"),
    ],
)  # fmt: skip
def test_what_the_script_lacks_is_found(catalog: Catalog, part: str, found: str) -> None:
    scope, listing, script = written(catalog)
    assert found in cross_check(catalog, scope, listing, drop_line(script, part)).faults


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("ON DELETE SET NULL (owner_id)", "ON DELETE CASCADE", "with another definition"),
        (" NOT VALID", "", "with another definition"),
        ("MATCH FULL ", "", "with another definition"),
        ("TYPE character varying(36)", "TYPE text", "becomes text by the script"),
    ],
)
def test_what_the_script_does_otherwise_is_found(catalog: Catalog, before: str, after: str, found: str) -> None:
    scope, listing, script = written(catalog)
    assert before in script
    assert any(found in fault for fault in cross_check(catalog, scope, listing, script.replace(before, after)).faults)


def test_another_order_is_found(catalog: Catalog) -> None:
    scope, listing, script = written(catalog)
    lines = script.splitlines()
    added = [i for i, line in enumerate(lines) if "ADD CONSTRAINT" in line and "stage" not in line]
    assert len(added) == 2
    lines[added[0]], lines[added[1]] = lines[added[1]], lines[added[0]]
    assert any("another place" in fault for fault in cross_check(catalog, scope, listing, "\n".join(lines)).faults)


def test_a_list_that_lacks_a_key_or_has_another(catalog: Catalog) -> None:
    scope, listing, script = written(catalog)
    lacking = drop_line(listing, ",notes_deal_id_fkey,")
    assert cross_check(catalog, scope, lacking, script).faults == (
        'foreign key notes_deal_id_fkey on "Sales".notes is not in the list',
    )
    other = listing.replace("notes_deal_id_fkey", "renamed")
    assert len(cross_check(catalog, scope, other, script).faults) == 2


def test_a_key_that_has_come_since(catalog: Catalog) -> None:
    scope, listing, script = written(catalog)
    known = next(c for c in catalog.constraints if c.name == "notes_deal_id_fkey")
    later = replace(catalog, constraints=(*catalog.constraints, replace(known, oid=99999, name="later")))
    check = cross_check(later, scope, listing, script)
    assert not check.complete
    assert {fault.split(" is ")[0] for fault in check.faults} == {'foreign key later on "Sales".notes'}


def test_a_script_that_is_none(catalog: Catalog) -> None:
    scope, listing, _ = written(catalog)
    assert "cannot be read" in cross_check(catalog, scope, listing, "ALTER TABEL x;").faults[0]
    assert not cross_check(catalog, scope, listing, "").complete


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"])
def test_actions(action: str) -> None:
    text = read_definition(f"FOREIGN KEY (a) REFERENCES t(b) ON UPDATE {action} ON DELETE {action}")
    assert (text.on_update, text.on_delete) == (action, action)
