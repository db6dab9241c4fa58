"""Local files with a login in them (.env and the like): only user and password change, everything else stays."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from core.errors import ConfigurationError
from core.redaction import redactor
from core.secrets.login import Login
from core.secrets.private_files import replace_file, write_new
from core.secrets.scan import files_below
from core.secrets.urls import NOWHERE, Elsewhere, holds, replace_login

LARGEST = 1024 * 1024
"""Bytes of a file that is looked at."""

BACKUP = ".before-rotation"

_COMMENT = re.compile(r"\s*#")
_ASSIGNED = re.compile(
    r"(?P<head>\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*)"
    r"(?:(?P<quote>['\"])(?P<quoted>[^'\"]+)(?P=quote)|(?P<bare>[^\s'\"]+))(?P<tail>\s*(?:\s#.*)?)"
)
_FIELD = r"(?:[^\\:]|\\.)*"
_PGPASS = re.compile(
    rf"(?P<place>(?P<host>{_FIELD}):(?:\d+|\*):(?P<database>{_FIELD}):)(?P<user>{_FIELD}):(?P<password>(?:[^\\]|\\.)*)",
    re.DOTALL,
)
_USER_NAME = re.compile(r"USER(?:NAME)?$|ROLE$|LOGIN$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a file would become.

    Attributes:
        before, after: its content.
        count: places that change.
        left: numbers of the lines, comments aside, in which the old password would still stand.
    """

    path: Path
    before: str = field(repr=False)
    after: str = field(repr=False)
    count: int
    left: tuple[int, ...] = ()

    @property
    def difference(self) -> tuple[str, ...]:
        """The changed lines, as a diff without its head, every secret masked."""
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return tuple(redactor.redact(line) for line in lines if not line.startswith(("---", "+++", "@@")))


@dataclass(frozen=True, slots=True)
class Change:
    """A login, or a key (a login without a user), and its successor.

    Attributes:
        elsewhere: what leads there stays.
    """

    old: Login
    new: Login
    elsewhere: Elsewhere = NOWHERE


def plan_rewrite(path: Path, changes: Sequence[Change]) -> Rewrite | None:
    """What the file becomes with the successors; None when nothing in it is succeeded.

    Args:
        path: a file of assignments, a password file (whose first line is the password), or libpq's (.pgpass).

    Raises:
        ConfigurationError: it cannot be read, is no text, or is larger than such files are.
    """
    before = _read(path)
    found = replace_in_lines(before, changes)
    if found.text == before and not found.left:
        return None
    return Rewrite(path, before, found.text, found.count, found.left)


@dataclass(frozen=True, slots=True)
class Lines:
    """A text of such lines with the successors in it; the rest as `Rewrite` has it."""

    text: str = field(repr=False)
    count: int
    left: tuple[int, ...]


def replace_in_lines(text: str, changes: Sequence[Change]) -> Lines:
    """Replace logins and keys in a text of assignments, URLs and DSNs, line by line; comments stay as they are."""
    lines = text.splitlines(keepends=True)
    changed = lines
    for change in changes:
        changed = _changed(changed, change)
    left = tuple(
        number
        for number, line in enumerate(changed, 1)
        if not _COMMENT.match(line) and any(holds(line, change.old) for change in changes)
    )
    return Lines("".join(changed), sum(a != b for a, b in zip(lines, changed, strict=True)), left)


def _changed(lines: list[str], change: Change) -> list[str]:
    changed = [line if _COMMENT.match(line) else _line(line, change) for line in lines]
    if changed != lines and change.old.user != change.new.user:
        changed = [line if _COMMENT.match(line) else _user_line(line, change.old, change.new) for line in changed]
    return changed


def _line(line: str, change: Change) -> str:
    old, new = change.old, change.new
    changed = _pgpass(line, change) or _assigned(line, old.password.get_secret_value(), new.password.get_secret_value())
    return changed if changed is not None else replace_login(line, old, new, elsewhere=change.elsewhere).text


