"""SCRAM-SHA-256 verifiers, so that a new password reaches the server, its log and its statistics only as a hash.

Source: PostgreSQL documentation, catalog pg_authid ("rolpassword"), and RFC 5803.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from pydantic import SecretStr

ITERATIONS = 4096  # PostgreSQL's scram_iterations default
SALT_BYTES = 16


def scram_verifier(password: SecretStr, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """Return what `ALTER ROLE … PASSWORD` takes in place of the password itself.

    Args:
        password: printable ASCII, on which SASLprep (RFC 4013) changes nothing.
        salt: random when not given.
        iterations: of PBKDF2.

    Raises:
        ValueError: the password holds anything but printable ASCII, or is empty.
    """
    plain = password.get_secret_value()
    if not plain or not (plain.isascii() and plain.isprintable()):
        raise ValueError("only non-empty passwords of printable ASCII characters can be hashed here")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", plain.encode(), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
