"""Views and materialized views."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Address, Catalog, Column, Grant, Relation
from core.postgres.sql import qualified, quote_identifier, quote_literal
from core.retype.dependents.columns import COMPRESSION, STORAGE
from core.retype.dependents.grants import restore_grants
from core.retype.dependents.subject import Subject
from core.retype.dependents.tablespaces import in_tablespace
from core.retype.model import Statement
from core.retype.names import table_name

MAINTAIN_SINCE = 170000
_PRIVILEGES = ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def subject(view: Relation) -> Subject:
    kind = "materialized view" if view.kind == "m" else "view"
    return Subject(
        kind,
        f"{kind.upper()} {qualified(view.schema, view.name)}",
        table_name(view.schema, view.name),
        Address("pg_class", view.oid),
    )


def take_off(catalog: Catalog, oid: int) -> Iterator[Statement]:
    view = catalog.relation[oid]
    about = subject(view)
    yield about.dropped(f"DROP {about.sql}", "PostgreSQL does not change the type of a column that a view uses")


def put_back(catalog: Catalog, oid: int) -> Iterator[Statement]:
    view = catalog.relation[oid]
    about = subject(view)
    columns = catalog.columns_of.get(oid, ())
    if view.kind == "m":
        yield from in_tablespace(about, view.tablespace, _create_materialized(view, columns, about))
    else:
        yield about.recreated(_create(view, columns), "as it was")
    yield from about.with_owner(catalog, view.owner)
    yield from restore_grants(
        catalog,
        about,
        f"TABLE {qualified(view.schema, view.name)}",
        view.owner,
        view.acl,
        owner_privileges(catalog, view.owner),
        columns,
    )
    yield from about.with_comment(view.comment)
    yield from about.with_labels(view.labels)
    yield from about.with_extensions(catalog)
    for column in columns:
        yield from _column(about, view, column)


def fill(catalog: Catalog, oid: int) -> Iterator[Statement]:
    """Fill a materialized view that held rows, after its indexes and its owner are back."""
    view = catalog.relation[oid]
    if view.kind == "m" and view.populated:
        about = subject(view)
        yield Subject.restored(
            about,
            "refresh materialized view",
            f"REFRESH {about.sql}",
            "it held rows; they are computed anew, as its owner",
        )


def owner_privileges(catalog: Catalog, owner: str) -> tuple[Grant, ...]:
    """`acldefault('r', owner)`."""
    maintain = ("MAINTAIN",) if catalog.server.version_num >= MAINTAIN_SINCE else ()
    return tuple(Grant(owner, owner, privilege, False) for privilege in (*_PRIVILEGES, *maintain))


def _create(view: Relation, columns: tuple[Column, ...]) -> str:
    options = f" WITH ({', '.join(_option(o) for o in view.options)})" if view.options else ""
    return f"CREATE VIEW {qualified(view.schema, view.name)} ({_names(columns)}){options} AS\n{_query(view)}"


def _create_materialized(view: Relation, columns: tuple[Column, ...], about: Subject) -> Statement:
    options = f" WITH ({', '.join(_option(o) for o in view.options)})" if view.options else ""
    method = f" USING {quote_identifier(view.access_method)}" if view.access_method else ""
    sql = (
        f"CREATE MATERIALIZED VIEW {qualified(view.schema, view.name)} ({_names(columns)}){method}{options} AS\n"
        f"{_query(view)}\nWITH NO DATA"
    )
    return about.recreated(sql, "as it was; filled once its owner and its indexes are back", bytes_scanned=view.bytes)


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(quote_identifier(column.name) for column in columns)


def _query(view: Relation) -> str:
    return (view.definition or "").rstrip().removesuffix(";")


def _option(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={quote_literal(value)}"


def _column(about: Subject, view: Relation, column: Column) -> Iterator[Statement]:
    where = f"ALTER {about.sql} ALTER COLUMN {quote_identifier(column.name)}"
    if column.comment is not None:
        name = f"{qualified(view.schema, view.name)}.{quote_identifier(column.name)}"
        yield about.restored("comment", f"COMMENT ON COLUMN {name} IS {quote_literal(column.comment)}")
    for label in column.labels:
        name = f"{qualified(view.schema, view.name)}.{quote_identifier(column.name)}"
        provider = quote_identifier(label.provider)
        yield about.restored(
            "security label", f"SECURITY LABEL FOR {provider} ON COLUMN {name} IS {quote_literal(label.label)}"
        )
    if column.statistics_target >= 0:
        yield about.restored("column setting", f"{where} SET STATISTICS {column.statistics_target}")
    if column.options:
        yield about.restored("column setting", f"{where} SET ({', '.join(_option(o) for o in column.options)})")
    if view.kind == "m" and column.storage:
        yield about.restored("column setting", f"{where} SET STORAGE {STORAGE[column.storage]}")
    if view.kind == "m" and column.compression:
        yield about.restored("column setting", f"{where} SET COMPRESSION {COMPRESSION[column.compression]}")