def _pgpass(line: str, change: Change) -> str | None:
    """A line of libpq's password file, `host:port:database:user:password`, with the login's successor."""
    found = _PGPASS.fullmatch(line.rstrip("\r\n"))
    if found is None or _unescaped(found["password"]) != change.old.password.get_secret_value():
        return None
    if _unescaped(found["user"]) not in (change.old.user, "*") or change.elsewhere.has(
        _unescaped(found["host"]), _unescaped(found["database"])
    ):
        return None
    user = found["user"] if found["user"] == "*" else _escaped(change.new.user)
    password = _escaped(change.new.password.get_secret_value())
    return f"{found['place']}{user}:{password}{line[len(line.rstrip(chr(13) + chr(10))) :]}"


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _escaped(text: str) -> str:
    return re.sub(r"([\\:])", r"\\\1", text)


def _user_line(line: str, old: Login, new: Login) -> str:
    """`PGUSER=…` and the like, in a file in which the password was this login's."""
    found = _ASSIGNED.fullmatch(line.rstrip("\r\n"))
    named = found is not None and _USER_NAME.search(found["name"])
    return (_assigned(line, old.user, new.user) if named else None) or line


def _assigned(line: str, old: str, new: str) -> str | None:
    """The line with another value, where the old one is the whole of what it assigns."""
    plain = line.rstrip("\r\n")
    found = _ASSIGNED.fullmatch(plain)
    if found is None or old not in (found["quoted"], found["bare"]):
        return None
    quote = found["quote"] or ""
    return f"{found['head']}{quote}{new}{quote}{found['tail']}{line[len(plain) :]}"


def write(rewrite: Rewrite) -> Path:
    """Put a backup beside the file, mode 0600, and replace the file, its mode and owner kept; returns the backup's path.

    Raises:
        ConfigurationError: the file was changed since, or cannot be written; it is as it was.
    """
    path = rewrite.path.resolve()  # a link stays a link
    try:
        if _read(path) != rewrite.before:
            raise ConfigurationError(
                f"{rewrite.path} was changed meanwhile.", advice="Run the step again; it shows the difference anew."
            )
        backup = _backup(path, rewrite.before.encode())
        replace_file(path, rewrite.after.encode(), like=path.stat())
    except OSError as error:
        raise ConfigurationError(
            f"{rewrite.path} cannot be written: {error.strerror}.",
            advice="Correct its permissions, and run the step again; the files that are through are left alone then.",
        ) from None
    return backup


def _backup(path: Path, content: bytes) -> Path:
    for number in range(1, 1000):
        backup = path.with_name(f"{path.name}{BACKUP}{'' if number == 1 else f'-{number}'}")
        try:
            write_new(backup, content)
        except FileExistsError:
            if backup.read_bytes() == content:  # of an attempt that was interrupted
                return backup
            continue
        return backup
    raise ConfigurationError(f"There are a thousand backups of {path} already.", advice="Remove what is old.")


def find_env_files(folder: Path, *, most: int = 200) -> tuple[Path, ...]:
    """Files called .env, .env.* or *.env below a folder, backups of ours left out; `most` of them at most."""
    return tuple(islice((path for path in files_below(folder) if _is_env_file(path.name)), most))


def _is_env_file(name: str) -> bool:
    return (name == ".env" or name.startswith(".env.") or name.endswith(".env")) and BACKUP not in name


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise ConfigurationError(f"{path} is larger than {LARGEST} bytes.", advice="Change it by hand.")
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(
            f"{path} cannot be read: {reason}.", advice="Correct env_files under [secrets]."
        ) from None


def texts(rewrites: Iterable[Rewrite]) -> tuple[str, ...]:
    """The differences of several files, each below its name."""
    lines: list[str] = []
    for rewrite in rewrites:
        lines += [str(rewrite.path), *(f"  {line}" for line in rewrite.difference)]
        lines += [f"  line {n}: still holds the old password; change it by hand" for n in rewrite.left]
    return tuple(lines)
