"""What speaks for a reference without a foreign key, and what is decided from it; no server."""

from __future__ import annotations

import pytest

from core.postgres.catalog import Catalog, ColumnKey, Function, Policy, Rule, Trigger
from core.retype.model import Scope, ScopeRequest, SoftReference, TypePair
from core.retype.names import column_name, find_column
from core.retype.scope import decide_scope
from core.retype.soft_references.comparisons import Comparison, find_comparisons
from core.retype.soft_references.find import Clues
from core.retype.soft_references.samples import Sample
from tests.catalogs import CatalogBuilder


@pytest.fixture
def shop() -> CatalogBuilder:
    """users <- deals, and a table of columns that no foreign key joins to them."""
    builder = CatalogBuilder()
    users = builder.table("users", "id uuid", "mail text")
    deals = builder.table("deals", "id uuid", "owner uuid")
    builder.foreign_key(deals, "owner", users)
    builder.table("log", "n bigint", "user_id uuid", "subject uuid", "trace uuid", "user_ids uuid[]")
    return builder


def key_of(catalog: Catalog, name: str) -> ColumnKey:
    return find_column(catalog, name).key


def the(scope: Scope, name: str) -> SoftReference:
    return next(soft for soft in scope.soft_references if soft.name == name)


# --- what is decided ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "sample", "is_reference", "said"),
    [
        ("log.subject", Sample(100, 97, (("users.id", 97),)), True, "97 of 100 sampled values are in users.id"),
        ("log.subject", Sample(1, 1, (("users.id", 1),)), True, "1 of 1 sampled value is in users.id"),
        (
            "log.subject",
            Sample(100, 100, (("users.id", 60), ("deals.id", 40))),
            True,
            "100 of 100 sampled values are in several keys (users.id 60, deals.id 40)",
        ),
        ("log.subject", Sample(100, 3, (("users.id", 3),)), False, "3 of 100 sampled values are in users.id"),
        ("log.subject", Sample(100), False, "none of 100 sampled values is in a key"),
        ("log.subject", Sample(), False, "it holds no values to look for"),
        ("log.user_id", Sample(100), False, "none of 100 sampled values is in a key"),
        ("log.user_id", Sample(100, 3, (("users.id", 3),)), True, "3 of 100 sampled values are in users.id"),
        ("log.user_id", Sample(), True, "it holds no values to look for"),
        ("log.user_id", Sample(detail="denied"), True, "denied"),
        (
            "log.user_id",
            Sample(100, detail="users.id could not be looked at: denied"),
            True,
            "none of 100 sampled values is in a key (users.id could not be looked at: denied)",
        ),
    ],
)
def test_values_speak_louder_than_names(
    shop: CatalogBuilder, column: str, sample: Sample, is_reference: bool, said: str
) -> None:
    catalog = shop.build()
    clues = Clues(samples={key_of(catalog, column): sample})
    scope = decide_scope(catalog, ScopeRequest(soft_references="all"), clues)
    soft = the(scope, column)
    assert (soft.is_reference, soft.chosen) == (is_reference, is_reference)
    assert said in map(str, soft.evidence)
    assert ({c.name for c in scope.columns if c.role == "soft"} >= {column}) is is_reference


def test_a_column_that_is_set_beside_a_key_is_a_reference_whatever_its_values_are(shop: CatalogBuilder) -> None:
    catalog = shop.build()
    trace, users = key_of(catalog, "log.trace"), key_of(catalog, "users.id")
    clues = Clues((Comparison(trace, users, "view public.traces"),), {trace: Sample(100)})
    soft = the(decide_scope(catalog, ScopeRequest(soft_references="all"), clues), "log.trace")
    assert soft.chosen
    assert "view public.traces sets it beside users.id" in map(str, soft.evidence)
    left = (
        "It stays uuid, and no longer compares with users.id (character varying(36)): view public.traces needs a cast"
    )
    assert soft.if_left.startswith(left)
    assert "log (16 kB with its indexes) is locked and rewritten only for it" in soft.if_taken


