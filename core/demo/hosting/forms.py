"""Forms of the API's requests and answers: pages, bodies, names, and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import unquote

from aiohttp import web

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Rejection(Exception):
    """A refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def page(request: web.Request, holds: str, items: Sequence[Mapping[str, Any]]) -> web.Response:
    """The page after the cursor; a cursor is the number of the item that it belongs to."""
    cursor, limit = request.query.get("cursor", ""), limit_of(request)
    first = int(cursor) + 1 if cursor.isdigit() else 0
    page = [{"cursor": str(n), holds: item} for n, item in enumerate(items)][first : first + limit]
    return web.json_response(page)


def limit_of(request: web.Request) -> int:
    limit = int(request.query.get("limit", DEFAULT_PAGE))
    if not 1 <= limit <= LARGEST_PAGE:
        raise Rejection(400, f"limit must be between 1 and {LARGEST_PAGE}")
    return limit


def time_of(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name)
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise Rejection(400, f"{name} is no time: {text}") from None


async def body_of(request: web.Request) -> dict[str, Any]:
    try:
        document = json.loads(await request.text() or "{}")
    except ValueError:
        raise Rejection(400, "the body is no JSON") from None
    if not isinstance(document, dict):
        raise Rejection(400, "the body is no object")
    return cast("dict[str, Any]", document)


async def text_of(request: web.Request, name: str) -> str:
    value = (await body_of(request)).get(name)
    if not isinstance(value, str):
        raise Rejection(400, f"{name} is required")
    return value


def name_of(request: web.Request) -> str:
    name = unquote(request.match_info["name"])
    if not VARIABLE.fullmatch(name):
        raise Rejection(400, f"{name} is no name of a variable")
    return name


def told_variables(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in variables.items()]


def told_files(files: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "content": content} for name, content in files.items()]


def delete_from(variables: dict[str, str], name: str) -> web.Response:
    if variables.pop(name, None) is None:
        raise Rejection(404, f"not found: {name}")
    return web.Response(status=204)
