"""Obstacles in the objects that would have to be dropped and created again."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_identifier
from core.retype.closure import Closure
from core.retype.dependents import functions, views
from core.retype.findings import listed
from core.retype.model import Blocker, PlanWarning


def blockers(catalog: Catalog, closure: Closure) -> Iterator[Blocker]:
    for part in closure.parts:
        if part.kind == "view":
            view = catalog.relation[part.address.oid]
            about, full, extension = views.subject(view), qualified(view.schema, view.name), view.extension
            if view.persistence == "t":
                yield Blocker(
                    f"temporary:{full}",
                    about.object,
                    "It is a temporary view of some session, which uses a converted column; nobody else can create it again.",
                    "End that session.",
                )
        elif part.kind == "function":
            function = catalog.function[part.address.oid]
            about, full, extension = functions.subject(function), functions.subject(function).name, function.extension
        else:
            continue
        if extension is not None:
            yield Blocker(
                f"extension-member:{full}",
                about.object,
                f"It uses what changes and belongs to the extension {quote_identifier(extension)}, which does not let it be "
                "dropped.",
                f"Take it out of the extension for the conversion: ALTER EXTENSION {quote_identifier(extension)} DROP {about.sql}.",
            )


def warnings(catalog: Catalog, closure: Closure) -> Iterator[PlanWarning]:
    for part in closure.parts:
        if part.kind == "view":
            view = catalog.relation[part.address.oid]
            columns = catalog.columns_of.get(view.oid, ())
            about, labels = views.subject(view), [*view.labels, *(label for c in columns for label in c.labels)]
        elif part.kind == "function":
            function = catalog.function[part.address.oid]
            about, labels = functions.subject(function), [*function.labels]
        else:
            continue
        providers = sorted({label.provider for label in labels})
        if providers:
            yield PlanWarning(
                f"security-label:{about.name}",
                about.object,
                f"It is dropped and created again, and its security labels are then given to it by {listed(providers)}, which "
                "the server must have loaded.",
                "If it has not, or does not allow it to this role, the conversion fails there and rolls back.",
            )
