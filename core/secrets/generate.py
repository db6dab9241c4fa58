"""New secrets."""

from __future__ import annotations

import re
import secrets
import string

from pydantic import SecretStr

from core.redaction import redactor

ALPHABET = string.ascii_letters + string.digits
"""Characters that mean nothing in a URL, a DSN, a shell, an .env file or SQL."""

LENGTH = 40
"""Characters: 238 bits."""

LONGEST_ROLE = 63
"""Bytes of an identifier (PostgreSQL documentation, "Identifiers and Key Words")."""


def new_password(length: int = LENGTH) -> SecretStr:
    """A random password, known to the redactor from the start."""
    password = SecretStr("".join(secrets.choice(ALPHABET) for _ in range(length)))
    redactor.add(password)
    return password


def new_role_name(role: str) -> str:
    """A name for the role that succeeds this one, at a host that makes users: letters, digits and underscores."""
    base = re.sub(r"_r[0-9a-f]{6}$", "", re.sub(r"[^a-z0-9_]", "_", role.lower()))
    suffix = f"_r{secrets.token_hex(3)}"
    return f"{base[: LONGEST_ROLE - len(suffix)]}{suffix}"
