"""PostgreSQL's own client programs (pg_dump, pg_restore, psql): which ones fit a server, and how they log in.

A program must not be older than the server it reads (docs, pg_dump, "Notes": it refuses), and where the connection is encrypted
it must have been built with TLS. Looked for in the directory that is named, on the PATH, among the server packages of the
system, and in the package that brings the embedded server, which is built without TLS.

What a program needs to log in it gets by its environment and by a password file that only this user can read, which is gone
when the block ends; nothing of it stands in an argument list.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.errors import ConfigurationError, EmbeddedServerError, QueryFailed
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.server_binaries import server_account, server_binaries
from core.postgres.sql import load_queries
from core.redaction import redactor

REFERENCE = "pg_dump"
"""The program that stands for the others of its directory: they come together."""
SYSTEM_PACKAGES = Path("/usr/lib/postgresql")  # <version>/bin, on Debian and what comes of it
CHECK_TIMEOUT = 20.0
CONNECT_TIMEOUT = "15"
STDERR_LINES = 5
LINE_LIMIT = 1024 * 1024
END_TIMEOUT = 5.0

_QUERIES = load_queries(Path(__file__).parent / "queries")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_WITHOUT_TLS = "SSL support is not compiled in"


@dataclass(frozen=True, slots=True)
class ClientTools:
    """A directory of client programs.

    Attributes:
        directory: where they are.
        major: their major version.
        tls: whether they can encrypt.
        source: where the directory was found, for messages.
    """

    directory: Path
    major: int
    tls: bool
    source: str

    def path(self, name: str) -> Path:
        """The path of a program.

        Raises:
            ConfigurationError: there is none of that name.
        """
        path = self.directory / name
        if not os.access(path, os.X_OK):
            raise ConfigurationError(
                f"There is no program {name} in {self.directory}.", advice="Install PostgreSQL's client programs."
            )
        return path


async def find_client_tools(server_version_num: int, *, tls: bool, directory: Path | None = None) -> ClientTools:
    """The first client programs that fit.

    Args:
        server_version_num: of the server that they are to read.
        tls: whether they must be able to encrypt.
        directory: programs to use and no others.

    Raises:
        ConfigurationError: there are none that fit; what was found is in the text.
    """
    needed = server_version_num // 10_000
    unfit: list[str] = []
    seen: set[Path] = set()
    for source, place in [("settings", directory)] if directory else _places():
        if place is None or place in seen or not os.access(place / REFERENCE, os.X_OK):
            continue
        seen.add(place)
        tools = await _examine(place, source)
        if tools is None:
            unfit.append(f"those in {place} do not run")
        elif tools.major < needed:
            unfit.append(f"those in {place} are version {tools.major}")
        elif tls and not tools.tls:
            unfit.append(f"those in {place} cannot encrypt")
        else:
            return tools
    found = "; ".join(unfit) if unfit else f"none in {directory}" if directory else "none are installed"
    raise ConfigurationError(
        f"There are no client programs (pg_dump) of version {needed} or later{' that can encrypt' if tls else ''}: {found}.",
        advice=f"Install postgresql-client-{needed} or later, or name a directory that has them.",
    )


async def client_tools_for(connection: asyncpg.Connection, directory: Path | None = None) -> ClientTools:
    """The first client programs that fit the server at the other end, and encrypt where this connection is encrypted.

    Raises:
        ConfigurationError: there are none that fit.
        asyncpg.PostgresError: the server refused to say what it is.
    """
    (row,) = await connection.fetch(_QUERIES["for_client_programs"])
    return await find_client_tools(row["version_num"], tls=row["encrypted"], directory=directory)


@asynccontextmanager
async def login_environment(
    spec: ConnectionSpec, *, application_name: str = "pgrecast", read_only: bool = True
) -> AsyncGenerator[dict[str, str], None]:
    """The environment with which a client program logs in as the spec says; its password file lives as long as the block."""
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-login-"))  # mode 0700
    try:
        passfile = directory / "pgpass"
        passfile.touch(mode=0o600, exist_ok=False)
        if spec.password is not None:
            passfile.write_text(f"*:*:*:*:{_escaped(spec.password.get_secret_value())}\n", encoding="utf-8")
        yield {**client_environment(), **_login(spec, passfile, application_name, read_only=read_only)}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def client_environment() -> dict[str, str]:
    """This environment without libpq's variables, which would lead elsewhere: enough for what needs no login."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


