"""The query of each kind of blocker runs by itself; what it finds, the matrix of refusals shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import core.retype
from core.postgres.sql import load_queries
from core.retype.finding_queries import query_that_finds
from core.retype.model import Blocker
from tests.databases import Database

ROOT = Path(core.retype.__file__).parent
QUERIES = {n: q for n, q in load_queries(ROOT / "queries").items() if n.startswith("blocker_")}
WITH_THEIR_OWN = {"values", "orphans"}


def kinds_in(tree: ast.AST) -> Iterator[str]:
    """What stands before the colon in the ids of the blockers that are made there."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in {"Blocker", "_block"}:
            continue
        first = node.args[0]
        if isinstance(first, ast.JoinedStr):
            first = first.values[0]
        if isinstance(first, ast.Constant):
            yield str(first.value).partition(":")[0]


def test_every_kind_of_blocker_has_a_query_and_every_query_a_kind() -> None:
    kinds = {kind for path in ROOT.rglob("*.py") for kind in kinds_in(ast.parse(path.read_text()))}
    assert len(kinds) > 30
    assert {f"blocker_{kind}" for kind in kinds - WITH_THEIR_OWN} == set(QUERIES)
    assert kinds >= WITH_THEIR_OWN


async def test_they_need_no_arguments_and_no_superuser(database: Database) -> None:
    connection = await database.connect()
    await connection.execute("SET default_transaction_read_only = on")
    for name in QUERIES:
        kind = name.removeprefix("blocker_")
        await connection.fetch(query_that_finds(Blocker(f"{kind}:x", "x", "x", "x")))
    assert query_that_finds(Blocker("values:x", "x", "x", "x", "SELECT 1")) == "SELECT 1"
    await connection.close()