def test_what_is_compared_with_something_that_stays_is_said(shop: CatalogBuilder) -> None:
    catalog = shop.build()
    one, other = key_of(catalog, "log.user_id"), key_of(catalog, "log.trace")
    scope = decide_scope(catalog, ScopeRequest(), Clues((Comparison(one, other, "function f()"),)))
    assert "It no longer compares with log.trace, unless that is taken too." in the(scope, "log.user_id").if_taken


def test_arrays_of_keys_cannot_be_taken_and_what_to_do_is_said(shop: CatalogBuilder) -> None:
    scope = decide_scope(shop.build(), ScopeRequest(soft_references="all"))
    soft = the(scope, "log.user_ids")
    assert (soft.is_reference, soft.can_be_taken, soft.chosen) == (True, False, False)
    assert soft.if_taken.endswith("ALTER TABLE public.log ALTER COLUMN user_ids TYPE character varying(36)[]")


def test_columns_of_numbers_are_not_listed_for_their_type() -> None:
    builder = CatalogBuilder()
    builder.table("users", "id integer")
    builder.table("log", "id text", "user_id integer", "size integer", primary=())
    scope = decide_scope(builder.build(), ScopeRequest(TypePair("integer", "bigint"), soft_references="all"))
    assert [soft.name for soft in scope.soft_references] == ["log.user_id"]
    assert scope.soft_references[0].chosen


# --- what stored texts set side by side ---------------------------------------------------------------------------------

VIEWS = {
    "a join": "SELECT 1 FROM public.log l JOIN public.users u ON u.id = l.subject",
    "a join with other names": "SELECT 1 FROM public.log l(n, a, b), public.users u WHERE u.id = l.b",
    "a cast on either side": "SELECT 1 FROM public.log l JOIN public.users u ON (u.id)::text = (l.subject)::text",
    "unqualified": "SELECT 1 FROM public.log JOIN public.users ON id = subject",
    "not equal": "SELECT 1 FROM public.log, public.users WHERE users.id <> log.subject",
    "is distinct from": "SELECT 1 FROM public.log, public.users WHERE users.id IS DISTINCT FROM log.subject",
    "IN a query": "SELECT 1 FROM public.log WHERE subject IN (SELECT users.id FROM public.users)",
    "a query as value": "SELECT 1 FROM public.log WHERE subject = (SELECT u.id FROM public.users u LIMIT 1)",
    "EXISTS, from outside": "SELECT 1 FROM public.log l WHERE EXISTS (SELECT FROM public.users WHERE id = l.subject)",
    "rows": "SELECT 1 FROM public.log l, public.users u WHERE (l.subject, l.n) = (u.id, 1)",
    "a list": "SELECT 1 FROM public.log l, public.users u WHERE u.id IN (l.subject, NULL)",
    "through a subquery": "SELECT 1 FROM (SELECT l.subject AS who FROM public.log l) s, public.users u WHERE s.who = u.id",
    "through WITH": "WITH q AS (SELECT * FROM public.log) SELECT 1 FROM q JOIN public.users u ON q.subject = u.id",
    "through WITH's names": "WITH q(a) AS (SELECT subject FROM public.log) SELECT 1 FROM q, public.users u WHERE a = u.id",
    "in a union": "SELECT 1 UNION SELECT 2 FROM public.log l, public.users u WHERE u.id = l.subject",
    "through a union": (
        "SELECT 1 FROM (SELECT subject AS x FROM public.log UNION SELECT null) s JOIN public.users u ON u.id = s.x"
    ),
    "lateral": "SELECT 1 FROM public.log l, LATERAL (SELECT FROM public.users WHERE id = l.subject) s",
    "through another view": "SELECT 1 FROM public.subjects s JOIN public.users u ON u.id = s.who",
}


