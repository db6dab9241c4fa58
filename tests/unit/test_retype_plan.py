"""Decisions that need no server: order, refusals of the unknown, texts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.postgres.catalog import Address, Catalog, Dependency, Grant, Policy, Relation
from core.postgres.fingerprint import compare
from core.postgres.identity import Identity
from core.retype.activity import Activity, Session
from core.retype.blockers import Findings, find_blockers
from core.retype.blocks import do_block
from core.retype.closure import close_over
from core.retype.dependents import foreign_keys
from core.retype.dependents.grants import restore_grants
from core.retype.dependents.subject import Subject
from core.retype.model import Phase, Plan, ScopeRequest
from core.retype.plan import make_plan
from core.retype.scope import decide_scope
from core.retype.script import render_script
from tests.catalogs import SERVER, CatalogBuilder

IDENTITY = Identity("7300000000000000001", 5, "app")
QUIET = Activity(
    acts_as=frozenset({"owner"}),
    may_become=frozenset({"owner"}),
    settings={
        "max_locks_per_transaction": "64",
        "max_connections": "100",
        "max_prepared_transactions": "0",
        "max_worker_processes": "8",
        "max_wal_senders": "10",
        "autovacuum_max_workers": "3",
    },
)


@pytest.fixture
def shop() -> CatalogBuilder:
    builder = CatalogBuilder()
    users = builder.table("users", "id uuid", "stage integer")
    deals = builder.table("deals", "id uuid", "owner_id uuid", "stage integer")
    builder.foreign_key(deals, "owner_id", users)
    return builder


def plan_of(catalog: Catalog, activity: Activity = QUIET, **request: object) -> Plan:
    scope = decide_scope(catalog, ScopeRequest(**request))  # type: ignore[arg-type]
    return make_plan(catalog, scope, find_blockers(catalog, scope, activity), IDENTITY)


def test_phases_come_in_order_and_tables_that_hold_keys_before_those_that_only_reference(
    shop: CatalogBuilder,
) -> None:
    notes = shop.table("a_notes", "id bigint", "deal_id uuid")
    shop.foreign_key(notes, "deal_id", shop.find("public", "deals"))
    plan = plan_of(shop.build())
    assert [s.phase for s in plan.statements] == sorted(s.phase for s in plan.statements)
    assert [s.table for s in plan.of_phase(Phase.RETYPE_KEYS)] == ["deals", "users"]
    assert [s.table for s in plan.of_phase(Phase.RETYPE_REFERENCES)] == ["a_notes"]
    (lock, *_) = plan.of_phase(Phase.VERIFY)
    assert lock.sql == "LOCK TABLE public.a_notes, public.deals, public.users IN ACCESS EXCLUSIVE MODE"
    (deals, _) = plan.of_phase(Phase.RETYPE_KEYS)
    assert deals.sql == (
        "ALTER TABLE public.deals ALTER COLUMN id TYPE character varying(36), "
        "ALTER COLUMN owner_id TYPE character varying(36)"
    )


def test_keys_are_counted_apart_from_references_and_by_their_root(shop: CatalogBuilder) -> None:
    plan = plan_of(shop.build())
    counts = {(t.what, t.root): t.count for s in plan.statements for t in s.tallies if s.table == "deals" or t.root}
    assert counts["keys retyped", "deals.id"] == 1
    assert counts["references retyped", "users.id"] == 1
    assert counts["foreign keys dropped", "users.id"] == 1
    assert counts["foreign keys recreated", "users.id"] == 1


def test_what_the_catalog_does_not_know_is_a_blocker(shop: CatalogBuilder) -> None:
    users = shop.find("public", "users")
    shop.depends(Address("pg_something_new", 99), users, ("id",), "n")
    shop.depends(Address("pg_rewrite", 4711), users, ("id",), "n")
    plan = plan_of(shop.build())
    assert [b.id for b in plan.blockers] == [
        "unknown-dependent:pg_rewrite 4711",
        "unknown-dependent:pg_something_new 99",
    ]
    assert "pg_describe_object('pg_something_new'::regclass, 99, 0)" in plan.blockers[1].way_out


def test_nothing_is_ever_dropped_with_cascade(shop: CatalogBuilder) -> None:
    policy = Policy(
        oid=shop.oid(),
        relation=shop.find("public", "deals").oid,
        schema="public",
        table="deals",
        name="p",
        using="true",
    )
    shop.policies.append(policy)
    shop.depends(Address("pg_policy", policy.oid), shop.find("public", "users"), ("id",), "n")
    plan = plan_of(shop.build())
    assert not plan.blockers
    drops = [s.sql for s in plan.of_phase(Phase.DETACH)]
    assert drops[0] == "DROP POLICY p ON public.deals"
    assert not any("CASCADE" in sql for sql in drops)


def test_foreign_keys_beside_recreated_ones_are_recreated_too() -> None:
    """Whatever their age: see below."""
    builder = CatalogBuilder()
    stages, kinds, apart = (builder.table(name, "id integer") for name in ("stages", "kinds", "apart"))
    users = builder.table("users", "id uuid", "stage integer")
    deals = builder.table("deals", "id uuid", "owner_id uuid", "kind integer")
    lines = builder.table("lines", "id integer", "stage integer")
    older = builder.foreign_key(users, "stage", stages)
    alone = builder.foreign_key(apart, "id", apart)
    owner = builder.foreign_key(deals, "owner_id", users)
    younger = builder.foreign_key(deals, "kind", kinds)
    chained = builder.foreign_key(lines, "stage", stages)
    catalog = builder.build()
    scope = decide_scope(catalog, ScopeRequest())
    assert scope.foreign_keys == (owner.oid,)
    again = foreign_keys.recreated(catalog, scope)
    assert [key.name for key in again] == [older.name, owner.name, younger.name, chained.name]
    assert alone not in again


@pytest.mark.parametrize("next_id", [20_000, 100_010])
def test_the_order_of_foreign_keys_is_kept_when_ids_get_longer(next_id: int) -> None:
    builder = CatalogBuilder()
    stages = builder.table("stages", "id integer")
    users = builder.table("users", "id uuid", "stage integer")
    deals = builder.table("deals", "id uuid", "owner_id uuid")
    for table, column, target in ((users, "stage", stages), (deals, "owner_id", users), (deals, "id", deals)):
        builder.foreign_key(table, column, target)
    catalog = builder.build()
    ids = iter(range(next_id, next_id + 9))
    fresh = {key.oid: next(ids) for key in foreign_keys.recreated(catalog, decide_scope(catalog, ScopeRequest()))}
    renumbered = tuple(replace(c, oid=fresh.get(c.oid, c.oid)) for c in catalog.constraints)
    assert compare(catalog, replace(catalog, constraints=renumbered)) == ()


def test_views_are_put_back_in_the_order_of_their_dependencies(shop: CatalogBuilder) -> None:
    """z is used by a: names alone would put them the wrong way round."""
    users = shop.find("public", "users")
    views: dict[str, Relation] = {}
    for name in ("z", "a"):
        view = Relation(
            oid=shop.oid(),
            row_type=shop.oid(),
            schema="public",
            name=name,
            kind="v",
            owner="owner",
            definition=" SELECT 1;",
        )
        rule = Address("pg_rewrite", shop.oid())
        shop.relations.append(view)
        shop.dependencies.append(Dependency(rule, Address("pg_class", view.oid), "i"))
        if name == "z":
            shop.depends(rule, users, ("id",), "n")
        else:
            shop.dependencies.append(Dependency(rule, Address("pg_class", views["z"].oid, 1), "n"))
        views[name] = view
    catalog = shop.build()
    closure = close_over(catalog, decide_scope(catalog, ScopeRequest()))
    assert [part.name for part in closure.parts] == ["z", "a"]
    plan = plan_of(catalog)
    assert [s.sql for s in plan.of_phase(Phase.DETACH)][:2] == ["DROP VIEW public.a", "DROP VIEW public.z"]


def test_grants_are_replayed_by_their_grantors_when_they_can() -> None:
    grants = (
        Grant("a", "owner", "SELECT", True),
        Grant("b", "a", "SELECT", True),
        Grant("c", "b", "SELECT", False),
        Grant("owner", "owner", "SELECT", False),
        Grant("PUBLIC", "owner", "INSERT", False),
    )
    subject = Subject("view", "VIEW public.v", "v", Address("pg_class", 1))
    statements = [s.sql for s in restore_grants(Catalog(SERVER), subject, "TABLE public.v", "owner", grants, ())]
    assert statements == [
        "REVOKE ALL ON TABLE public.v FROM a, b, c, owner, PUBLIC",
        "GRANT INSERT ON TABLE public.v TO PUBLIC",
        "GRANT SELECT ON TABLE public.v TO a WITH GRANT OPTION",
        "GRANT SELECT ON TABLE public.v TO owner",
        "SET LOCAL ROLE a",
        "GRANT SELECT ON TABLE public.v TO b WITH GRANT OPTION",
        "RESET ROLE",
        "SET LOCAL ROLE b",
        "GRANT SELECT ON TABLE public.v TO c",
        "RESET ROLE",
    ]


def test_ordinary_privileges_need_no_statement() -> None:
    grants = (Grant("owner", "owner", "SELECT", False),)
    subject = Subject("view", "VIEW public.v", "v", Address("pg_class", 1))
    assert list(restore_grants(Catalog(SERVER), subject, "TABLE public.v", "owner", grants, grants)) == []


def test_a_replica_and_a_vacuum_that_does_not_give_way_are_refused(shop: CatalogBuilder) -> None:
    shop_replica = replace(shop.build(), server=replace(SERVER, in_recovery=True))
    assert [b.id for b in plan_of(shop_replica).blockers] == ["read-replica"]
    deals = shop.find("public", "deals").oid
    worker = Session(9, "", "", "active", 100.0, "", (deals,), ("ShareUpdateExclusiveLock",))
    catalog = shop.build()
    scope = decide_scope(catalog, ScopeRequest())
    ordinary = replace(QUIET, lock_holders=(worker,))
    assert find_blockers(catalog, scope, ordinary) == Findings()  # an ordinary one ends itself
    overdue = replace(ordinary, overdue_for_vacuum=frozenset({deals}))
    assert [b.id for b in find_blockers(catalog, scope, overdue).blockers] == ["wraparound-vacuum:deals"]
    seen = replace(
        QUIET, lock_holders=(replace(worker, query="autovacuum: VACUUM public.deals (to prevent wraparound)"),)
    )
    assert [b.id for b in find_blockers(catalog, scope, seen).blockers] == ["wraparound-vacuum:deals"]


def test_a_block_is_quoted_with_a_tag_that_does_not_occur_in_it() -> None:
    assert do_block("BEGIN END") == "DO $pgrecast$\nBEGIN END\n$pgrecast$"
    assert do_block("a $pgrecast$ b").startswith("DO $pgrecast1$")


def test_names_cannot_break_out_of_the_scripts_comments() -> None:
    builder = CatalogBuilder()
    builder.table("x\nDROP TABLE users;\n\\! touch pwned\n--", "id uuid")
    catalog = builder.build()
    script = render_script(plan_of(catalog), catalog)
    about_it = [line for line in script.splitlines() if line.startswith("-- ") and "touch" in line]
    assert about_it  # the whole name in one line: what follows its line breaks is no statement
    assert all("DROP TABLE users; \\! touch" in line for line in about_it)


def test_a_script_with_blockers_says_so_and_does_nothing(shop: CatalogBuilder) -> None:
    catalog = replace(shop.build(), server=replace(SERVER, in_recovery=True))
    script = render_script(plan_of(catalog), catalog)
    assert "read-replica" not in script
    assert "This is a replica" in script
    assert "ALTER TABLE" not in script
    assert "RAISE EXCEPTION" in script
