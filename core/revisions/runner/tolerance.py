"""Running a revision of which some operations fail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any, cast


class Tolerance:
    """Lets a revision go on after an operation that fails.

    Every operation of Alembic ends in `DefaultImpl._exec`, batches and plain SQL too: each gets a savepoint, and what
    fails is noted. A table that cannot be created is created without its foreign keys, and then gets each of them alone;
    plain SQL is taken apart by the other side, which has a parser. Where the revision's own code stops, what it has done
    until then is kept.

    Args:
        note: takes what has failed.
        divide: gives the smallest statements that do the same as some SQL.
    """

    def __init__(
        self, connection: Any, note: Callable[[str, BaseException], None], divide: Callable[[str], list[str]]
    ) -> None:
        self._connection, self._note, self._divide = connection, note, divide
        self._kept: Any = None

    @contextlib.contextmanager
    def installed(self) -> Generator[None, None, None]:
        from alembic.ddl.impl import DefaultImpl

        implementation: Any = cast("Any", DefaultImpl)
        original = implementation._exec

        def execute(impl: Any, construct: Any, *arguments: Any, **options: Any) -> Any:
            def perform(what: Any) -> Any:
                return self._in_savepoint(lambda: original(impl, what, *arguments, **options))

            try:
                return perform(construct)
            except Exception as error:
                self._note(str(construct), error)
                self._in_parts(construct, perform)
                return None

        implementation._exec = execute
        try:
            yield
        finally:
            implementation._exec = original

    def wrap(self, step: Any) -> Any:
        run = step.migration_fn

        def tolerant(**options: Any) -> None:
            self._keep()
            try:
                run(**options)
            except (Exception, SystemExit) as error:
                self._note("the rest of the revision", error)
                if self._kept is not None and self._kept.is_active:
                    self._kept.rollback()
            else:
                if self._kept is not None and self._kept.is_active:
                    self._kept.commit()

        step.migration_fn = tolerant
        return step

    def _in_transaction(self) -> bool:
        options = self._connection.get_execution_options()
        return self._connection.in_transaction() and options.get("isolation_level") != "AUTOCOMMIT"

    def _keep(self) -> None:
        if self._in_transaction():
            if self._kept is not None and self._kept.is_active:
                self._kept.commit()
            self._kept = self._connection.begin_nested()

    def _in_savepoint(self, perform: Callable[[], Any]) -> Any:
        if not self._in_transaction():
            return perform()
        with self._connection.begin_nested():
            result = perform()
        self._keep()
        return result

    def _in_parts(self, construct: Any, perform: Callable[[Any], Any]) -> None:
        from sqlalchemy import schema, text

        if isinstance(construct, schema.CreateTable):
            self._table_in_parts(construct, perform)
            return
        for part in self._divide(_plain(construct)):
            try:
                perform(text(part.replace(":", "\\:")))
            except Exception as error:
                self._note(part, error)

    def _table_in_parts(self, construct: Any, perform: Callable[[Any], Any]) -> None:
        from sqlalchemy import schema

        table = construct.element
        try:
            perform(schema.CreateTable(table, include_foreign_key_constraints=[]))
        except Exception as error:
            self._note("the same without foreign keys", error)
            return
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.column_keys)):
            part = schema.AddConstraint(key)
            try:
                perform(part)
            except Exception as error:
                self._note(str(part), error)


def _plain(construct: Any) -> str:
    """The SQL of a text that has no parameters; "" for anything else."""
    from sqlalchemy import TextClause
    from sqlalchemy.dialects import postgresql

    if not isinstance(construct, str):
        if not isinstance(construct, TextClause):
            return ""
        compiled = construct.compile(dialect=postgresql.dialect(paramstyle="named"))
        construct = "" if compiled.params else str(compiled)
    return construct