@pytest.mark.parametrize("sql", [pytest.param(sql, id=name) for name, sql in VIEWS.items()])
def test_a_view_that_sets_the_two_side_by_side(shop: CatalogBuilder, sql: str) -> None:
    subjects = shop.table("subjects", "who uuid", kind="v", primary=())
    shop.define(subjects, "SELECT l.subject FROM public.log l")
    shop.define(shop.table("v", "x integer", kind="v", primary=()), sql)
    assert found_in(shop, "log.subject") == [("users.id", "view v")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT l.subject FROM public.log l, public.users u",
        "SELECT 1 FROM public.log l, public.users u WHERE l.n > 1 AND u.mail = 'x'",
        "SELECT 1 FROM public.log l, public.users u WHERE md5(l.subject::text) = md5(u.id::text)",
        "SELECT 1 FROM (SELECT subject AS id FROM public.log) s, public.users u WHERE s.id = s.id",
        "SELECT 1 FROM public.nowhere u, public.log l WHERE u.id = l.subject",
        "this is no SQL of subject and id",
    ],
)
def test_a_view_that_does_not(shop: CatalogBuilder, sql: str) -> None:
    shop.define(shop.table("v", "x integer", kind="v", primary=()), sql)
    assert found_in(shop, "log.subject") == []


def plpgsql(body: str) -> Function:
    return Function(
        oid=90001, schema="public", name="f", language="plpgsql", body=body, returns="trigger", is_trigger=True
    )


FUNCTIONS = {
    "a statement": "BEGIN PERFORM FROM log l JOIN users u ON u.id = l.subject; RETURN NEW; END",
    "a new row": "BEGIN IF EXISTS (SELECT FROM users WHERE id = NEW.subject) THEN RETURN NEW; END IF; RETURN NULL; END",
    "an insert": "BEGIN INSERT INTO log (n, subject) SELECT 1, id FROM users; RETURN NEW; END",
    "an insert of all": "BEGIN INSERT INTO log SELECT 1, NULL, id FROM users; RETURN NEW; END",
    "an update": "BEGIN UPDATE log SET subject = u.id FROM users u WHERE u.mail = 'x'; RETURN NEW; END",
    "a delete": "BEGIN DELETE FROM log USING users u WHERE u.id = subject; RETURN NEW; END",
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in FUNCTIONS.items()])
def test_a_trigger_function_that_does(shop: CatalogBuilder, body: str) -> None:
    shop.functions.append(plpgsql(body))
    log = shop.find("public", "log")
    shop.triggers.append(Trigger(90002, log.oid, 90001, schema="public", table="log", name="t"))
    assert found_in(shop, "log.subject") == [("users.id", "function f()")]


def test_functions_in_sql_policies_rules_and_conditions(shop: CatalogBuilder) -> None:
    log, users = shop.find("public", "log"), shop.find("public", "users")
    where = "EXISTS (SELECT FROM public.users u WHERE u.id = log.subject)"
    shop.functions.append(
        Function(1, schema="public", name="f", language="sql", body="SELECT 1 FROM users, log WHERE users.id = subject")
    )
    shop.policies.append(Policy(2, log.oid, "public", "log", "p", using=where))
    rule = "CREATE RULE r AS ON UPDATE TO public.log DO ALSO DELETE FROM public.users WHERE users.id = OLD.subject"
    shop.rules.append(Rule(3, log.oid, "public", "log", "r", rule))
    shop.functions.append(plpgsql("BEGIN this is not PL/pgSQL of subject"))
    assert [where for _, where in found_in(shop, "log.subject")] == [
        "function f()",
        "policy p on log",
        "rule r on log",
    ]
    assert found_in(shop, "log.trace") == []
    assert users.oid


def test_membership_in_an_array_of_keys(shop: CatalogBuilder) -> None:
    sql = "SELECT 1 FROM public.users u, public.log l WHERE u.id = ANY (l.user_ids)"
    shop.define(shop.table("v", "x integer", kind="v", primary=()), sql)
    assert found_in(shop, "log.user_ids") == [("users.id", "view v")]


def found_in(builder: CatalogBuilder, name: str) -> list[tuple[str, str]]:
    catalog = builder.build()
    found = find_comparisons(catalog, [key_of(catalog, name)])
    return [(column_name(catalog.column[c.other]), c.where) for c in found]
