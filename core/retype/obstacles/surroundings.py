"""What goes on around the database: sessions, replication, event triggers, the connection itself."""

from __future__ import annotations

from collections.abc import Iterator

from core.postgres.catalog import Catalog
from core.postgres.sql import quote_identifier
from core.retype.activity import Activity, Session
from core.retype.closure import Closure
from core.retype.dependents import foreign_keys
from core.retype.findings import age, listed
from core.retype.model import Blocker, PlanWarning, Scope
from core.retype.names import table_name
from core.retype.tables import tables_touched

PATIENCE_SECONDS = 5.0
"""How old a transaction with locks on the scope's tables must be to count; shorter ones are gone when it matters."""
_DDL_EVENTS = frozenset({"ddl_command_start", "ddl_command_end", "table_rewrite", "sql_drop"})
# Entries in the server's lock table, measured on 1,000 tables of 3 indexes and 2 foreign keys each: 40,800. A table has a new
# heap and two TOAST pairs, an index is made anew, a foreign key goes and comes with its triggers.
_LOCKS_FOR_TABLE, _LOCKS_FOR_INDEX, _LOCKS_FOR_FOREIGN_KEY, _LOCKS_FOR_PART = 7, 5, 10, 4


def blockers(catalog: Catalog, scope: Scope, closure: Closure, activity: Activity) -> Iterator[Blocker]:
    database = f"database {catalog.server.database}"
    if catalog.server.in_recovery:
        yield Blocker(
            "read-replica", database, "This is a replica: it cannot be changed.", "Connect to the primary server."
        )
    if activity.pooled:
        yield Blocker(
            "pooler",
            "connection",
            "A pooler stands between here and the server: the session's settings, locks and transaction could be another's.",
            "Connect to the server directly (its own host and port, not the pooler's).",
        )
    if not activity.collation_known:
        yield Blocker(
            f"no-collation:{scope.types.collation}",
            database,
            f"It has no collation {scope.types.collation} for its encoding, {catalog.server.encoding}.",
            "SELECT collname FROM pg_collation lists those that it has.",
        )
    for session in activity.lock_holders:
        yield from _holder(catalog, activity, session)
    for transaction in activity.prepared_transactions:
        yield Blocker(
            f"prepared-transaction:{transaction.gid}",
            f"prepared transaction {transaction.gid}",
            f"{transaction.owner} prepared it and left it open {age(transaction.seconds)}; it holds locks on "
            f"{_tables(catalog, transaction.relations)}, without a session that could end.",
            f"COMMIT PREPARED or ROLLBACK PREPARED '{transaction.gid}', whichever its transaction manager says.",
        )
    yield from _lock_table(catalog, scope, closure, activity)


def warnings(catalog: Catalog, scope: Scope, closure: Closure, activity: Activity) -> Iterator[PlanWarning]:
    for trigger in sorted(catalog.event_triggers, key=lambda t: t.name):
        if trigger.enabled != "D" and trigger.event in _DDL_EVENTS:
            name = quote_identifier(trigger.name)
            yield PlanWarning(
                f"event-trigger:{name}",
                f"event trigger {name}",
                f"It fires on {trigger.event} and calls {trigger.function} for the statements of this conversion.",
                "The function may raise an error, which rolls back, or write rows of its own.",
            )
    for slot in activity.logical_slots:
        yield PlanWarning(
            f"logical-slot:{slot}",
            f"replication slot {slot}",
            "Somebody reads this database's changes through it.",
            f"From COMMIT on keys arrive there as {scope.types.target}; a reader that keeps {scope.types.source} goes on "
            "until a value is not one, or stops at once if it reads in binary.",
        )
    for subscription in activity.subscriptions:
        yield PlanWarning(
            f"subscription:{quote_identifier(subscription.name)}",
            f"subscription {quote_identifier(subscription.name)}",
            f"It writes into {_tables(catalog, subscription.relations)}.",
            "It waits during the conversion and then goes on writing text into the new type"
            + (", which it cannot: it is binary, and stops." if subscription.binary else "."),
        )
    for session in activity.long_transactions:
        yield PlanWarning(
            f"long-transaction:{session.pid}",
            f"session {session.pid}",
            f"{_who(session)} has had a transaction open {age(session.seconds)}.",
            "A snapshot from before the conversion sees the rewritten tables empty afterwards (docs, MVCC caveats).",
        )
    for view in activity.stale_views:
        yield PlanWarning(
            f"stale-view:{view.name}",
            f"materialized view {view.name}",
            {
                "differs": "Its stored rows are not what its query returns now.",
                "fails": f"Its query fails now: {view.detail}.",
                "unknown": f"Whether its stored rows are what its query returns now is not known: {view.detail}.",
            }[view.finding],
            "It must be created again, which computes its rows anew"
            + ("; the conversion would fail there and roll back." if view.finding == "fails" else "."),
        )


