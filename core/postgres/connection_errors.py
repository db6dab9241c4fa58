"""Why a connection failed, in words: what happened and what the operator does next.

Source of the codes: PostgreSQL documentation, appendix "PostgreSQL Error Codes"; of the messages: server source
(auth.c, postinit.c) and PgBouncer's.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import asyncpg

from core.errors import ConnectionFailed
from core.postgres.connection_spec import HOW_TO_LOG_IN, ConnectionSpec
from core.redaction import redactor

POOLER_ADVICE = (
    "A connection pooler stands between (PgBouncer, say), and it hands a session's settings and locks to others. "
    "Connect to the server itself: its own host and port, not the pooler's."
)


def connection_failed(spec: ConnectionSpec, error: BaseException, *, timeout: float) -> ConnectionFailed:
    """Translate what asyncpg raised while connecting.

    Args:
        spec: where the connection was to go.
        error: what was raised.
        timeout: the bound on connecting, in seconds.
    """
    if isinstance(error, asyncpg.PostgresError):
        what, advice = _of_server(spec, error)
    else:
        what, advice = _of_network(spec, error, timeout)
    came_from = f" (from {spec.source})" if spec.source else ""
    return ConnectionFailed(
        redactor.redact(f"No connection to {spec}{came_from}: {what}"),
        advice=redactor.redact(advice),
        password_wanted=spec.password is None and getattr(error, "sqlstate", None) == "28P01",
    )


def _of_server(spec: ConnectionSpec, error: asyncpg.PostgresError) -> tuple[str, str]:
    message = str(error.args[0]) if error.args else ""
    said = f'the server says "{message}" ({error.sqlstate}).'
    match error.sqlstate:
        case "28P01" if spec.password is None:
            why = f" ({spec.password_source})" if spec.password_source else ""
            return f"the server asks for a password and none was given{why}.", f"To give one, {HOW_TO_LOG_IN}."
        case "28P01":
            return (
                f"the server refused the password of {spec.user!r} that came {spec.password_source}.",
                "Check the user's name, and whether the password has been changed since.",
            )
        case "28000" if "no encryption" in message or "SSL off" in message:
            return said, "The server may accept this login over TLS only: use ?sslmode=require (or verify-full)."
        case "28000":
            return (
                said,
                "Check the user's name; if it is right, the server's administrator must let it in (pg_hba.conf).",
            )
        case "3D000":
            return f"there is no database {spec.database!r} on this server.", "Check the database's name in the URL."
        case "42501":
            return said, f"Have {spec.user!r} granted CONNECT on the database, or log in as its owner."
        case "53300":
            return (
                f"all connections are taken; {said}",
                "Stop an application or end idle sessions (pg_stat_activity), or raise the limit; then try again.",
            )
        case "55000":
            return (
                said,
                "The database is closed to connections: its owner must ALTER DATABASE … ALLOW_CONNECTIONS true.",
            )
        case "57P03":
            return said, "It is starting, stopping or recovering: wait a little and try again."
        case "57P01" | "57P02":
            return said, "It is shutting down: wait until it is up again."
        case "08P01" if "startup parameter" in message:
            return f"it refuses a session's settings; {said}", POOLER_ADVICE
        case "26000" | "42P05":
            return f"it does not keep a session's prepared statements; {said}", POOLER_ADVICE
        case "08003" | "08006":
            return _CLOSED
        case _:
            return said, "Look the code up in PostgreSQL's documentation, appendix A; the server's log may say more."


def _of_network(spec: ConnectionSpec, error: BaseException, timeout: float) -> tuple[str, str]:
    tls = spec.tls.sslmode
    match error:
        case TimeoutError():
            return (
                f"no answer within {timeout:g} seconds.",
                "Check host and port; a firewall or the host's list of allowed addresses may drop what is sent.",
            )
        case socket.gaierror():
            return f"the host name {spec.host!r} cannot be resolved.", "Check its spelling, and this machine's DNS."
        case ssl.SSLCertVerificationError():
            return (
                f"the server's certificate is not accepted: {error.verify_message.rstrip('.')}.",
                f"sslmode={tls} checks it: name its authority by sslrootcert (PGSSLROOTCERT), and the host as it does.",
            )
        case ssl.SSLError():
            return f"TLS could not be agreed on: {error.reason or error}.", "Check the TLS settings on both sides."
        case ConnectionRefusedError():
            return (
                "nothing listens there.",
                "Check host and port, and that the server runs and listens on that address.",
            )
        case FileNotFoundError() | NotADirectoryError() if not spec.host.startswith("/"):
            return "a TLS file cannot be read.", "Check the files named by sslrootcert, sslcert, sslkey and sslcrl."
        case FileNotFoundError() | NotADirectoryError():
            return "there is no server's socket there.", "Check the directory and the port, and that the server runs."
        case PermissionError():
            return f"this system account may not use it ({error.strerror}).", "Check the permissions."
        case ConnectionResetError() | BrokenPipeError() | asyncpg.ConnectionDoesNotExistError():
            return _CLOSED
        case ConnectionError() if "rejected SSL upgrade" in str(error) and tls in ("allow", "prefer"):
            return _OTHER_PROTOCOL
        case ConnectionError() if "rejected SSL upgrade" in str(error):
            return (
                "the server offers no TLS, or is no PostgreSQL.",
                f"sslmode={tls} demands TLS: check host and port; on a network that you trust, use ?sslmode=disable.",
            )
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return (
                f"{str(error.args[0]).rstrip('.')}.",
                "Check the settings of the connection, and that this is PostgreSQL.",
            )
        case OSError() if "Multiple exceptions" in str(error) and str(error).count("Connect call failed") > 1:
            return (
                "nothing listens there.",
                "Check host and port, and that the server runs and listens on that address.",
            )
        case OSError():
            return f"{error.strerror or error}.", "Check host and port, and the network in between."
        case _:
            return _OTHER_PROTOCOL


_CLOSED = (
    "something answered and closed the connection at once.",
    "Check host and port: it may be no PostgreSQL, or a proxy that lets only listed addresses in.",
)
_OTHER_PROTOCOL = (
    "what answers there does not speak PostgreSQL's protocol.",
    "Check host and port: another service may listen there.",
)


def lost(error: BaseException) -> bool:
    """Whether an error means that a connection which stood before is gone."""
    chain: Iterator[BaseException | None] = iter((error, error.__cause__))
    return any(
        isinstance(
            link, (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, OSError)
        )
        or (isinstance(link, asyncpg.InterfaceError) and "closed" in str(link))
        for link in chain
    )
