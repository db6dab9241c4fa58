"""One data directory and the server process on it: made, started, found, stopped. Logging in is not its business."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import EmbeddedServerError
from core.postgres.server_binaries import Account

HOST = "127.0.0.1"
SUPERUSER = "postgres"
LOG_NAME = "server.log"
SETTINGS_NAME = "pgrecast.conf"
SOCKET_PREFIX = "pgrecast-"
MAX_SOCKET_PATH = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux
INITDB_TIMEOUT = 120.0  # seconds
START_TIMEOUT = 60  # seconds
STOP_TIMEOUT = 60  # seconds
START_ATTEMPTS = 5
FRESH_ATTEMPT = re.compile(r"Address already in use|pre-existing shared memory block .* is still in use")

DEFAULT_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "unix_socket_permissions": "0700",
}

StopMode = Literal["fast", "immediate"]


@dataclass(frozen=True)
class ServerLock:
    """What a running server writes to postmaster.pid (PostgreSQL source, utils/pidfile.h)."""

    pid: int
    port: int
    socket_dir: Path

    def answers(self) -> bool:
        """Whether a server listens on the socket: true of no stale file, whoever has its process id by now."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.socket_dir / f".s.PGSQL.{self.port}"))
            except OSError:
                return False
        return True


@dataclass(frozen=True)
class DataDirectory:
    """A data directory, with the programs and the account that serve it."""

    directory: Path
    bin_dir: Path
    account: Account

    @property
    def log(self) -> Path:
        return self.directory / LOG_NAME

    def lock(self) -> ServerLock | None:
        try:
            lines = (self.directory / "postmaster.pid").read_text(errors="replace").splitlines()
            return ServerLock(pid=int(lines[0]), port=int(lines[3]), socket_dir=Path(lines[4]))
        except (FileNotFoundError, IndexError, ValueError):
            return None  # none, or one that is being written

    async def initialize(self) -> None:
        """Make the data directory, with authentication rules and settings of ours."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self.directory.iterdir()):
                raise EmbeddedServerError(
                    f"{self.directory} is neither empty nor a PostgreSQL data directory.",
                    advice="Name another directory for the embedded server.",
                )
            self._check_reach()
            if self.account.uid != os.geteuid():
                os.chown(self.directory, self.account.uid, self.account.gid)
            self.directory.chmod(0o700)
        except OSError as error:
            raise EmbeddedServerError(f"{self.directory} cannot be used: {error.strerror or error}.") from error
        # "reject" until the rules below: a server that cannot be logged in to needs no password yet.
        command = ["initdb", "--pgdata", str(self.directory), "--username", SUPERUSER, "--auth", "reject"]
        command += ["--encoding", "UTF8", "--no-sync", "--no-instructions"]
        for locale in ("C.UTF-8", "C"):
            status, output = await self.run(*command, f"--locale={locale}", timeout=INITDB_TIMEOUT)
            if status == 0 or "invalid locale" not in output:
                break
        if status != 0:
            raise EmbeddedServerError(
                f"initdb could not make a database cluster in {self.directory}: {_last_lines(output)}"
            )
        rules = [
            f"local all {SUPERUSER} peer map=embedded",
            "local all all scram-sha-256",
            f"host all all {HOST}/32 scram-sha-256",
        ]
        names = dict.fromkeys((self.account.name, "root"))
        self._write("pg_hba.conf", "\n".join(rules))
        self._write("pg_ident.conf", "\n".join(f'embedded "{name}" {SUPERUSER}' for name in names))
        self._write(SETTINGS_NAME, "")
        defaults = (self.directory / "postgresql.conf").read_text()
        self._write("postgresql.conf", f"{defaults}\ninclude '{SETTINGS_NAME}'")

    async def launch(self, settings: Mapping[str, str]) -> ServerLock:
        """Start the server, on the port that it had before if that is free."""
        self._check_reach()
        self._remove_leftovers()
        socket_dir = self._make_socket_dir()
        previous = re.search(r"^port = '(\d+)'", (self.directory / SETTINGS_NAME).read_text(), re.MULTILINE)
        port = int(previous[1]) if previous and _is_free(int(previous[1])) else _free_port()
        reason = ""
        try:
            for _ in range(START_ATTEMPTS):
                forced = {"port": str(port), "unix_socket_directories": str(socket_dir)}
                self._write(SETTINGS_NAME, _configuration({**DEFAULT_SETTINGS, **settings, **forced}))
                starting = asyncio.ensure_future(self._pg_ctl_start())
                try:
                    status, reason = await asyncio.shield(starting)
                except asyncio.CancelledError:
                    await asyncio.wait([starting])  # a server that is half up cannot be told to stop
                    raise
                if status == 0 and (lock := self.lock()) is not None:
                    return lock
                if not FRESH_ATTEMPT.search(reason):
                    break
                port = port if _is_free(port) else _free_port()
                await asyncio.sleep(0.5)
            raise EmbeddedServerError(
                f"The embedded PostgreSQL server did not start: {_last_lines(reason)}",
                advice=f"Its log is {self.log}.",
            )
        except BaseException:  # cancelled, too: nothing may be left running or lying about
            with contextlib.suppress(EmbeddedServerError):
                await asyncio.shield(self.shut_down("immediate", socket_dir))
            raise

    async def _pg_ctl_start(self) -> tuple[int, str]:
        """Run `pg_ctl start`; return its exit status, and what it and the server's log said."""
        log_size = self.log.stat().st_size if self.log.exists() else 0
        status, output = await self.run(
            "pg_ctl", "start", "-D", str(self.directory), "-l", str(self.log), "-w", "-t", str(START_TIMEOUT),
            timeout=START_TIMEOUT + 30,
        )  # fmt: skip
        logged = ""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(log_size)
                logged = log.read(65536).decode(errors="replace")
        return status, logged.strip() or output

    async def shut_down(self, mode: StopMode, socket_dir: Path) -> None:
        """Stop the server if it runs, and remove its socket directory."""
        lock = self.lock()
        if lock is not None and lock.answers():
            status, output = await self.run(
                "pg_ctl", "stop", "-D", str(self.directory), "-m", mode, "-w", "-t", str(STOP_TIMEOUT),
                timeout=STOP_TIMEOUT + 30,
            )  # fmt: skip
            if status != 0 and lock.answers():
                raise EmbeddedServerError(
                    f"The embedded PostgreSQL server did not stop: {_last_lines(output)}",
                    state=f"It is still there as process {lock.pid}.",
                    advice=f"Look at {self.log}, or stop it in the immediate mode.",
                )
        shutil.rmtree(socket_dir, ignore_errors=True)

    def _check_reach(self) -> None:
        blocked = self.account.unreachable_parent(self.directory)
        if blocked is not None:
            raise EmbeddedServerError(
                f"PostgreSQL runs as {self.account.name}, who cannot reach {self.directory}: {blocked} is closed to it.",
                advice="Name a directory for the embedded server directly below /tmp or /var/tmp.",
            )

    def _remove_leftovers(self) -> None:
        """Remove what a server that was killed left behind: its socket, and a lock held by a process that is none."""
        stale = self.lock()
        if stale is None:
            return
        status = stale.socket_dir.lstat() if stale.socket_dir.is_dir() else None
        if status and stale.socket_dir.name.startswith(SOCKET_PREFIX) and status.st_uid == self.account.uid:
            shutil.rmtree(stale.socket_dir, ignore_errors=True)
        if _is_zombie(stale.pid):
            # Nobody reaped it (a container without an init), and to the next start it would look alive.
            (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def _make_socket_dir(self) -> Path:
        parent = Path(tempfile.gettempdir())
        longest = parent / f"{SOCKET_PREFIX}12345678" / ".s.PGSQL.65535"
        if len(os.fsencode(longest)) > MAX_SOCKET_PATH or self.account.unreachable_parent(longest.parent):
            parent = Path("/tmp")  # noqa: S108 - mkdtemp makes a directory of our own in it
        directory = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=parent))
        if self.account.uid != os.geteuid():
            os.chown(directory, self.account.uid, self.account.gid)
        return directory

    def _write(self, name: str, text: str) -> None:
        path = self.directory / name
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            if self.account.uid != os.geteuid():
                os.fchown(descriptor, self.account.uid, self.account.gid)

    async def run(self, program: str, *arguments: str, timeout: float) -> tuple[int, str]:
        """Run a program as the account; return its exit status and its output."""
        options: dict[str, Any] = self.account.child_options()
        try:
            process = await asyncio.create_subprocess_exec(
                self.bin_dir / program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd="/",
                # None of the caller's PG* variables, and messages in English: some are looked for.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                umask=0o077,
                start_new_session=True,  # an interrupt from the keyboard is not for the server
                **options,
            )
        except OSError as error:
            raise EmbeddedServerError(
                f"{self.bin_dir / program} cannot be run as {self.account.name}: {error.strerror or error}."
            ) from error
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout)
        except TimeoutError:
            raise EmbeddedServerError(f"{program} did not finish within {timeout:.0f} s.") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(errors="replace")


def _configuration(settings: Mapping[str, str]) -> str:
    """Text of a configuration file (PostgreSQL documentation, "Setting Parameters")."""
    lines: list[str] = []
    for name, value in settings.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name) or "\n" in value:
            raise ValueError(f"not a server setting: {name}")
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'")
    return "\n".join(lines)


def _last_lines(text: str, count: int = 4) -> str:
    return " ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "it said nothing."


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_zombie(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"
