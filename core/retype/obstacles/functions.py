"""Functions whose bodies PostgreSQL does not track, and which may fail when they are called after the conversion."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.postgres.catalog import Catalog, Function
from core.postgres.sql import qualified
from core.retype.closure import Closure
from core.retype.dependents import functions
from core.retype.findings import listed
from core.retype.model import PlanWarning, Scope
from core.retype.tables import tables_touched
from core.retype.types import aliases


def warnings(catalog: Catalog, scope: Scope, closure: Closure) -> Iterator[PlanWarning]:
    """Functions that name the keys' type and have to do with a converted table: by name, or as a trigger on one."""
    touched = tables_touched(catalog, scope, closure)
    relations = touched | {part.address.oid for part in closure.of_kind("view")}
    names = {catalog.relation[oid].name.lower(): catalog.relation[oid].name for oid in relations}
    fired = {t.function for t in catalog.triggers if t.relation in relations}
    typed = _type_pattern(scope.types.source)
    for function in sorted(catalog.functions, key=lambda f: (f.schema, f.name, f.arguments)):
        if function.extension is not None or function.is_sql_body or function.kind == "a":
            continue
        text = f"{function.arguments} {function.returns} {function.body}"
        if not typed.search(text):
            continue
        words = {word.lower() for word in re.findall(r"\w+", function.body)}
        mentioned = sorted(name for word, name in names.items() if word in words)
        if mentioned or function.oid in fired:
            yield _may_fail(scope, function, mentioned)


def _may_fail(scope: Scope, function: Function, mentioned: list[str]) -> PlanWarning:
    about = functions.subject(function)
    uses = f"uses {listed(mentioned, 5)}" if mentioned else "is a trigger on a converted table"
    return PlanWarning(
        f"function:{qualified(function.schema, function.name)}({function.arguments})",
        about.object,
        f"It {uses} and speaks of {scope.types.source} in its arguments, result or body, which PostgreSQL does not check.",
        f"Where it compares a converted column with a {scope.types.source}, it fails when it is called (operator does not exist).",
    )


def _type_pattern(type_text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(sorted(aliases(type_text)))})\b", re.IGNORECASE)
