"""What looks like a secret in a line of text: detect-secrets' patterns, and two of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

_LEFT_OUT = frozenset({"Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector"})
"""Detectors that go by entropy, which takes every hash and id for a secret; and one that finds no secrets."""

SHORTEST_LINE, LONGEST_LINE = 8, 2000
"""Characters of a line that the patterns look at: no secret is shorter; minified code and data are longer."""


class HostKeyDetector(RegexBasedDetector):
    """API keys of Render, which detect-secrets does not know."""

    @property
    def secret_type(self) -> str:
        return "Render API Key"

    @property
    def denylist(self) -> list[re.Pattern[str]]:
        return [re.compile(r"\brnd_[A-Za-z0-9]{20,}\b")]


_ASSIGNED = re.compile(
    r"\s*(?:export\s+)?[A-Za-z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)[A-Za-z0-9_]*\s*=\s*['\"]?(?P<value>[^\s'\"#$]{8,})",
    re.IGNORECASE,
)
"""A secret without quotes, as .env files have them; in code, the same would be an expression."""


@cache
def _plugins() -> tuple[BasePlugin, ...]:
    known = get_mapping_from_secret_type_to_class().values()
    return (HostKeyDetector(), *(plugin() for plugin in known if plugin.__name__ not in _LEFT_OUT))


def look(name: str, line: str) -> Iterator[tuple[str, str]]:
    """What in the line looks like a secret: its kind and its value. Names of placeholders and variables do not count.

    Args:
        name: of the file, which decides whether values stand in quotes.
    """
    if not SHORTEST_LINE <= len(line) <= LONGEST_LINE:
        return
    seen: set[str] = set()
    for plugin in _plugins():
        for secret in plugin.analyze_line(filename=name, line=line):
            value = secret.secret_value or ""
            if value not in seen and not _is_harmless(value):
                seen.add(value)
                yield secret.type, value
    assigned = _ASSIGNED.match(line) if ".env" in Path(name).name else None
    if assigned is not None and assigned["value"] not in seen and not _is_harmless(assigned["value"]):
        yield "Assigned Secret", assigned["value"]


def _is_harmless(value: str) -> bool:
    return (
        heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_sequential_string(value)
        or heuristic.is_not_alphanumeric_string(value)
    )
