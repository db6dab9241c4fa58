"""The plan as a script that psql alone can run: six phases, proved by itself, rolled back unless told to commit."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog
from core.postgres.sql import qualified, quote_literal
from core.retype.blocks import do_block, rows
from core.retype.course import total_of
from core.retype.model import Phase, Plan, Statement
from core.retype.names import split_name
from core.retype.script_state import compare_state, remember_state
from core.retype.transaction import SETTINGS

LOCK_TIMEOUT = "5s"
_RULE = "-- " + "=" * 117


def render_script(plan: Plan, catalog: Catalog) -> str:
    """The script. A plan with blockers gives one that says so and does nothing.

    Args:
        catalog: that the plan was made from.
    """
    if plan.blockers or not plan.statements:
        return _refusal(plan)
    tables = _tables(plan)
    lines = [*_head(plan)]
    for phase in Phase:
        lines += _phase(plan, catalog, phase, tables)
    lines += _end(tables)
    return "\n".join(lines) + "\n"


def _head(plan: Plan) -> Iterator[str]:
    types, counts = plan.scope.types, f"{len(plan.scope.columns)} columns, {len(plan.scope.foreign_keys)} foreign keys"
    yield from _comment(
        f"Converts keys from {types.source} to {types.target}: {counts}.",
        f"Written by pgrecast for {plan.identity}.",
        f"Plan {plan.fingerprint}",
        "",
        "Everything happens in one transaction. Run plainly it rolls back at the end, and shows that it would work:",
        "    psql -X -d DATABASE -f THIS_FILE",
        "It commits only when told to, and only what phase 6 has proved:",
        "    psql -X -d DATABASE -v commit=on -f THIS_FILE",
        "It refuses every other database, unless it is named as the copy that is meant:",
        "    psql -X -d COPY -v copy=COPY -f THIS_FILE",
        "An error ends it, with everything as it was. No application should be at work meanwhile: it would wait.",
    )
    for warning in plan.warnings:
        yield from _comment("", f"Warning ({warning.id}): {warning.reason} {warning.consequence}")
    for note in plan.notes:
        yield from _comment("", f"Note: {note}")
    for repair in plan.repairs:
        before, after = repair.before.splitlines(), repair.after.splitlines()
        yield from _comment("", f"Repair of {repair.object}: {repair.reason}")
        for sign, lines in (("-", before), ("+", after)):
            others = after if sign == "-" else before
            yield from (f"--   {sign} {line.strip()}" for line in lines if line not in others)
    yield ""
    yield "\\set ON_ERROR_STOP on"
    yield "\\set QUIET on"
    yield "\\encoding UTF8"
    for variable, default in (("commit", "off"), ("copy", "''")):
        yield f"\\if :{{?{variable}}}"
        yield f"  \\set pgrecast_{variable} :{variable}"
        # Nothing in the statements below can then be taken for it (psql puts variables in for `:commit`).
        yield f"  \\unset {variable}"
        yield "\\else"
        yield f"  \\set pgrecast_{variable} {default}"
        yield "\\endif"
    yield ""
    yield "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
    yield _settings() + ";"
    yield "SET LOCAL pgrecast.copy = :'pgrecast_copy';"


def _settings() -> str:
    values = rows([*{**SETTINGS, "lock_timeout": LOCK_TIMEOUT}.items()])
    return do_block(
        f"""BEGIN
  PERFORM set_config(wanted.name, wanted.value, true)
  FROM (VALUES
    {values}
  ) AS wanted (name, value)
  JOIN pg_catalog.pg_settings known ON known.name = wanted.name;
END"""
    )


def _is_the_database(plan: Plan) -> str:
    """That it is the plan's database, or the copy that is named; as much of its identity as can be asked for in SQL."""
    identity = plan.identity
    cluster = ""
    if identity.cluster.isdigit():  # otherwise its role could not read it: an address and a time say nothing later
        cluster = f"""
  IF has_function_privilege('pg_control_system()', 'EXECUTE') THEN
    SELECT another OR system_identifier <> {identity.cluster} INTO another FROM pg_control_system();
  END IF;"""  # noqa: S608 - digits
    return do_block(f"""DECLARE
  copy text := current_setting('pgrecast.copy');
  another boolean;
BEGIN
  IF copy <> '' THEN
    IF copy <> current_database() THEN
      RAISE EXCEPTION 'pgrecast: this is database %, and % was named as the copy', current_database(), copy;
    END IF;
    RETURN;
  END IF;
  SELECT datname <> {quote_literal(identity.database)} OR oid <> {identity.database_oid} INTO another
  FROM pg_database WHERE datname = current_database();{cluster}
  IF another THEN
    RAISE EXCEPTION 'pgrecast: database % is not %', current_database(), {quote_literal(str(identity))}
      USING HINT = 'To run it on a copy, name the copy: psql -v copy=' || current_database();
  END IF;
END""")  # noqa: S608 - quoted


