"""How the backup was verified, and how it is restored, command by command: pure functions of what was found."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from core.backup.manifest import Form
from core.backup.storage import Backup
from core.backup.verify import Verification
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.sql import quote_identifier
from core.runbook.markdown import block, bullets, code, table
from core.runbook.words import size, span

SUFFIX = "_restored"


@dataclass(frozen=True)
class RestoreReport:
    """What the procedure is about.

    Attributes:
        host, port, user, database: of production.
        seconds: what a restore of this very backup has taken.
    """

    backup: Backup
    host: str
    port: int
    user: str
    database: str
    seconds: float
    jobs: int

    @classmethod
    def of(cls, backup: Backup, spec: ConnectionSpec, seconds: float, jobs: int) -> RestoreReport:
        return cls(backup, spec.host, spec.port, spec.user, spec.database, seconds, jobs)


def procedure(report: RestoreReport) -> str:
    """The report, in Markdown."""
    manifest = report.backup.manifest
    new = f"{report.database}{SUFFIX}"
    return (
        "\n\n".join(
            (
                f"# How {code(report.database)} is restored from the backup {code(report.backup.name)}",
                bullets(
                    (
                        (
                            f"The backup: {code(str(report.backup.folder))}, {size(manifest.bytes)}, of {manifest.taken_at:%Y-%m-%d %H:%M:%S} "
                            f"UTC; SHA-256 of its manifest: {code(report.backup.manifest_sha256)}"
                        ),
                        f"A restore of it has taken {span(report.seconds)} when it was tested.",
                        "It goes into a NEW database; the one that is there stays as it is until the service uses the new one.",
                        "The password comes from PGPASSFILE or ~/.pgpass, or is asked for. It stands in none of these commands.",
                    )
                ),
                "Steps 7.3-restore and 7.3-serve of the console do all of this. By hand:",
                "## 1. Check the files",
                block(f"pgrecast verify-backup {shlex.quote(str(report.backup.folder))} --depth files", "sh"),
                "## 2. Make a new database and restore into it",
                block("\n".join(restore_commands(report, new)), "sh"),
                "## 3. Compare it",
                block(f"pgrecast fingerprint --dsn {shlex.quote(_url(report, new))}", "sh"),
                "## 4. Have the service use it",
                "Either exchange the names, with nobody connected to either database, so that the service's settings stay as they are:",
                block("\n".join(exchange_commands(report, new)), "sh"),
                f"Or set the service's DATABASE_URL to the database {code(new)}, and deploy or restart it.",
                "## What is not in it",
                bullets(
                    (
                        "Roles and their passwords: they belong to the server, not to the database.",
                        "Settings of the database (ALTER DATABASE … SET), and its own privileges: set them again.",
                        "The order in which a table's foreign keys fire.",
                        "Whatever was written after the backup was taken.",
                        *(f"Nobody can prove {line}." for line in manifest.unproved),
                    )
                ),
            )
        )
        + "\n"
    )


def restore_commands(report: RestoreReport, new: str) -> tuple[str, ...]:
    """The commands that make the new database and restore into it."""
    where = _where(report)
    manifest, data = report.backup.manifest, shlex.quote(str(report.backup.data))
    create = f"CREATE DATABASE {quote_identifier(new)} TEMPLATE template0"
    into = shlex.quote(_named(new))
    if manifest.form is Form.PLAIN:
        read = "gunzip -c" if report.backup.data.suffix == ".gz" else "cat"
        restore = f"{read} {data} | psql -X -v ON_ERROR_STOP=1 {where} --dbname={into}"
    else:
        jobs = "" if manifest.form is Form.TAR else f" --jobs={report.jobs}"
        restore = f"pg_restore{jobs} --exit-on-error --no-owner --no-tablespaces {where} --dbname={into} {data}"
    return (
        f"psql -X {where} --dbname=postgres -c {shlex.quote(create)}",
        restore,
        f"vacuumdb --analyze-only {where} --dbname={into}",
    )


def exchange_commands(report: RestoreReport, new: str) -> tuple[str, ...]:
    """The command that puts the new database in the place of the old one."""
    old, aside = quote_identifier(report.database), quote_identifier(f"{report.database}_before_restore")
    sql = (
        f"BEGIN; ALTER DATABASE {old} RENAME TO {aside}; ALTER DATABASE {quote_identifier(new)} RENAME TO {old}; COMMIT"
    )
    return (f"psql -X -v ON_ERROR_STOP=1 {_where(report)} --dbname=postgres -c {shlex.quote(sql)}",)


def verification_report(backup: Backup, found: Verification) -> str:
    """What was verified, and what was not, in Markdown."""
    manifest = backup.manifest
    rows = [
        ("backup", code(backup.name)),
        ("kind", f"{manifest.kind}, {manifest.form}"),
        ("taken", f"{manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("size", f"{size(manifest.bytes)} in {len(manifest.files)} files"),
        ("manifest, SHA-256", code(backup.manifest_sha256)),
        ("depth reached", found.depth),
        ("found", found.summary),
    ]
    tables = found.content.tables if found.content is not None else ()
    parts = [f"# Verification of the backup {code(backup.name)}", table(("", ""), rows)]
    if found.unproved:
        parts += ["## Not proved, or not compared", bullets(found.unproved)]
    if tables:
        counts = [(code(f"{t.schema_}.{t.name}"), f"{t.rows:,}") for t in tables]
        parts += ["## Rows that were restored", table(("table", "rows"), counts)]
    return "\n\n".join(parts) + "\n"


def _where(report: RestoreReport) -> str:
    return f"-h {shlex.quote(report.host)} -p {report.port} -U {shlex.quote(report.user)}"


def _named(database: str) -> str:
    """As a connection string where the name alone could be taken for one."""
    return _pair(database) if "=" in database or "://" in database else database


def _url(report: RestoreReport, database: str) -> str:
    return f"host={report.host} port={report.port} user={report.user} {_pair(database)}"


def _pair(database: str) -> str:
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"
