"""Lists that come page by page: a bare array, the cursor of each item beside what it holds."""

from __future__ import annotations

from typing import Any, TypeVar

from core.hosting.render.answers import read_many, told_as, unreadable
from core.hosting.render.transport import Query, Transport

PAGE = 100
"""Items on a page, the most that Render gives."""

T = TypeVar("T")


async def read_pages(
    transport: Transport, path: str, holds: str, kind: type[T], *, query: Query = (), limit: int | None = None
) -> list[T]:
    """All items of a list, or as many as are asked for, in Render's order.

    Args:
        path: of the list.
        holds: the name under which an item stands beside its cursor.
        kind: what each item is.
        query: further conditions.
        limit: how many at most; None for all.

    Raises:
        HostingError: a call failed, or an answer is not what it should be.
    """
    found: list[T] = []
    cursor = ""
    seen: set[str] = set()
    size = PAGE if limit is None else min(PAGE, limit)
    while True:
        asked = [*query, ("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
        answer = await transport.call("GET", path, query=asked, repeatable=True)
        items = read_many(answer, dict[str, Any])
        found += [told_as(answer, item.get(holds, item), kind) for item in items]
        cursor = str(items[-1].get("cursor") or "") if items else ""
        if len(items) < size or not cursor or (limit is not None and len(found) >= limit):
            return found[:limit]
        if cursor in seen:
            raise unreadable(answer, "a page that leads back to an earlier one")
        seen.add(cursor)