def _phase(plan: Plan, catalog: Catalog, phase: Phase, tables: list[str]) -> Iterator[str]:
    statements = plan.of_phase(phase)
    yield ""
    yield _RULE
    yield from _comment(f"Phase {int(phase)}: {phase.title}")
    yield _RULE
    yield _echo(f"Phase {int(phase)}: {phase.title}")
    if phase is Phase.VERIFY:
        yield ""
        yield from _comment("It is the database that this script was written for.")
        yield f"{_is_the_database(plan)};"
    for statement in statements:
        yield from _statement(statement)
    if phase is Phase.VERIFY:
        yield ""
        yield from _comment("The schema is as it was when this script was written, and is remembered for phase 6.")
        yield from (f"{statement};" for statement in remember_state(plan, catalog))
        yield from _remember(tables)
    if phase is Phase.PROVE:
        yield ""
        yield from _comment("Nothing but types, and texts that follow them, is other than before.")
        yield from (f"{statement};" for statement in compare_state())
        yield from _compare(tables)
    for tally in total_of(tally for statement in statements for tally in statement.tallies):
        root = f"{tally.root} " if tally.root else ""
        yield _echo(f"  Total {root}{tally.what}: {tally.count}")


def _statement(statement: Statement) -> Iterator[str]:
    yield ""
    yield from _comment(f"{statement.object}: {statement.reason}")
    yield f"{statement.sql};"


def _remember(tables: list[str]) -> Iterator[str]:
    yield ""
    yield from _comment("What every table holds, row by row as text: a uuid's text is what it becomes.")
    yield f"CREATE TEMPORARY TABLE pgrecast_rows ON COMMIT DROP AS\n{_contents(tables)};"


def _compare(tables: list[str]) -> Iterator[str]:
    yield ""
    yield from _comment("Every table holds the same rows.")
    body = f"""DECLARE
  wrong text;
BEGIN
  SELECT string_agg(coalesce(a.tab, b.tab), ', ') INTO wrong
  FROM pg_temp.pgrecast_rows b
  FULL JOIN (
{_contents(tables)}
  ) a USING (tab)
  WHERE a.count IS DISTINCT FROM b.count OR a.hash IS DISTINCT FROM b.hash;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'pgrecast: rows are not the same as before in %', wrong;
  END IF;
END"""  # noqa: S608 - quoted
    yield do_block(body) + ";"


def _contents(tables: list[str]) -> str:
    hashed = "coalesce(sum(hashtextextended((rows_of.*)::text, 0)::numeric), 0) AS hash"
    return "\nUNION ALL\n".join(
        f"SELECT {quote_literal(table)}::text AS tab, count(*) AS count, {hashed} FROM ONLY {table} AS rows_of"  # noqa: S608
        for table in tables
    )


def _end(tables: list[str]) -> Iterator[str]:
    yield ""
    yield "\\if :pgrecast_commit"
    yield "  COMMIT;"
    yield "  " + _echo("Committed. Statistics of the converted tables follow.")
    # A change of type deletes the columns' statistics.
    yield f"  ANALYZE {', '.join(tables)};"
    yield "\\else"
    yield "  ROLLBACK;"
    yield "  " + _echo("Rolled back: everything is as it was. With -v commit=on it would be committed.")
    yield "\\endif"


def _refusal(plan: Plan) -> str:
    lines = [*_comment("This conversion must not start:" if plan.blockers else "There is nothing to convert.")]
    for blocker in plan.blockers:
        lines += _comment("", f"{blocker.object}: {blocker.reason}", f"Way out: {blocker.way_out}")
    lines += [
        "\\set ON_ERROR_STOP on",
        "DO $$ BEGIN RAISE EXCEPTION 'pgrecast: there are blockers, see the script'; END $$;",
    ]
    return "\n".join(lines) + "\n"


def _tables(plan: Plan) -> list[str]:
    """Every table that has a column in the scope, partitions and inheriting tables too, qualified."""
    found: set[str] = set()
    for column in plan.scope.columns:
        *schema, table, _ = split_name(column.name)
        found.add(qualified(schema[0] if schema else "public", table))
    return sorted(found)


def _comment(*lines: str) -> Iterator[str]:
    """SQL comments; what would end one is taken out of names."""
    for line in lines:
        yield f"-- {' '.join(line.split())}" if not line.startswith("    ") else f"--     {line.strip()}"


def _echo(text: str) -> str:
    quoted = " ".join(text.split()).replace("\\", "\\\\").replace("'", "''")
    indent = "  " if text.startswith("  ") else ""
    return f"\\echo '{indent}{quoted}'"
