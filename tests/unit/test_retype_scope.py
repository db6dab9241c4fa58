from __future__ import annotations

import pytest

from core.errors import UsageError
from core.retype.model import Scope, ScopeRequest, TypePair
from core.retype.scope import decide_scope
from core.retype.types import parse_type_pair
from tests.catalogs import CatalogBuilder


def scope_of(builder: CatalogBuilder, **request: object) -> Scope:
    return decide_scope(builder.build(), ScopeRequest(**request))  # type: ignore[arg-type]


def roles(scope: Scope) -> dict[str, tuple[str, str]]:
    return {column.name: (column.role, column.root) for column in scope.columns}


@pytest.fixture
def shop() -> CatalogBuilder:
    """users <- deals <- notes, and a table that has nothing to do with them."""
    builder = CatalogBuilder()
    users = builder.table("users", "id uuid", "name text")
    deals = builder.table("deals", "id uuid", "owner_id uuid", "parent_id uuid", "tag uuid")
    notes = builder.table("notes", "id bigint", "deal_id uuid", "author uuid")
    builder.table("logs", "id bigint", "user_id uuid", "trace uuid")
    builder.foreign_key(deals, "owner_id", users)
    builder.foreign_key(deals, "parent_id", deals)
    builder.foreign_key(notes, "deal_id", deals)
    builder.foreign_key(notes, "author", users)
    return builder


def test_everything_that_foreign_keys_join_is_in_the_scope(shop: CatalogBuilder) -> None:
    scope = scope_of(shop)
    assert roles(scope) == {
        "deals.id": ("key", "deals.id"),
        "deals.owner_id": ("reference", "users.id"),
        "deals.parent_id": ("reference", "deals.id"),
        "notes.deal_id": ("reference", "deals.id"),
        "notes.author": ("reference", "users.id"),
        "users.id": ("key", "users.id"),
    }
    assert len(scope.foreign_keys) == 4
    assert list(scope.foreign_keys) == sorted(scope.foreign_keys)
    reasons = {c.name: c.reason for c in scope.columns}
    assert reasons["notes.author"] == "references users.id (notes_author_fkey)"
    assert reasons["users.id"] == "primary key of users"


def test_a_root_named_reaches_only_what_is_joined_to_it(shop: CatalogBuilder) -> None:
    tags = shop.table("tags", "id uuid")
    shop.table("colours", "id uuid", "tag_id uuid")
    shop.foreign_key(shop.find("public", "colours"), "tag_id", tags)
    assert set(roles(scope_of(shop, roots=("tags.id",)))) == {"tags.id", "colours.tag_id"}


def test_the_closure_goes_up_as_well_as_down(shop: CatalogBuilder) -> None:
    """From a referencing column to the key, and on to the key's other references."""
    scope = scope_of(shop, roots=("notes.author",))
    assert set(roles(scope)) == {"notes.author", "users.id", "deals.owner_id"}


def test_composite_keys_go_pair_by_pair_and_leave_other_types_alone() -> None:
    builder = CatalogBuilder()
    tenants = builder.table("tenants", "id uuid")
    deals = builder.table("deals", "tenant_id uuid", "number integer", primary=("tenant_id", "number"))
    lines = builder.table("lines", "deal integer", "tenant uuid", "line integer", primary=("line",))
    builder.foreign_key(deals, "tenant_id", tenants)
    builder.foreign_key(lines, "tenant deal", deals, "tenant_id number")
    scope = scope_of(builder)
    assert roles(scope) == {
        "deals.tenant_id": ("key", "tenants.id"),
        "lines.tenant": ("reference", "tenants.id"),
        "tenants.id": ("key", "tenants.id"),
    }
    assert len(scope.foreign_keys) == 2


def test_a_cycle_ends_at_its_first_member_by_name() -> None:
    builder = CatalogBuilder()
    b = builder.table("b", "id uuid")
    a = builder.table("a", "id uuid")
    builder.foreign_key(a, "id", b)
    builder.foreign_key(b, "id", a)
    assert roles(scope_of(builder)) == {"a.id": ("key", "a.id"), "b.id": ("key", "a.id")}


def test_partitions_and_inheriting_tables_follow_and_lead() -> None:
    builder = CatalogBuilder()
    builder.table("base", "id uuid", "at date", primary=())
    builder.table("child", "id uuid", "at date", primary=(), parents=("base",))
    builder.table("sibling", "id uuid", "at date", parents=("base",))
    scope = scope_of(builder)
    assert roles(scope) == {
        "base.id": ("key", "base.id"),
        "child.id": ("key", "base.id"),
        "sibling.id": ("key", "base.id"),
    }
    reasons = {c.name: c.reason for c in scope.columns}
    assert reasons["child.id"] == "copy of base.id in a partition or inheriting table"
    assert reasons["base.id"] == "original of child.id"


def test_a_key_other_than_the_primary_key_is_a_key() -> None:
    builder = CatalogBuilder()
    users = builder.table("users", "id bigint", "public_id uuid")
    posts = builder.table("posts", "id bigint", "author uuid")
    builder.foreign_key(posts, "author", users, "public_id")
    assert scope_of(builder).columns == ()
    assert roles(scope_of(builder, roots=("users.public_id",))) == {
        "posts.author": ("reference", "users.public_id"),
        "users.public_id": ("key", "users.public_id"),
    }


