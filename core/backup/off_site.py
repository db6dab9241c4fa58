"""A copy elsewhere: what is copied, and whether the checksums that were printed there are those of the files here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath

from core.backup.manifest import CATALOG_FILE, FILE
from core.backup.storage import Backup
from core.errors import ConfigurationError

MOST_NAMED = 10

# As sha256sum prints it (coreutils, "md5sum invocation"): the mode is a blank or an asterisk; BSD's `sha256 -r` has no mode.
_LINE = re.compile(r"^\\?(?P<sha256>[0-9a-fA-F]{64}) [ *]?(?P<path>.+)$")


def copied(backup: Backup) -> Path:
    """What `{path}` stands for: the backup's folder; of what was adopted, the dump itself."""
    return backup.data if Path(backup.manifest.data).is_absolute() else backup.folder


def command_line(template: str, backup: Backup) -> str:
    """The user's command line with `{path}` and `{name}` filled in, whatever is in them.

    Raises:
        ConfigurationError: it is no command line.
    """
    path = copied(backup)
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise ConfigurationError(
            f"{template!r} is no command line: {error}.",
            advice="Correct copy_command or checksum_command under [backup].",
        ) from None
    return shlex.join(word.replace("{path}", str(path)).replace("{name}", path.name) for word in words)


def checksums(backup: Backup) -> dict[str, str]:
    """What must be there: SHA-256 by path below what is copied."""
    manifest = backup.manifest
    if copied(backup) == backup.data:
        return {name: file.sha256 for name, file in manifest.files.items()}
    found = {f"{manifest.data}/{name}": file.sha256 for name, file in manifest.files.items()}
    found[FILE] = backup.manifest_sha256
    if manifest.catalog_sha256 is not None:
        found[CATALOG_FILE] = manifest.catalog_sha256
    return found


def missing_or_unlike(backup: Backup, printed: str) -> tuple[str, ...]:
    """What the printed checksums do not prove, one sentence each; empty when every file is there as it is here.

    Args:
        printed: lines as sha256sum prints them; paths may begin anywhere, other lines are passed over.
    """
    there: dict[PurePosixPath, str] = {}
    for line in printed.splitlines():
        if found := _LINE.match(line.strip()):
            there[PurePosixPath(found["path"].strip())] = found["sha256"].lower()
    problems: list[str] = []
    for name, sha256 in checksums(backup).items():
        wanted = PurePosixPath(name)
        depth = len(wanted.parts)
        printed_here = {value for path, value in there.items() if path.parts[-depth:] == wanted.parts}
        if not printed_here:
            problems.append(f"{name}: no checksum was printed")
        elif printed_here != {sha256}:
            problems.append(f"{name}: the checksum there is another")
    return tuple(problems)
