"""Secrets never leave the process: what is known to be one, and what looks like one, is masked in every text.

Boundaries (journal, logs, screen, reports, errors) pass their text through `redactor.redact`; whoever learns a secret
tells it to `redactor.add` before it is used.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

MASK = "***"

# Time grows with the text only: a repetition that something must follow is bounded, and no two in a row can match the
# same character. A quote that nobody closes ends with its line.
_KEY = "password|passwd|pwd|passphrase|secret|token|api_?key|secret_?key|access_?key"
_LOOKS_SECRET = (
    # scheme://user:PASSWORD@host, up to the last @ before the path
    (re.compile(r"(://[^\s/@:]{0,256}:)[^\s/?#]{0,4096}@"), rf"\1{MASK}@"),
    # the same in a database's URL where somebody forgot to encode a / ? or # in the password
    (re.compile(r"(postgres[a-z0-9+]{0,32}://[^\s/@:]{0,256}:)[^\s@]{1,4096}@", re.IGNORECASE), rf"\1{MASK}@"),
    # password='…', "api_key": "…", ALTER ROLE … PASSWORD '…'
    (
        re.compile(rf"((?:{_KEY})(?:=|\s=\s?|['\"]\s?[:=]\s?|\s{{1,8}}E?(?='))')(?:[^'\\\n]|\\.|'')*", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(rf"((?:{_KEY})(?:=|\s=\s?|['\"]\s?[:=]\s?)\")(?:[^\"\\\n]|\\.)*", re.IGNORECASE), rf"\1{MASK}"),
    # password=…, PGPASSWORD=…
    (re.compile(rf"((?:{_KEY})(?:=|\s=\s?))[^\s&;,'\"]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"(\bBearer\s{1,8})[A-Za-z0-9._~+/=-]{8,}"), rf"\1{MASK}"),
)

_SECRET_KEY = re.compile(rf"(?:{_KEY})\Z", re.IGNORECASE)

_SHORT = 4  # a secret of fewer characters is masked only where it stands alone, or no text would be left


class Redactor:
    """Known secret values, and the masking of them. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._known: re.Pattern[str] | None = None

    def add(self, secret: SecretStr | None) -> None:
        """Mask this value from now on, in every form that it usually takes; nothing happens for None and ''."""
        if secret is None or not (value := secret.get_secret_value()):
            return
        with self._lock:
            forms = self._forms | frozenset(_forms(value))
            if forms != self._forms:
                self._forms = forms
                # The longest first, or a secret that begins with another would be masked in part.
                self._known = re.compile("|".join(map(_pattern, sorted(forms, key=lambda f: (-len(f), f)))))

    def redact(self, text: str) -> str:
        """Return the text with every known secret, and every password in a URL or DSN, masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _LOOKS_SECRET:
            text = pattern.sub(replacement, text)
        return text

    def redact_values(self, value: Any) -> Any:
        """Return JSON-like data with every text in it redacted, keys too. A document is redacted before it is serialised."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {
                self.redact_values(key): MASK
                if isinstance(item, str) and _SECRET_KEY.search(str(key))
                else self.redact_values(item)
                for key, item in cast("Mapping[Any, Any]", value).items()
            }
        if isinstance(value, (list, tuple)):
            return [self.redact_values(item) for item in cast("list[Any]", value)]
        return value


def _pattern(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"


def _forms(value: str) -> Iterator[str]:
    """The ways in which a value is written: as it is, in URLs, JSON, Python, SQL, libpq's DSNs, base64 and hex."""
    yield value
    for encoded in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield encoded
        yield re.sub("%..", lambda code: code[0].lower(), encoded)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    yield value.replace("'", "''")
    yield value.replace("\\", "\\\\").replace("'", "''")
    yield value.replace("\\", "\\\\").replace("'", "\\'")
    raw = value.encode("utf-8", "surrogateescape")
    if len(raw) >= _SHORT:
        yield raw.hex()
        yield raw.hex().upper()
        yield from _base64_forms(raw)


def _base64_forms(raw: bytes) -> Iterator[str]:
    """Base64 of the value, and the part of it that stays the same wherever the value stands in a longer one."""
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + raw)
        first = (before * 8 + 5) // 6
        last = (before + len(raw)) * 8 // 6
        inner = whole[first:last].decode()
        if len(inner) >= 2 * _SHORT:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


redactor = Redactor()
"""The one of this process."""


class RedactingFilter(logging.Filter):
    """Masks a record's message and traceback. Add it to handlers: a logger's filters do not see its children's records."""

    def __init__(self, using: Redactor = redactor) -> None:
        super().__init__()
        self._redactor = using

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self._redactor.redact(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_text = self._redactor.redact(text)
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._redactor.redact(record.stack_info)
        return True
