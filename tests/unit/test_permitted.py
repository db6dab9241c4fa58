"""What the catalog may show after a conversion that it did not show before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.postgres.catalog import Address, Catalog, Column, Constraint, Dependency, Index, Policy, Relation
from core.postgres.fingerprint import compare
from core.postgres.identity import Identity
from core.retype.model import Plan, Repair, Scope, ScopedColumn, TypePair
from core.retype.permitted import following_views, permitted_changes
from core.retype.proof import compare_catalogs
from tests.catalogs import SERVER

USERS, PLAIN, VIEW, OTHER_VIEW, SEQUENCE = 1, 2, 3, 4, 5
PAIR = TypePair()
RULE = Address("pg_rewrite", 30)


def before(types: TypePair = PAIR) -> Catalog:
    return Catalog(
        SERVER,
        relations=(
            Relation(oid=USERS, schema="public", name="users", kind="r"),
            Relation(oid=PLAIN, schema="public", name="plain", kind="r"),
            Relation(oid=VIEW, schema="public", name="named", kind="v", definition="SELECT id FROM public.users"),
            Relation(oid=OTHER_VIEW, schema="public", name="apart", kind="v", definition="SELECT ref FROM public.plain"),
            Relation(
                oid=SEQUENCE,
                schema="public",
                name="users_id_seq",
                kind="S",
                owned_by="public.users.id",
                sequence="integer start 1 min 1 max 2147483647 increment 1 cache 1",
            ),
        ),
        columns=(
            Column(USERS, 1, schema="public", table="users", name="id", type=types.source, default="f()"),
            Column(PLAIN, 1, schema="public", table="plain", name="ref", type=types.source),
            Column(VIEW, 1, schema="public", table="named", name="id", type=types.source),
            Column(OTHER_VIEW, 1, schema="public", table="apart", name="ref", type=types.source),
        ),
        constraints=(
            Constraint(oid=10, relation=USERS, schema="public", table="users", name="c", kind="c", definition="CHECK ((id <> id))"),
        ),
        indexes=(Index(oid=11, relation=USERS, schema="public", table="users", name="i", definition="CREATE INDEX i ON public.users USING btree (id)"),),
        policies=(Policy(oid=12, relation=USERS, schema="public", table="users", name="p", using="(id = g())"),),
        dependencies=(
            Dependency(RULE, Address("pg_class", USERS, 1), "n"),
            Dependency(RULE, Address("pg_class", VIEW), "i"),
        ),
    )  # fmt: skip


def plan(types: TypePair = PAIR, *repairs: Repair) -> Plan:
    scope = Scope(types, (ScopedColumn((USERS, 1), "users.id", "key", "users.id", ""),), ())
    return Plan(Identity("1", 5, "app"), "", scope, (), repairs=repairs)


def converted(catalog: Catalog, types: TypePair = PAIR) -> Catalog:
    """What a conversion of users.id makes of it."""
    return with_columns(catalog, lambda c: replace(c, type=types.target) if c.table in {"users", "named"} else c)


def with_columns(catalog: Catalog, change: Callable[[Column], Column]) -> Catalog:
    return replace(catalog, columns=tuple(change(c) for c in catalog.columns))


def differences(after: Catalog, *repairs: Repair) -> list[str]:
    return [f"{d.object}: {d.property}" for d in compare_catalogs(plan(PAIR, *repairs), before(), after)]


def test_the_types_of_the_scope_and_of_views_over_it_follow() -> None:
    assert differences(converted(before())) == []


def test_nothing_converted_is_a_difference() -> None:
    assert differences(before()) == ["column public.users.id: type"]


def test_only_views_over_the_scope_follow() -> None:
    assert following_views(plan(), before()) == {VIEW}
    after = with_columns(before(), lambda c: replace(c, type="character varying(36)"))
    assert differences(after) == ["column public.apart.ref: type", "column public.plain.ref: type"]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"type": "character varying(40)"}, ["column public.users.id: type"]),
        ({"collation": "pg_catalog.\"C\""}, ["column public.users.id: collation"]),
        ({"not_null": True}, ["column public.users.id: not_null"]),
        ({"default": None}, ["column public.users.id: default"]),
        ({"default": "g()"}, ["column public.users.id: default"]),
        ({"default": "(f())::character varying(36)"}, []),
        ({"storage": "e"}, ["column public.users.id: storage"]),
        ({"comment": "x"}, ["column public.users.id: comment"]),
    ],
)  # fmt: skip
def test_of_a_scoped_column_nothing_else(changes: dict[str, object], found: list[str]) -> None:
    after = with_columns(converted(before()), lambda c: replace(c, **changes) if c.table == "users" else c)  # type: ignore[arg-type]
    assert differences(after) == found


def test_casts_in_definitions() -> None:
    after = converted(before())
    constraint, index = replace(after.constraints[0], definition="CHECK (((id)::text <> (id)::text))"), after.indexes[0]
    assert differences(replace(after, constraints=(constraint,))) == []
    index = replace(index, definition="CREATE INDEX i ON public.users USING btree (id) WHERE (id IS NOT NULL)")
    assert differences(replace(after, indexes=(index,))) == ["index public.i: definition"]


def test_a_repair_counts_for_the_text_that_it_shows() -> None:
    after = converted(before())
    mended = replace(after, policies=(replace(after.policies[0], using="((id)::text = ((g())::uuid)::text)"),))
    assert differences(mended) == ["policy public.users.p: using"]
    shown = Repair("policy p on users", "(id = g())", "(id = g()::uuid::text)", "")
    assert differences(mended, shown) == []
    other = replace(shown, after="(id = g()::text)")
    assert differences(mended, other) == ["policy public.users.p: using"]
    for_another = replace(shown, before="(id = h())")
    assert differences(mended, for_another) == ["policy public.users.p: using"]


def test_a_lost_object_and_a_new_one_are_named() -> None:
    after = converted(before())
    assert differences(replace(after, indexes=())) == ["index public.i: "]
    assert differences(replace(after, policies=(*after.policies, replace(after.policies[0], name="q")))) == [
        "policy public.users.q: "
    ]


@pytest.mark.parametrize(
    ("sequence", "follows"),
    [
        ("bigint start 1 min 1 max 9223372036854775807 increment 1 cache 1", True),
        ("bigint start 1 min 1 max 2147483647 increment 1 cache 1", True),
        ("bigint start 7 min 1 max 9223372036854775807 increment 1 cache 1", False),
        ("bigint start 1 min 1 max 99 increment 1 cache 1", False),
    ],
)
def test_a_sequence_widens_with_its_column(sequence: str, follows: bool) -> None:
    types = TypePair("integer", "bigint")
    start = before(types)
    after = converted(start, types)
    after = replace(
        after, relations=tuple(replace(r, sequence=sequence) if r.kind == "S" else r for r in after.relations)
    )
    left = compare(permitted_changes(plan(types), start, after), after)
    assert (left == ()) is follows


def test_storage_goes_with_a_type_that_has_none() -> None:
    types = TypePair("text", "uuid")
    start = with_columns(before(types), lambda c: replace(c, storage="e", compression="l", default=None))
    after = with_columns(
        start,
        lambda c: replace(c, type="uuid", storage="", compression="") if c.table == "users"
        else replace(c, type="uuid") if c.table == "named" else c,
    )  # fmt: skip
    assert compare_catalogs(plan(types), start, after) == ()
