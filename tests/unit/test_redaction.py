"""A sentinel secret must not survive redaction, in whatever form it is written."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.redaction import MASK, RedactingFilter, Redactor

SENTINEL = "s3ntinel/+ \"q'ü\\@:#x"


def redactor(*secrets: str) -> Redactor:
    made = Redactor()
    for secret in secrets:
        made.add(SecretStr(secret))
    return made


@pytest.mark.parametrize(
    "written",
    [
        SENTINEL,
        quote(SENTINEL, safe=""),
        quote(SENTINEL, safe="").lower(),
        quote(SENTINEL),
        quote_plus(SENTINEL),
        json.dumps({"key": SENTINEL}),
        json.dumps({"key": SENTINEL}, ensure_ascii=False),
        repr([SENTINEL]),
        "'" + SENTINEL.replace("'", "''") + "'",
        "E'" + SENTINEL.replace("\\", "\\\\").replace("'", "''") + "'",
        base64.b64encode(SENTINEL.encode()).decode(),
        base64.urlsafe_b64encode(SENTINEL.encode()).decode(),
        base64.urlsafe_b64encode(SENTINEL.encode()).decode().rstrip("="),
        SENTINEL.encode().hex(),
    ],
)
def test_known_secret_is_masked_in_every_form(written: str) -> None:
    redacted = redactor(SENTINEL).redact(f"before {written} after")
    assert MASK in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    for piece in ("s3ntinel", "czNudGluZWw", "7333"):  # plain, base64, hex
        assert piece not in redacted


@pytest.mark.parametrize("user", ["", "u", "us", "use", "somebody"])
def test_known_secret_is_masked_within_longer_base64(user: str) -> None:
    secret = "fake-sentinel-0123456789"
    header = base64.b64encode(f"{user}:{secret}@somewhere".encode()).decode()
    redacted = redactor(secret).redact(header)
    assert MASK in redacted
    left = "".join(redacted.split(MASK))
    assert len(left) <= len(header) - len(base64.b64encode(secret.encode()).rstrip(b"=")) + 4


@given(st.text(min_size=1), st.text())
def test_secret_that_stands_alone_never_survives(secret: str, around: str) -> None:
    redacted = redactor(secret).redact(f"{around} {secret} {around}")
    assert f" {secret} " not in redacted.replace(MASK, "") or secret in f"{around} {around} {MASK}"


def test_longest_secret_is_masked_whole() -> None:
    assert redactor("sentinel", "sentinel-and-more").redact("a sentinel-and-more b") == f"a {MASK} b"


def test_short_secret_leaves_words_readable() -> None:
    assert redactor("a").redact("a database, a=a") == f"{MASK} database, {MASK}={MASK}"


def test_nothing_known_and_nothing_suspect_is_left_alone() -> None:
    text = 'FATAL: password authentication failed for user "app" at http://127.0.0.1:8000/users/@me, 12:30'
    made = redactor("")
    made.add(None)
    assert made.redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql+asyncpg://app:s3ntinel@db/x", f"postgresql+asyncpg://app:{MASK}@db/x"),
        ("postgres://app:s3n@tin:el@db:5432/x?y=1", f"postgres://app:{MASK}@db:5432/x?y=1"),
        ("postgres://app:s3n/ti#n?el@db:5432/x", f"postgres://app:{MASK}@db:5432/x"),
        ("redis://:s3ntinel@cache", f"redis://:{MASK}@cache"),
        ("https://u:s3ntinel@api.example/v1 and http://h:80/p", f"https://u:{MASK}@api.example/v1 and http://h:80/p"),
        ("host=db password=s3ntinel user=app", f"host=db password={MASK} user=app"),
        ("host=db password = 's3n ti\\'nel' user=app", f"host=db password = '{MASK}' user=app"),
        ("host=db password='s3ntinel never closed\nnext line", f"host=db password='{MASK}\nnext line"),
        ("PGPASSWORD=s3ntinel psql", f"PGPASSWORD={MASK} psql"),
        ("?user=a&password=s3ntinel&sslmode=require", f"?user=a&password={MASK}&sslmode=require"),
        ('{"password": "s3n\\"tinel", "host": "db"}', f'{{"password": "{MASK}", "host": "db"}}'),
        ("{'api_key': 's3ntinel'}", f"{{'api_key': '{MASK}'}}"),
        ("ALTER ROLE app PASSWORD 's3n''tinel'", f"ALTER ROLE app PASSWORD '{MASK}'"),
        ("Authorization: Bearer s3ntinel.s3ntinel", f"Authorization: Bearer {MASK}"),
    ],
)
def test_unknown_secret_is_masked_by_its_place(text: str, expected: str) -> None:
    assert Redactor().redact(text) == expected
    assert Redactor().redact(expected) == expected


def test_values_of_a_document_are_masked_one_by_one() -> None:
    document = {"note": ["s3ntinel's", 7, None, {"s3ntinel": True}], "db_password": "unknown", "text": "password="}
    redacted = redactor("s3ntinel").redact_values(document)
    assert redacted == {"note": [f"{MASK}'s", 7, None, {MASK: True}], "db_password": MASK, "text": "password="}
    assert json.loads(json.dumps(redacted)) == redacted


@pytest.mark.timeout(30)
@pytest.mark.parametrize("piece", ["://:", "password='", "postgres://a:", "://", "'''", 'password="\\'])
def test_hostile_text_takes_no_long_time(piece: str) -> None:
    text = piece * 20_000
    assert len(Redactor().redact(text)) <= len(text) + 4 * text.count("password")


def test_filter_masks_message_arguments_and_traceback() -> None:
    made = redactor("s3ntinel")
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.addFilter(RedactingFilter(made))
    logger = logging.Logger("sentinel")  # noqa: LOG001 - not to be left in the process's tree of loggers
    logger.addHandler(handler)
    try:
        raise ValueError("s3ntinel in the error")
    except ValueError:
        logger.exception("with %s and %d", "s3ntinel", 7, stack_info=True)
    (line,) = lines
    assert "s3ntinel" not in line.replace('"s3ntinel"', "").replace("'s3ntinel'", "")
    assert f"with {MASK} and 7" in line
    assert f"ValueError: {MASK} in the error" in line
