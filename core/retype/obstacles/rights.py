"""What the session's role may not do."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog, Grant
from core.postgres.sql import qualified, quote_identifier
from core.retype.activity import Activity
from core.retype.closure import Closure
from core.retype.dependents import foreign_keys, functions, statistics, views
from core.retype.findings import listed
from core.retype.model import Blocker, Scope
from core.retype.names import table_name
from core.retype.tables import tables_altered


def blockers(catalog: Catalog, scope: Scope, closure: Closure, activity: Activity) -> Iterator[Blocker]:
    yield from _row_security(catalog, activity)
    if catalog.server.is_superuser:
        return
    role = quote_identifier(catalog.server.role)
    for full, thing, owner in _owned(catalog, scope, closure):
        if owner not in activity.acts_as:
            yield Blocker(
                f"not-owner:{full}",
                thing,
                f"It belongs to {quote_identifier(owner)}, and {role} has not that role's rights; only an owner alters, drops or "
                "creates it.",
                f"Connect as {quote_identifier(owner)}, or GRANT {quote_identifier(owner)} TO {role}.",
            )
    yield from _not_given_back(catalog, closure, activity)
    referenced = {key.foreign_relation for key in foreign_keys.recreated(catalog, scope)}
    owned = {oid for oid in referenced if catalog.relation[oid].owner in activity.acts_as}
    not_owned = referenced & tables_altered(catalog, scope, closure) - owned  # has a blocker already
    for oid in sorted(activity.no_references & referenced - not_owned, key=lambda oid: _table(catalog, oid)):
        yield Blocker(
            f"no-references:{_table(catalog, oid)}",
            f"table {_table(catalog, oid)}",
            f"{role} has not the privilege REFERENCES on it, which adding the foreign keys again needs.",
            f"GRANT REFERENCES ON {_table(catalog, oid)} TO {role}.",
        )
    for schema, creator in sorted((schema, creator) for creator, schema in activity.no_create):
        yield Blocker(
            f"no-create:{quote_identifier(schema)}:{quote_identifier(creator)}",
            f"schema {quote_identifier(schema)}",
            f"{quote_identifier(creator)} may not create in it, and so cannot be given back the objects there that must be "
            "dropped and created again.",
            f"GRANT CREATE ON SCHEMA {quote_identifier(schema)} TO {quote_identifier(creator)}.",
        )
    for key in foreign_keys.recreated(catalog, scope):
        switched = [state for one in (key, *foreign_keys.copies(catalog, key.oid)) for state in one.enforcement]
        if switched:
            states = sorted({f"{state.function} on {state.table} is {state.enabled}" for state in switched})
            yield Blocker(
                f"enforcement:{qualified(key.schema, key.table)}.{quote_identifier(key.name)}",
                foreign_keys.subject(key).object,
                f"Its triggers were switched (pg_trigger.tgenabled: {listed(states)}); recreated they would be on, and only "
                "a superuser can switch them back.",
                "Let a superuser switch them on (ALTER TABLE … ENABLE TRIGGER ALL) or drop the key, or convert as a superuser.",
            )


def _owned(catalog: Catalog, scope: Scope, closure: Closure) -> Iterator[tuple[str, str, str]]:
    """(full name, object, owner) of everything that only its owner may alter."""
    for oid in sorted(tables_altered(catalog, scope, closure), key=lambda oid: _table(catalog, oid)):
        relation = catalog.relation[oid]
        yield _table(catalog, oid), f"table {table_name(relation.schema, relation.name)}", relation.owner
    for part in closure.parts:
        if part.kind == "view":
            view = catalog.relation[part.address.oid]
            yield qualified(view.schema, view.name), views.subject(view).object, view.owner
        elif part.kind == "function":
            function = catalog.function[part.address.oid]
            yield functions.subject(function).name, functions.subject(function).object, function.owner
        elif part.kind == "publication entry":
            entry = catalog.published_table[part.address.oid]
            publication = next(p for p in catalog.publications if p.oid == entry.publication_oid)
            name = quote_identifier(publication.name)
            yield name, f"publication {name}", publication.owner
    for statistic in catalog.statistics:
        if any((statistic.relation, attnum) in scope.keys for attnum in statistic.columns):
            yield statistics.subject(statistic).name, statistics.subject(statistic).object, statistic.owner


def _not_given_back(catalog: Catalog, closure: Closure, activity: Activity) -> Iterator[Blocker]:
    """Owners and grantors whose role the session cannot take on."""
    for part in closure.parts:
        if part.kind == "view":
            view = catalog.relation[part.address.oid]
            thing, owner = views.subject(view).object, view.owner
            grants = [*view.acl, *(g for column in catalog.columns_of.get(view.oid, ()) for g in column.acl)]
        elif part.kind == "function":
            function = catalog.function[part.address.oid]
            thing, owner, grants = functions.subject(function).object, function.owner, [*function.acl]
        else:
            continue
        for role in sorted(_needed(owner, grants) - activity.may_become - {catalog.server.role}):
            yield Blocker(
                f"not-member:{thing}:{quote_identifier(role)}",
                thing,
                f"It belongs to {quote_identifier(role)} or carries privileges granted by it, and "
                f"{quote_identifier(catalog.server.role)} cannot act in that role's name to put that back.",
                f"GRANT {quote_identifier(role)} TO {quote_identifier(catalog.server.role)}.",
            )


def _needed(owner: str, grants: list[Grant]) -> set[str]:
    return {owner, *(grant.grantor for grant in grants)}


def _row_security(catalog: Catalog, activity: Activity) -> Iterator[Blocker]:
    for oid in sorted(activity.filtered, key=lambda oid: _table(catalog, oid)):
        yield Blocker(
            f"row-security:{_table(catalog, oid)}",
            f"table {_table(catalog, oid)}",
            f"Its policies apply to {quote_identifier(catalog.server.role)} too (FORCE ROW LEVEL SECURITY): foreign keys would "
            "be validated, and contents proved, on the visible rows only.",
            f"ALTER TABLE {_table(catalog, oid)} NO FORCE ROW LEVEL SECURITY for the conversion, or convert as a role with "
            "BYPASSRLS.",
        )


def _table(catalog: Catalog, oid: int) -> str:
    relation = catalog.relation[oid]
    return qualified(relation.schema, relation.name)
