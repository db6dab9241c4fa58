"""Logins inside texts: URLs of any scheme, libpq's DSNs, and plain values. Only user and password are replaced.

Hosts differ between the inside of a host's network and the outside, and ports and databases are not ours to touch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus, unquote

from core.secrets.login import Login

# The password goes up to the last @ before the path, as people forget to encode it.
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,40}://)(?P<user>[^\s/?#:@'\"]{0,256}):(?P<password>[^\s/?#'\"]{1,4096})@"
    r"(?P<host>\[[^\]\s]*\]|[^\s:/?#,'\"@]*)(?=(?::\d*)?(?:/(?P<database>[^\s?#'\",]*))?)"
)
_QUERY_PAIR = re.compile(r"(?P<name>[?&](?:user|password)=)(?P<value>[^&\s'\"#]*)")
_DSN_PAIR = re.compile(r"(?P<name>(?<![\w.?&])(?:user|password)\s*=\s*)(?P<value>'(?:[^'\\]|\\.)*'|[^\s'\"]+)")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where a login of the same name is another server's, which has its own: there it stays.

    Attributes:
        hosts, databases: either tells it; the host may have another name inside its network.
    """

    hosts: frozenset[str] = frozenset()
    databases: frozenset[str] = frozenset()

    def has(self, host: str, database: str) -> bool:
        return host in self.hosts or database in self.databases


NOWHERE = Elsewhere()


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text with a login replaced.

    Attributes:
        text: after it.
        count: places that were changed.
        left: whether the old password still stands in it, in a place that is not this login's, or not understood.
    """

    text: str
    count: int
    left: bool


def replace_login(text: str, old: Login, new: Login, *, elsewhere: Elsewhere = NOWHERE) -> Replaced:
    """Replace a login wherever the text holds both its user and its password; a text that is the password alone, too.

    Args:
        elsewhere: URLs that lead there stay.
    """
    if text.strip() == old.password.get_secret_value():
        whole = text.replace(old.password.get_secret_value(), new.password.get_secret_value())
        return Replaced(whole, 1, left=False)
    text, in_urls = _in_urls(text, old, new, elsewhere)
    text, in_queries = _in_pairs(text, _QUERY_PAIR, old, new)
    text, in_dsns = _in_pairs(text, _DSN_PAIR, old, new)
    return Replaced(text, in_urls + in_queries + in_dsns, left=holds(text, old))


def holds(text: str, login: Login) -> bool:
    """Whether the password stands in the text, in one of the ways in which it is written."""
    return any(form in text for form in _forms(login.password.get_secret_value()))


def _in_urls(text: str, old: Login, new: Login, elsewhere: Elsewhere) -> tuple[str, int]:
    count = 0

    def change(found: re.Match[str]) -> str:
        nonlocal count
        known = (old.user, old.password.get_secret_value())
        written = (found["user"], found["password"])
        if written != known and (unquote(written[0]), unquote(written[1])) != known:
            return found[0]
        if elsewhere.has(found["host"].strip("[]"), unquote(found["database"] or "")):
            return found[0]
        count += 1
        password = quote(new.password.get_secret_value(), safe="")
        return f"{found['scheme']}{quote(new.user, safe='')}:{password}@{found['host']}"

    text = _URL.sub(change, text)
    # A password with / ? or # that nobody has encoded: only the whole of it tells where it ends.
    raw = f"://{old.user}:{old.password.get_secret_value()}@"
    if raw in text and not _URL.search(raw):
        count += text.count(raw)
        text = text.replace(raw, f"://{quote(new.user, safe='')}:{quote(new.password.get_secret_value(), safe='')}@")
    return text, count


def _in_pairs(text: str, pattern: re.Pattern[str], old: Login, new: Login) -> tuple[str, int]:
    """Replace `password=…`, and `user=…` beside it; another user's password of the same value stays."""
    encoded = pattern is _QUERY_PAIR
    found = [
        (match["name"].strip("?&= \t"), _read(match["value"], encoded=encoded)) for match in pattern.finditer(text)
    ]
    if ("password", old.password.get_secret_value()) not in found:
        return text, 0
    users = {value for name, value in found if name == "user"}
    if users and users != {old.user}:
        return text, 0
    count = 0

    def change(match: re.Match[str]) -> str:
        nonlocal count
        name, value = match["name"].strip("?&= \t"), _read(match["value"], encoded=encoded)
        if name == "password" and value == old.password.get_secret_value():
            count += 1
            return match["name"] + _write(new.password.get_secret_value(), encoded=encoded)
        if name == "user" and old.user != new.user:
            return match["name"] + _write(new.user, encoded=encoded)
        return match[0]

    return pattern.sub(change, text), count


def _read(value: str, *, encoded: bool) -> str:
    if encoded:
        return unquote(value)
    return re.sub(r"\\(.)", r"\1", value[1:-1] if value.startswith("'") else value)


def _write(value: str, *, encoded: bool) -> str:
    if encoded:
        return quote(value, safe="")
    if re.fullmatch(r"[^\s'\\]+", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _forms(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield re.sub("%..", lambda code: code[0].lower(), quote(value, safe=""))
