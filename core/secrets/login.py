"""A login: a role's name and its password, and whether a server takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import asyncpg
from pydantic import SecretStr

from core.errors import ConnectionFailed
from core.postgres.connect import connect
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor


@dataclass(frozen=True, slots=True)
class Login:
    """A role and its password."""

    user: str
    password: SecretStr

    def __post_init__(self) -> None:
        redactor.add(self.password)

    def on(self, spec: ConnectionSpec, source: str = "as rotated") -> ConnectionSpec:
        """The same database, reached with this login."""
        return replace(spec, user=self.user, password=self.password, password_source=source)


async def is_accepted(spec: ConnectionSpec) -> bool:
    """Whether the server lets this login in and answers `SELECT 1`; False only for its own refusal of the password.

    Raises:
        ConnectionFailed: there is no answer to the question: no server, no such database, no TLS.
    """
    try:
        connection = await connect(spec, application_name="pgrecast login check")
    except ConnectionFailed as error:
        if is_refusal(error):
            return False
        raise
    try:
        return await connection.fetchval("SELECT 1") == 1
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise ConnectionFailed(f"The connection to {spec} was lost.", advice="Try again.") from error
    finally:
        connection.terminate()


def is_refusal(error: ConnectionFailed) -> bool:
    """Whether the server has refused the login itself: 28P01, also for a role that is not there any more."""
    return isinstance(error.__cause__, asyncpg.InvalidPasswordError)
