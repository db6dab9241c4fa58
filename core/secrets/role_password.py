"""A role's new password, of which the server gets to see the SCRAM verifier only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pydantic import SecretStr

from core.errors import ConnectionFailed, ProofFailed, QueryFailed, Refused
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.scram import scram_verifier
from core.postgres.sql import quote_identifier, quote_literal
from core.secrets.generate import new_password
from core.secrets.login import Login, is_accepted

# What is not of this shape would silently be taken as a password in plain text (pg_authid, "rolpassword").
_VERIFIER = re.compile(r"SCRAM-SHA-256\$\d+:[A-Za-z0-9+/]+={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True, slots=True)
class Altered:
    """The role whose password was set, and when by the server's clock: sessions from before are of the old one."""

    role: str
    at: datetime


async def require_checked_passwords(spec: ConnectionSpec) -> None:
    """Make sure that the server looks at passwords at all from here.

    Raises:
        Refused: it lets in whoever comes, with any password; no rotation could be proved.
        ConnectionFailed: it could not be asked.
    """
    if await is_accepted(spec.with_password(new_password(), "made up")):
        raise Refused(
            f"The server lets {spec} in with any password, as seen from here (trust, peer or a certificate).",
            advice="A rotation could not be proved from here. Rotate by hand, and tick the step.",
        )


async def require_may_set_password(spec: ConnectionSpec) -> None:
    """Make sure that the role may set its own password, by doing so in a transaction that is rolled back.

    Raises:
        QueryFailed: the server refuses; nothing was changed.
        ConnectionFailed: it could not be asked.
    """
    await _alter(spec, new_password(), rolled_back=True)


async def set_role_password(spec: ConnectionSpec, password: SecretStr) -> Altered:
    """Set the password of the role that this login is, by a verifier computed here.

    Args:
        spec: the login as it is now.
        password: the new one, of printable ASCII.

    Raises:
        ConnectionFailed: there is no connection; nothing was changed.
        QueryFailed: the server refused; nothing was changed.
    """
    return await _alter(spec, password, rolled_back=False)


async def _alter(spec: ConnectionSpec, password: SecretStr, *, rolled_back: bool) -> Altered:
    verifier = scram_verifier(password)
    if not _VERIFIER.fullmatch(verifier):
        raise ProofFailed("The verifier of the new password has not the shape that the server understands.")
    connection = await connect(spec, read_only=False)
    try:
        role = str(await connection.fetchval("SELECT session_user"))
        await connection.execute("BEGIN READ WRITE")
        await connection.execute(f"ALTER ROLE {quote_identifier(role)} PASSWORD {quote_literal(verifier)}")
        await connection.execute("ROLLBACK" if rolled_back else "COMMIT")
        return Altered(role, await connection.fetchval("SELECT clock_timestamp()"))
    except asyncpg.InsufficientPrivilegeError as error:
        raise QueryFailed(
            f"The server does not let {spec.user} change its own password: {error}.",
            advice='Let the host do it (how = "host" under [secrets]), or rotate by hand (how = "manual").',
        ) from error
    except asyncpg.PostgresError as error:
        raise QueryFailed(f"The server refused the new password: {error}.", advice="Look at the message.") from error
    except (asyncpg.InterfaceError, OSError) as error:
        raise ConnectionFailed(
            f"The connection to {spec} was lost while the password was set.",
            state="Whether the new or the old password holds is not known yet.",
            advice="Run the step again: it tries both, and goes on from there.",
        ) from error
    finally:
        connection.terminate()


async def prove(spec: ConnectionSpec, *, old: Login, new: Login) -> None:
    """Log in with the new login, and be refused with the old one.

    Raises:
        ProofFailed: either is otherwise.
        ConnectionFailed: the server could not be asked.
    """
    if not await is_accepted(new.on(spec)):
        raise ProofFailed(
            f"The new login of {new.user} is refused.",
            state="The role's password was set, and the server does not take it.",
            advice="Run the step again: it finds out which login holds, and sets the password anew where it can.",
        )
    if await is_accepted(old.on(spec)):
        raise ProofFailed(
            f"The old login of {old.user} is still let in.",
            state="The new login works beside it.",
            advice="Look for a pooler or an authentication proxy that keeps passwords of its own; then run the step again.",
        )
