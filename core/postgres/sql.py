"""SQL text: identifiers, literals and named queries. Every name and value that enters a statement as text passes here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from core.errors import ConfigurationError, UsageError

# Every keyword that some version up to 18 does not take bare for any name: `pg_get_keywords()`, catcode other than U.
_KEYWORDS = frozenset(
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
    char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
    desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
    json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
    not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
    primary real references returning right row select session_user setof similar smallint some substring symmetric
    system_user table tablesample then time timestamp to trailing treat trim true union unique user using values varchar
    variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces
    xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - one word to a line would bury them
)
_BARE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)
_QUERY_NAME = re.compile(r"--\s*name:\s*(\S+)\s*")


def quote_identifier(name: str) -> str:
    """Quote a name for SQL, as `quote_ident` does: bare where that is certainly safe, in double quotes otherwise.

    Raises:
        UsageError: the name is empty or holds a NUL, which no PostgreSQL name can.
    """
    if not name or "\0" in name:
        raise UsageError(f"{name!r} is no name: PostgreSQL's names are not empty and hold no NUL character.")
    if _BARE.fullmatch(name) and name not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """Quote a schema and a name within it, with the dot between them."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def quote_literal(text: str) -> str:
    """Quote a text as an SQL string that means the same whatever `standard_conforming_strings` is.

    Raises:
        UsageError: the text holds a NUL, which no PostgreSQL text can.
    """
    if "\0" in text:
        raise UsageError("A text with a NUL character in it cannot be given to PostgreSQL.")
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def load_queries(directory: Path) -> Mapping[str, str]:
    """Read the named queries of a directory: `*.sql` files in which `-- name: NAME` begins each query.

    Raises:
        ConfigurationError: no such files, a name given twice, a name without a query, or SQL before the first name.
    """
    queries: dict[str, str] = {}
    origin: dict[str, str] = {}
    for path in sorted(directory.glob("*.sql")):
        name = ""
        lines: dict[str, list[str]] = {"": []}
        for line in path.read_text(encoding="utf-8").splitlines():
            if header := _QUERY_NAME.fullmatch(line):
                name = header[1]
                if first := origin.get(name):
                    raise _broken(f"The query {name} is defined twice, in {first} and in {path.name}.")
                origin[name] = path.name
                lines[name] = []
            else:
                lines[name].append(line)
        for name, body in lines.items():
            code = [line for line in body if line.strip() and not line.lstrip().startswith("--")]
            if bool(code) != bool(name):
                fault = f"The query {name} has no text" if name else "There is SQL before the first name"
                raise _broken(f"{fault}, in {path.name}.")
            if name:
                queries[name] = "\n".join(body).strip()
    if not queries:
        raise _broken(f"There are no queries in {directory.name}.")
    return MappingProxyType(queries)


def _broken(what: str) -> ConfigurationError:
    return ConfigurationError(what, advice="This installation of pgrecast is damaged: install it again.")
