"""The grammar of the command line."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

EPILOG = """\
exit status:
  0  done and, where something was to be proved, proved
  1  failed, and everything is as it was
  2  usage or configuration
  3  refused: blockers, a closed gate, or a wrong confirmation
  4  the outcome is not known yet
  5  committed, and something after it needs a person
"""

ON_ITS_OWN = (
    "The run's engine does the work, in a process of its own. When the terminal is lost it goes on, and is answered as told here. "
    "Ctrl-C stops it as long as its transaction is not open; afterwards it leaves, with status 4: the console (pgrecast --run DIR) "
    "shows it, stops it, and answers whether to COMMIT; unanswered it rolls back."
)


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; each command's defaults carry `command`, the name that `tui.cli` dispatches on."""
    parser = argparse.ArgumentParser(
        prog="pgrecast",
        description="Takes a PostgreSQL database through a recovery and changes the type of its keys, "
        "with every foreign key and every dependent put back and proved.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pgrecast {version('pgrecast')}")
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="settings (default: ~/.config/pgrecast/config.toml when there is one)",
    )
    parser.add_argument(
        "--run", metavar="DIR", type=Path, help="the run's directory (default: the target's latest run)"
    )
    parser.set_defaults(command="console")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    commands.required = False

    _command(commands, "console", "the full-screen console (the default)")
    _command(commands, "watch", "the same screen, read only, beside an operator")

    demo = _command(commands, "demo", "an embedded server with the incident, and the console on it")
    demo.add_argument("--unattended", action="store_true", help="walk the ten tasks without a person, printing each")
    demo.add_argument("--dir", metavar="DIR", type=Path, help="where the demo lives (default: a temporary directory)")
    demo.add_argument("--keep", action="store_true", help="leave the server and its data in place")
    demo.add_argument("--rows", metavar="N", type=_count, default=200_000, help="rows in all (default: %(default)s)")
    _json(demo)

    status = _command(commands, "status", "the run in plain text")
    status.add_argument("--report", metavar="FILE", type=Path, help="write the whole run's report (Markdown)")
    _json(status)

    investigate = _command(commands, "investigate", "the inventory and the investigation report")
    _target(investigate)
    _json(investigate)

    reveal = _command(commands, "reveal", "a secret that the run keeps, shown once, on a terminal only")
    reveal.add_argument(
        "name", metavar="NAME", nargs="?", help="production, test or api_key (default: tell what is kept)"
    )

    locate = _command(commands, "locate", "which Alembic revision the schema is really at")
    _target(locate)
    locate.add_argument("--project", metavar="PATH", type=Path, help="the Alembic project (default: [alembic] project)")
    locate.add_argument("--interpreter", metavar="COMMAND", help="the Python of the application's own environment")
    _json(locate)

    plan = _command(commands, "plan", "the plan of a conversion, and its blockers")
    _target(plan)
    _scope(plan)
    plan.add_argument("--sql", metavar="FILE", type=Path, help="write the six-phase script for psql ('-' for stdout)")
    plan.add_argument("--audit", metavar="FILE", type=Path, help="audit a conversion script of your own; exit status 3 if it is "
                      "not complete")  # fmt: skip
    plan.add_argument("--completed", metavar="FILE", type=Path, help="with --audit: write the completed script")
    _json(plan)

    convert = _command(commands, "convert", "a conversion")
    convert.epilog = ON_ITS_OWN
    _target(convert)
    _scope(convert)
    convert.add_argument("--confirm", metavar="DBNAME", help="the database's name, typed as the confirmation")
    outcome = convert.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--commit", action="store_true", help="commit what is proved")
    outcome.add_argument("--rollback", action="store_true", help="roll back after the proof: a full rehearsal")
    convert.add_argument("--report", metavar="FILE", type=Path, help="write the conversion's report (Markdown)")
    convert.add_argument(
        "--undo",
        metavar="RUN_DIR",
        type=Path,
        help="undo, exactly, what the run in RUN_DIR has committed, instead of converting: possible while the schema is as the "
        "conversion left it and every id written since fits the old type; types and scope are the conversion's",
    )
    _json(convert)

    backup = _command(commands, "backup", "a backup of a database")
    _target(backup)
    _backup(backup)
    backup.add_argument(
        "--directory", metavar="DIR", type=Path, help="where backups are kept (default: [backup] directory)"
    )
    _json(backup)

    verify = _command(commands, "verify-backup", "the proof of a backup, by restoring it")
    verify.add_argument(
        "backup", metavar="BACKUP", nargs="?", type=Path, help="a backup's folder (default: the recovery's own backup)"
    )
    verify.add_argument(
        "--depth",
        choices=("files", "restore", "equal"),
        help="files: checksums, and every file is read to its end; restore: into a scratch database; equal: compared with "
        "what was dumped (default: [backup] verify)",
    )
    verify.add_argument(
        "--restore-on", choices=("embedded", "test"), help="a server of our own, or the test database's server"
    )
    _backup(verify)
    verify.set_defaults(dsn=None, target="production")
    _json(verify)

    fingerprint = _command(commands, "fingerprint", "the catalog's canonical form, or the difference of two")
    fingerprint.add_argument("files", metavar="FILE", nargs="*", type=Path, help="two canonical forms to compare")
    _target(fingerprint)
    _json(fingerprint)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    text: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, progress on stderr")


def _target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dsn", metavar="URL", help="a database without configuration (no password in the URL)")
    parser.add_argument("--target", choices=("production", "test"), default="production", help="a configured target")


def _backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", metavar="N", type=_count, help="connections side by side (default: [backup] jobs)")


def _scope(parser: argparse.ArgumentParser) -> None:
    scope = parser.add_argument_group("scope and types")
    scope.add_argument("--from", metavar="TYPE", dest="source_type", help="type to change (default: uuid)")
    scope.add_argument("--to", metavar="TYPE", dest="target_type", help="type to change it to (default: varchar(36))")
    scope.add_argument(
        "--collation", metavar="NAME", help="collation of the converted columns, e.g. C (default: the database's own)"
    )
    scope.add_argument(
        "--scope",
        choices=("keys", "expected"),
        default="keys",
        help="keys: the key graph from its roots (default); expected: what the Alembic project's history wants otherwise",
    )
    scope.add_argument("--root", metavar="TABLE.COLUMN", action="append", default=[], help="a root key; repeatable")
    scope.add_argument(
        "--include", metavar="TABLE.COLUMN", action="append", default=[], help="add a column; repeatable"
    )
    scope.add_argument("--exclude", metavar="TABLE.COLUMN", action="append", default=[], help="leave out; repeatable")
    scope.add_argument(
        "--soft-references",
        choices=("all", "none", "ask"),
        help="columns that reference without a foreign key: all for which their names, uses and values speak",
    )
    scope.add_argument(
        "--repair-functions",
        metavar="ID",
        action="append",
        default=[],
        help="repair a function's body as the plan offers it, or 'all' or 'none' (default: none); repeatable",
    )
    scope.add_argument("--accept", metavar="ID", action="append", default=[], help="accept a warning, or 'all'")
    scope.add_argument("--proof", choices=("catalog", "counts", "contents"), help="how deep the proof goes")


def _count(text: str) -> int:
    try:
        number = int(text.replace("_", "").replace(",", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number