async def run_tool(path: Path, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> bytes:
    """Run a client program to its end.

    Args:
        timeout: in seconds; then it is killed.

    Returns:
        what it wrote to its standard output.

    Raises:
        QueryFailed: it failed, or took too long; the last lines of what it said are in the text.
    """
    process = await _start(path, arguments, environment, output=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(timeout):
            output, said = await process.communicate()
    except TimeoutError:
        raise QueryFailed(
            f"{path.name} took longer than {timeout:.0f} s and was stopped.",
            advice="Try again when the server is less busy.",
        ) from None
    finally:
        await _end(process)
    if process.returncode:
        raise _failed(path, process.returncode, said.decode(errors="replace").strip().splitlines())
    return output


async def follow_tool(
    path: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    told: Callable[[str], None],
    feed: AsyncIterable[bytes] | None = None,
    directory: Path | None = None,
) -> None:
    """Run a client program to its end, however long that takes, and hear what it says meanwhile.

    When this is cancelled, or `told` raises, the program is ended with all that it has started, and with its queries.

    Args:
        told: given each line of its standard error; what it raises ends the program and is raised here.
        feed: its standard input; None for none.
        directory: where it runs; None for here.

    Raises:
        QueryFailed: it failed; the last lines of what it said are in the text.
    """
    given = asyncio.subprocess.DEVNULL if feed is None else asyncio.subprocess.PIPE
    process = await _start(path, arguments, environment, given=given, directory=directory)
    last: deque[str] = deque(maxlen=STDERR_LINES)
    feeding = asyncio.create_task(_feed(process, feed)) if feed is not None else None
    try:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        async for raw in process.stderr:
            if line := raw.decode(errors="replace").strip():
                last.append(line)
                told(line)
        await process.wait()
        if feeding is not None:
            await feeding
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        await _end(process)
    if process.returncode:
        raise _failed(path, process.returncode, last)


async def _start(
    path: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    given: int = asyncio.subprocess.DEVNULL,
    output: int = asyncio.subprocess.DEVNULL,
    directory: Path | None = None,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        path,
        *arguments,
        stdin=given,
        stdout=output,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
        cwd=directory,
        start_new_session=True,
        umask=0o077,  # what it writes holds a database's contents
        limit=LINE_LIMIT,
    )


async def _feed(process: asyncio.subprocess.Process, feed: AsyncIterable[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe was asked for
    try:
        # A program that has ended says itself why it has not read on.
        with contextlib.suppress(ConnectionError):
            async for chunk in feed:
                process.stdin.write(chunk)
                await process.stdin.drain()
    finally:
        process.stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it, and what it has started, if it still runs; asked first, so that it cancels its queries on the server."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_TIMEOUT)


def _failed(path: Path, status: int, said: Iterable[str]) -> QueryFailed:
    lines = [line.strip() for line in said][-STDERR_LINES:]
    return QueryFailed(
        f"{path.name} failed: {redactor.redact(' '.join(lines)) or f'exit status {status}'}",
        advice="Look at the message, and try again.",
    )


def _places() -> Iterator[tuple[str, Path | None]]:
    found = shutil.which(REFERENCE)
    program = Path(found).resolve() if found else None
    # Debian's pg_dump on the PATH is a wrapper, which chooses a version by rules of its own.
    yield "PATH", program.parent if program and program.name == REFERENCE else None
    versions = [path for path in SYSTEM_PACKAGES.glob("*/bin") if path.parent.name.isdigit()]
    for path in sorted(versions, key=lambda path: int(path.parent.name), reverse=True):
        yield "system package", path
    with contextlib.suppress(EmbeddedServerError):
        yield "embedded server", server_binaries(server_account())


async def _examine(directory: Path, source: str) -> ClientTools | None:
    version = _VERSION.search((await _say(directory / REFERENCE, "--version"))[0])
    if version is None:
        return None
    # A libpq without TLS refuses this sslmode before it looks at the address, which is none.
    _, said = await _say(directory / REFERENCE, PGSSLMODE="require", PGHOST="/nonexistent", PGCONNECT_TIMEOUT="1")
    return ClientTools(directory, int(version[1]), _WITHOUT_TLS not in said, source)


async def _say(path: Path, *arguments: str, **variables: str) -> tuple[str, str]:
    """What the program writes to its standard output and its standard error; nothing if it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**client_environment(), "LC_ALL": "C", **variables},
        )
    except OSError:
        return "", ""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            output, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return "", ""
    return output.decode(errors="replace"), said.decode(errors="replace")


def _login(spec: ConnectionSpec, passfile: Path, application_name: str, *, read_only: bool) -> dict[str, str]:
    options = [spec.options or "", "-c default_transaction_read_only=on" if read_only else ""]
    found = {
        "LC_ALL": "C",
        "PGHOST": spec.host,
        "PGPORT": str(spec.port),
        "PGDATABASE": spec.database,
        "PGUSER": spec.user,
        "PGPASSFILE": str(passfile),
        "PGAPPNAME": application_name,
        "PGCONNECT_TIMEOUT": CONNECT_TIMEOUT,
        "PGOPTIONS": " ".join(filter(None, options)),
        "PGCLIENTENCODING": "UTF8",
        "PGSSLMODE": spec.tls.sslmode,
        "PGSSLROOTCERT": spec.tls.sslrootcert,
        "PGSSLCERT": spec.tls.sslcert,
        "PGSSLKEY": spec.tls.sslkey,
        "PGSSLCRL": spec.tls.sslcrl,
        "PGSSLNEGOTIATION": spec.tls.sslnegotiation,
        "PGSSLMINPROTOCOLVERSION": spec.tls.ssl_min_protocol_version,
        "PGSSLMAXPROTOCOLVERSION": spec.tls.ssl_max_protocol_version,
    }
    return {name: value for name, value in found.items() if value}


def _escaped(password: str) -> str:
    """As a field of a password file (docs, libpq, "The Password File")."""
    return password.replace("\\", "\\\\").replace(":", "\\:")
