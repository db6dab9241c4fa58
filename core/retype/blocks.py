"""Anonymous PL/pgSQL blocks, as statements of a plan."""

from __future__ import annotations

from itertools import count

from core.postgres.sql import quote_literal


def do_block(body: str) -> str:
    """A DO statement around `body`, dollar-quoted with a tag that does not occur in it."""
    tag = next(tag for n in count() if (tag := f"$pgrecast{n or ''}$") not in body)
    return f"DO {tag}\n{body}\n{tag}"


def rows(values: list[tuple[str | bool, ...]]) -> str:
    """The rows of a VALUES list."""
    return ",\n    ".join(f"({', '.join(_value(value) for value in row)})" for row in values)


def arrays(values: list[tuple[str, ...]]) -> str:
    """The elements of a two-dimensional ARRAY."""
    return ",\n    ".join(f"[{', '.join(quote_literal(value) for value in row)}]" for row in values)


def _value(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else quote_literal(value)