def test_an_excluded_column_stays_out_and_nothing_is_reached_through_it(shop: CatalogBuilder) -> None:
    scope = scope_of(shop, roots=("users.id",), exclude=("deals.owner_id",))
    assert set(roles(scope)) == {"users.id", "notes.author"}
    assert len(scope.foreign_keys) == 2  # the excluded column's as well: it cannot be left standing


def test_included_columns_and_their_type(shop: CatalogBuilder) -> None:
    scope = scope_of(shop, include=("logs.trace",))
    assert roles(scope)["logs.trace"] == ("included", "logs.trace")
    with pytest.raises(UsageError, match=r"users\.name is of type text, not uuid"):
        scope_of(shop, include=("users.name",))


def test_what_names_take_for_references_is_converted_only_when_asked_for(shop: CatalogBuilder) -> None:
    scope = scope_of(shop)
    found = {s.name: (s.is_reference, s.chosen) for s in scope.soft_references}
    assert found == {"deals.tag": (False, False), "logs.trace": (False, False), "logs.user_id": (True, False)}
    scope = scope_of(shop, soft_references="all")
    assert roles(scope)["logs.user_id"] == ("soft", "logs.user_id")
    assert {s.name for s in scope.soft_references if s.chosen} == {"logs.user_id"}
    scope = scope_of(shop, soft_references=("logs.trace",))
    assert {s.name for s in scope.soft_references if s.chosen} == {"logs.trace"}


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("chat_flow", "chatflowid"), ("chat_flows", "chatFlowId"), ("ChatFlow", "chat_flow_id"), ("companies", "company_uuid"),
        ("boxes", "boxId"), ("user", "created_by_user_id"), ("organization", "organizationuuid"),
    ],
)  # fmt: skip
def test_names_that_speak_of_a_table(table: str, column: str) -> None:
    builder = CatalogBuilder()
    builder.table(table, "id uuid")
    builder.table("log", "n bigint", f"{column} uuid", "paid uuid", "solid uuid")
    found = {s.name.rpartition(".")[2].strip('"'): s.is_reference for s in scope_of(builder).soft_references}
    assert found == {column: True, "paid": False, "solid": False}


def test_a_namesake_that_has_a_foreign_key_is_evidence(shop: CatalogBuilder) -> None:
    shop.table("calls", "id bigint", "author uuid")
    found = next(s for s in scope_of(shop).soft_references if s.name == "calls.author")
    assert [str(evidence) for evidence in found.evidence] == [
        "it is of the keys' type, uuid",
        "notes.author, of the same name, references users.id",
    ]


def test_names_are_parsed_as_sql_does() -> None:
    builder = CatalogBuilder()
    builder.table('My "Table"', "Id uuid", "id uuid", primary=("Id",))
    builder.table("order", "id uuid", schema="Sales.EU")
    builder.table("order", "id uuid")
    assert set(roles(scope_of(builder, roots=('"My ""Table""".id',)))) == {'"My ""Table""".id'}
    assert set(roles(scope_of(builder, roots=('"Sales.EU"."order".ID',)))) == {'"Sales.EU"."order".id'}
    assert set(roles(scope_of(builder, roots=("Order.id",)))) == {'"order".id'}  # public's before any other


@pytest.mark.parametrize("name", ["users", "users.", '"users.id', "a.b.c.d", "", "users..id"])
def test_what_is_no_name_is_refused(shop: CatalogBuilder, name: str) -> None:
    with pytest.raises(UsageError, match="is not a column's name"):
        scope_of(shop, roots=(name,))


def test_an_unknown_name_is_answered_with_those_close_to_it(shop: CatalogBuilder) -> None:
    with pytest.raises(UsageError, match=r"no column user\.id.*users\.id"):
        scope_of(shop, roots=("user.id",))


def test_an_ambiguous_name_is_answered_with_both() -> None:
    builder = CatalogBuilder()
    builder.table("t", "id uuid", schema="a")
    builder.table("t", "id uuid", schema="b")
    with pytest.raises(UsageError, match=r"several columns t\.id.*a\.t\.id, b\.t\.id"):
        scope_of(builder, roots=("t.id",))


def test_a_half_converted_database_is_noticed(shop: CatalogBuilder) -> None:
    folders = shop.table("folders", "id character varying(36)", "deal_id character varying(36)", "note text")
    files = shop.table("files", "id character varying(36)", "folder_id character varying(36)")
    shop.foreign_key(files, "folder_id", folders)
    assert scope_of(shop).already_converted == ("files.id", "files.folder_id", "folders.id", "folders.deal_id")


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("uuid", "varchar(36)", ("uuid", "character varying(36)")),
        (" UUID ", "VarChar ( 64 )", ("uuid", "character varying(64)")),
        ("character varying(36)", "uuid", ("character varying(36)", "uuid")),
        ("uuid", "text", ("uuid", "text")),
        ("int", "int8", ("integer", "bigint")),
    ],
)
def test_types_are_read_as_people_write_them(source: str, target: str, expected: tuple[str, str]) -> None:
    assert parse_type_pair(source, target) == TypePair(*expected)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("uuid", "uuid"),
        ("uuid", "varchar(35)"),
        ("uuid", "bigint"),
        ("uuid(3)", "text"),
        ("uuid", "varchar(0)"),
        ("uuid", "jsonb"),
        ("uuid; drop table users", "text"),
        ("", "text"),
    ],
)
def test_conversions_that_make_no_sense_are_refused(source: str, target: str) -> None:
    with pytest.raises(UsageError):
        parse_type_pair(source, target)