def _holder(catalog: Catalog, activity: Activity, session: Session) -> Iterator[Blocker]:
    tables = _tables(catalog, session.relations)
    overdue = [oid for oid in session.relations if oid in activity.overdue_for_vacuum]
    if not session.role and "ShareUpdateExclusiveLock" in session.modes:
        if overdue or "to prevent wraparound" in session.query:
            yield Blocker(
                f"wraparound-vacuum:{tables}",
                f"autovacuum {session.pid}",
                f"It works on {tables} to prevent transaction id wraparound, and such a one does not give way to a lock.",
                "Let it finish; VACUUM (FREEZE) of the table in a session of your own can be faster.",
            )
    elif session.seconds < 0 or session.seconds > PATIENCE_SECONDS:
        doing = f", {session.state}" if session.state else ""
        query = f"; its last statement: {session.query}" if session.query else ""
        yield Blocker(
            f"lock-holder:{session.pid}",
            f"session {session.pid}",
            f"{_who(session)}{doing}, holds locks on {tables} {age(session.seconds)}{query}.",
            f"Let it end, or end it: SELECT pg_terminate_backend({session.pid}).",
        )


def _lock_table(catalog: Catalog, scope: Scope, closure: Closure, activity: Activity) -> Iterator[Blocker]:
    touched = tables_touched(catalog, scope, closure)
    need = (
        _LOCKS_FOR_TABLE * len(touched)
        + _LOCKS_FOR_INDEX * sum(len(catalog.indexes_of.get(oid, ())) for oid in touched)
        + _LOCKS_FOR_FOREIGN_KEY * len(foreign_keys.recreated(catalog, scope))
        + _LOCKS_FOR_PART * len(closure.parts)
    )
    per_transaction, backends = _lock_table_size(activity)
    if need > per_transaction * backends:
        enough = -(-need * 11 // (10 * backends))
        yield Blocker(
            "lock-table",
            f"database {catalog.server.database}",
            f"The conversion takes about {need} locks, and the server's lock table has room for about "
            f"{per_transaction * backends} (max_locks_per_transaction = {per_transaction}): it would run out of shared memory.",
            f"Set max_locks_per_transaction to {enough} or more and restart the server, or convert fewer tables at a time "
            "(--root).",
        )


def _lock_table_size(activity: Activity) -> tuple[int, int]:
    """max_locks_per_transaction, and the number of backends that it is multiplied with (PostgreSQL's NLOCKENTS)."""
    settings = {name: int(value) for name, value in activity.settings.items()}
    autovacuum = settings.get("autovacuum_worker_slots", settings.get("autovacuum_max_workers", 0))
    others = ("max_connections", "max_prepared_transactions", "max_worker_processes", "max_wal_senders")
    return settings["max_locks_per_transaction"], autovacuum + 1 + sum(settings[name] for name in others)


def _who(session: Session) -> str:
    role = f"Role {quote_identifier(session.role)}" if session.role else "A session"
    return f"{role} ({session.application})" if session.application else role


def _tables(catalog: Catalog, oids: tuple[int, ...]) -> str:
    relations = [catalog.relation[oid] for oid in oids if oid in catalog.relation]
    return listed(sorted(table_name(r.schema, r.name) for r in relations), 5)
