"""A runbook whose transaction is like a conversion's, and takes its time at COMMIT, or does not come to it."""

from __future__ import annotations

import asyncio

from core.events import CommitSent, TransactionEnded, TransactionOpened
from core.postgres.connect import connect
from core.runbook.model import Runbook, Step, StepContext, StepKind, Task


async def insert_and_commit(context: StepContext) -> str:
    spec, _ = await context.target("production")
    connection = await connect(spec, read_only=False)
    try:
        await connection.execute("BEGIN READ WRITE")
        xid = await connection.fetchval("SELECT pg_current_xact_id()::text")
        await context.publish(TransactionOpened(step=context.step, target="production", xid=xid, backend_pid=1))
        await connection.execute("INSERT INTO plain VALUES (1000, 'slow')")
        if context.step == "1.2":
            await asyncio.sleep(3600)
        await context.publish(CommitSent(step=context.step, target="production", xid=xid))
        await connection.execute("COMMIT")
        await context.publish(TransactionEnded(step=context.step, target="production", outcome="committed", seconds=1))
        return "committed"
    finally:
        connection.terminate()


RUNBOOK = Runbook(
    "slow",
    (
        Task(
            1,
            "Insert",
            "",
            "",
            (
                Step("1.1", "Insert", StepKind.DESTRUCTIVE, action=insert_and_commit),
                Step("1.2", "Hold", StepKind.DESTRUCTIVE, action=insert_and_commit),
            ),
        ),
    ),
)
