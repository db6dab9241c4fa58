"""What a server's refusal means to the operator (PostgreSQL documentation, appendix A, "PostgreSQL Error Codes")."""

from __future__ import annotations

import asyncpg

# By SQLSTATE, or by its class where the code says nothing more.
_ADVICE = {
    "22001": "A value does not fit into the new type. Choose a longer type, or shorten the value.",
    "22P02": "A value cannot be read in the new type. `pgrecast plan` counts such values and shows examples.",
    "23503": "A row references one that does not exist. Find it by the detail, mend it, and start again.",
    "23505": "Two values are the same in the new type. Find them by the detail, mend them, and start again.",
    "25006": "The session was read only: a replica, or default_transaction_read_only is on. Connect to the primary.",
    "40P01": "Another session waited for this one while this one waited for it. Keep others out, and start again.",
    "42501": "The role lacks a right: it must own every object of the conversion. Have it granted, and start again.",
    "42883": "An expression compares the new type with another that stayed. `pgrecast plan` shows how to repair it.",
    "42804": "An expression mixes the new type with another that stayed. `pgrecast plan` shows how to repair it.",
    "53100": "The server's disk is full. Make room: the conversion needs the tables and their indexes a second time.",
    "53200": "The server ran out of memory, or out of locks: raise max_locks_per_transaction.",
    "54000": "A row is too large to be compared as text (1 GB). Choose --proof counts.",
    "55P03": "Another session holds a lock. Keep others out (maintenance mode), and start again.",
    "57014": "The statement was cancelled or ran out of time. If the window was too short, choose a longer one.",
    "2BP01": "Something depends on the object that the plan does not know. Plan again; if it stays, report it.",
}
_OTHERWISE = "Nothing needs mending before the next attempt. Look at the statement log, and plan again."


def advice_for(error: asyncpg.PostgresError) -> str:
    sqlstate = error.sqlstate or ""
    return _ADVICE.get(sqlstate, _OTHERWISE)


def described(error: asyncpg.PostgresError) -> str:
    """The server's message with its SQLSTATE, DETAIL and HINT."""
    parts = [f"{error.args[0] if error.args else error} (SQLSTATE {error.sqlstate})"]
    if error.detail:
        parts.append(f"DETAIL: {error.detail}")
    if error.hint:
        parts.append(f"HINT: {error.hint}")
    return " ".join(parts)
