"""Run a plan: one transaction on a connection of its own, proved on it, and held open for the operator's word.

The order of things: `open` → `lock` → `run` → `prove` → (`hold`) → `commit` or `rollback`. Whatever goes wrong on the
way, a cancelled task included, ends in a rollback before the error is raised, and the error says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import asyncpg

from core.errors import (
    ConversionFailed,
    JournalError,
    OutcomeUnknown,
    ProofFailed,
    QueryFailed,
    Refused,
    WrongDatabase,
)
from core.events import CommitSent, Event, ProofMade, Reading, StepSaid, TransactionEnded, TransactionOpened
from core.postgres.catalog import Catalog
from core.postgres.connect import ConnectionSpec
from core.postgres.contents import Rows, TableName, read_rows
from core.postgres.inspect import inspect_within
from core.retype.advice import advice_for, described
from core.retype.aftercare import analyze, tables_to_analyze
from core.retype.closure import close_over
from core.retype.course import Course
from core.retype.estimate import Timings, estimate
from core.retype.execution_options import DEFAULT_OPTIONS, ExecutionOptions
from core.retype.failure import Cause, Failure
from core.retype.finishing import to_its_end
from core.retype.locking import Session, claim, lock_relations
from core.retype.model import Phase, Plan, Statement
from core.retype.observe import Observer
from core.retype.outcome import Outcome, question
from core.retype.progress import Progress
from core.retype.proof import Proof, advice_on, make_proof, relations_to_read
from core.retype.replan import require_same_plan
from core.retype.statement_log import StatementLog
from core.retype.tables import tables_touched
from core.retype.transaction import Transaction, is_connection_lost

LOCK = "lock tables"
"""Kind of the statement that locks the scope."""
CHANGING = (Phase.DETACH, Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES, Phase.REATTACH)
KEEPALIVE = 2.0  # seconds between two signs of life, and two readings, while the transaction is held open
AS_IT_WAS = "It was rolled back; everything is as it was."


class Conversion:
    """One conversion of one database.

    Args:
        spec: the target's connection.
        plan: the confirmed plan.
        step, target: what events carry.
        replan: makes the plan anew from the catalog as it is under the locks; runs in a thread.
        publish: returns when the event is on disk.
        read: shows a passing figure.
        log: the plain-text log; the caller closes it.
        history: a rehearsal's times, for the time left.
        planned_from: the catalog that the plan was made from, to name what has changed since.
    """

    def __init__(
        self,
        spec: ConnectionSpec,
        plan: Plan,
        *,
        step: str,
        target: str,
        replan: Callable[[Catalog], Plan],
        publish: Callable[[Event], Awaitable[None]],
        read: Callable[[Reading], None],
        log: StatementLog,
        options: ExecutionOptions = DEFAULT_OPTIONS,
        history: Timings | None = None,
        planned_from: Catalog | None = None,
    ) -> None:
        self.plan = plan
        self.options = options
        self.outcome: Outcome | None = None
        """How the transaction ended, None while it has not."""
        self._spec = spec
        self._step = step
        self._target = target
        self._replan = replan
        self._publish = publish
        self._read = read
        self._log = log
        self._planned_from = planned_from
        self._course = Course(estimate(plan, history, depth=options.proof), step=step, publish=publish, log=log)
        self._transaction: Transaction | None = None
        self._announced = False
        self._observer: Observer | None = None
        self._opened = self._now
        self._deadline: float | None = None
        self._before: Catalog | None = None
        self._rows_before: dict[TableName, Rows] = {}
        self._after: Catalog | None = None
        self._rollback_seconds: float | None = None
        self._worker: asyncio.Task[Any] | None = None
        self._aborted_because = ""
        self._ping: asyncio.Task[Any] | None = None
        self._over = asyncio.Event()
        self._ending = asyncio.Lock()  # COMMIT and ROLLBACK must not meet on the connection

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cancelled = isinstance(error, asyncio.CancelledError)
        await self.close("cancelled" if cancelled else f"failed: {error}" if error else "nobody decided")

    @property
    def xid(self) -> str:
        """The transaction's id, empty before it has one."""
        return self._transaction.xid if self._transaction else ""

    @property
    def result(self) -> Catalog:
        """The catalog that was proved; RuntimeError before."""
        if self._after is None:
            raise RuntimeError("nothing is proved yet")
        return self._after

    @property
    def progress(self) -> Progress:
        """Where it stands now."""
        return self._course.progress

    @property
    def timings(self) -> Timings:
        """What it took, for the next estimate."""
        return self._course.timings(self.options.proof, rollback=self._rollback_seconds)

    # --- the way there -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect, check where to, and begin the transaction.

        Raises:
            Refused: the plan has blockers, the window is over, or another conversion is under way.
            WrongDatabase: this is not the database of the plan.
            ConnectionFailed: there is no connection.
        """
        if self.plan.blockers:
            first, *others = self.plan.blockers
            more = f" (and {len(others)} more)" if others else ""
            raise Refused(f"The plan has a blocker: {first.object}: {first.reason}{more}", advice=first.way_out)
        self._opened = self._now
        if self.options.deadline is not None:
            left = (self.options.deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                raise Refused("The window is over.", advice="Choose another one, and start again.")
            self._deadline = self._now + left
        transaction = await Transaction.connect(self._spec, self.plan.identity, self._notice)
        self._transaction = transaction
        async with self._guarded():
            await transaction.begin(
                {
                    "statement_timeout": self._milliseconds_left(),
                    "lock_timeout": str(self.options.lock_timeout_ms),
                    "max_parallel_maintenance_workers": str(self.options.parallel_workers),
                    "maintenance_work_mem": self.options.maintenance_work_mem,
                }
            )
            await claim(transaction.connection)
            await transaction.identify()
            self._announced = True
            await self._publish(
                TransactionOpened(
                    step=self._step, target=self._target, xid=transaction.xid, backend_pid=transaction.pid
                )
            )
            self._log.note(f"transaction {transaction.xid} in {self.plan.identity}; plan {self.plan.fingerprint}")
            self._observer = Observer(
                self._spec, transaction.pid, step=self._step, read=self._read, progress=lambda: self.progress
            )
            self._observer.start()
            await self._read_beforehand()

    async def _read_beforehand(self) -> None:
        """Read the catalog once before anything is locked: the server's caches are filled, its queries are prepared.

        What it reads is forgotten, and so are the locks that reading takes; the reading that counts comes under the locks.
        """
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            with contextlib.suppress(QueryFailed):  # somebody holds a lock: the taking of ours sees to that
                await inspect_within(self._connection)
        finally:
            if not self._connection.is_closed():
                await savepoint.rollback()

    async def lock(self) -> None:
        """Lock the scope, plan again under the locks, and read what the proof will be held against.

        Raises:
            Refused: somebody holds a lock for too long, or the plan would be another one by now. Rolled back.
            ConversionFailed: as for `run`.
        """
        async with self._guarded(), self._course.phase(Phase.VERIFY):
            for i, statement in self._statements(Phase.VERIFY):
                if statement.kind == LOCK:
                    async with self._course.statement(i):
                        await lock_relations(
                            self._connection,
                            statement.sql,
                            self._locked_relations(),
                            attempts=self.options.lock_attempts,
                            pause=self.options.lock_pause,
                            waiting=self._show_lock_wait,
                        )
            self._course.enter("before", "planning again under the locks")
            found = await inspect_within(self._connection)
            fresh = await asyncio.to_thread(self._replan, found)
            require_same_plan(self.plan, fresh, planned_from=self._planned_from, found=found)
            for i, statement in self._statements(Phase.VERIFY):
                if statement.kind != LOCK:
                    await self._run(i)
            self._rows_before = await self._read_rows(found)
        self._before = found

    async def run(self, *, until: Phase = Phase.REATTACH) -> None:
        """Run the statements of the phases that have not run yet.

        Args:
            until: the last phase to run now; call again for the rest.

        Raises:
            ConversionFailed: a statement failed, the window ended, the connection was lost, or it was aborted. Everything
                is as it was.
        """
        if self._before is None:
            raise RuntimeError("the scope is locked first")
        self._course.enter("statements", "running the plan")
        for phase in CHANGING:
            if phase > until or phase in self._course.phases:
                continue
            async with self._guarded(), self._course.phase(phase):
                await self._open_transaction.set_local({"statement_timeout": self._milliseconds_left()})
                for i, _ in self._statements(phase):
                    await self._run(i)

    async def prove(self) -> Proof:
        """Prove the result on the transaction that made it.

        Raises:
            ProofFailed: it is not what was promised. Rolled back.
            ConversionFailed: as for `run`.
        """
        if self._before is None or not self._course.phases.issuperset(CHANGING):
            raise RuntimeError("there is nothing to prove before every phase is through")
        async with self._guarded(), self._course.phase(Phase.PROVE):
            for i, _ in self._statements(Phase.PROVE):
                await self._run(i)
            self._course.enter("after", "proving the result")
            began = self._now
            after = await inspect_within(self._connection)
            rows = await self._read_rows(after)
            proof = await asyncio.to_thread(
                make_proof, self.plan, self.options.proof, self._before, after, self._rows_before, rows
            )
            proof = replace(proof, seconds=self._now - began)
            await self._publish(
                ProofMade(
                    step=self._step,
                    depth=proof.depth,
                    held=proof.held,
                    lines=proof.lines,
                    seconds=proof.seconds,
                )
            )
            for line in proof.lines:
                self._log.note(line)
            if not proof.held:
                first, *others = proof.differences
                more = f" (and {len(others)} more)" if others else ""
                raise ProofFailed(
                    f"The result is not what was promised: {first}{more}",
                    advice=advice_on(proof.differences),
                )
        self._after = after
        self._course.enter("held", "holding the transaction open")
        return proof

    # --- the end -------------------------------------------------------------------------------------------------------

    async def hold(self) -> None:
        """Keep the connection alive and show who waits, until the transaction has ended or this is cancelled.

        Raises:
            ConversionFailed: it was aborted, or the connection was lost. Everything is as it was.
        """
        while self.outcome is None:
            self._ping = asyncio.create_task(self._connection.execute("SELECT"))
            try:
                # Cancelled, it would send a cancel request, which might hit the COMMIT after it.
                await asyncio.shield(self._ping)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise await self._failed(error) from error
            waiters = self._observer.waiters if self._observer else ()
            self._say("hold", seconds=round(self.progress.elapsed, 1), waiters=list(map(str, waiters)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), KEEPALIVE)
        if self._aborted_because and self.outcome == "rolled_back":
            raise ConversionFailed(
                f"{self._aborted_because}.", state=AS_IT_WAS, advice="Start again when you are ready."
            )

    async def commit(self) -> None:
        """COMMIT, and ANALYZE what was rewritten. Once begun it is finished, even when the task is cancelled.

        Raises:
            ConversionFailed: the server refused to commit, or was lost before it had. Everything is as it was.
            OutcomeUnknown: no answer came, and the outcome could not be found out.
            NeedsPerson: committed, but a table could not be analysed.
        """
        if self._after is None:
            raise RuntimeError("a conversion that is not proved cannot be committed")
        await to_its_end(self._commit(self._after))

    async def rollback(self, reason: str = "asked for") -> float:
        """Roll back; nothing happens when it has ended already.

        Returns:
            the seconds that it took.
        """
        if self.outcome is None and self._transaction is not None:
            await to_its_end(self._roll_back(reason))
        return self._rollback_seconds or 0.0

    async def abort(self, reason: str = "aborted") -> float:
        """From another task: cancel what runs and roll back. The task that ran it gets ConversionFailed.

        Returns:
            the seconds that both took.
        """
        began = self._now
        if self.outcome is None:
            self._aborted_because = reason
        if self._worker is not None and self.outcome is None:
            self._worker.cancel()
            await self._over.wait()
        else:
            await self.rollback(reason)
        return self._now - began

    async def close(self, reason: str = "nobody decided") -> None:
        """Roll back if it has not ended, and let go of the connections."""
        try:
            await self.rollback(reason)
        finally:
            if self._observer is not None:
                await self._observer.stop()
            if self._transaction is not None:
                await self._transaction.close()
            self._log.sync()

    async def _commit(self, after: Catalog) -> None:
        async with self._ending:
            transaction = self._open_transaction
            outcome = await self._send_commit(transaction)
        if outcome == "undecided":
            raise self._unknown()
        if outcome == "rolled_back":
            raise ConversionFailed(
                "The connection was lost before the server had committed.",
                state=AS_IT_WAS,
                advice="Find out why the connection was lost, and start again.",
            )
        assert self._before is not None  # noqa: S101 - it is proved
        await analyze(
            self._spec,
            transaction.connection,
            tables_to_analyze(self.plan, self._before, after),
            step=self._step,
            publish=self._publish,
            read=self._read,
            log=self._log,
        )

    async def _send_commit(self, transaction: Transaction) -> Outcome:
        await self._publish(CommitSent(step=self._step, target=self._target, xid=transaction.xid))
        await self._last_ping()
        self._log.statement("COMMIT")
        self._log.sync()
        try:
            outcome = await transaction.commit(
                timeout=self.options.commit_timeout, resolve_within=self.options.resolve_within
            )
        except asyncpg.PostgresError as error:
            what = f"The server refused to commit: {described(error)}"
            await self._end("rolled_back", what)
            raise ConversionFailed(what, state=AS_IT_WAS, advice=advice_for(error)) from error
        except WrongDatabase as error:
            await self._end("undecided", error.what)
            return "undecided"
        await self._end(outcome, "" if outcome == "committed" else "no answer to COMMIT")
        return outcome

    def _unknown(self) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"COMMIT was sent and no answer came; what became of transaction {self.xid} could not be found out.",
            state="It is committed wholly or not at all, and the server knows which.",
            advice=f"When the server answers again, ask it: {question(self.xid)}. Until then change nothing.",
        )

    async def _roll_back(self, reason: str) -> str:
        """Roll back, unless it has ended meanwhile; returns the state of the database in words."""
        async with self._ending:
            if self.outcome is not None:
                return f"It is {self.outcome.replace('_', ' ')}."
            await self._last_ping()
            self._log.statement("ROLLBACK")
            with contextlib.suppress(JournalError):  # a full disk must not keep it from being rolled back
                await self._publish(StepSaid(step=self._step, text="ROLLBACK sent."))
            result = await self._open_transaction.roll_back()
            self._rollback_seconds = result.seconds
            await self._end("rolled_back", reason)
        if result.verified:
            return AS_IT_WAS
        return (
            "COMMIT was never sent, so everything will be as it was: the server rolls back as soon as it notices that the "
            "connection is gone, or when it is up again."
        )

    async def _last_ping(self) -> None:
        """Let the last sign of life arrive before something else goes over the connection."""
        if self._ping is not None:
            await asyncio.gather(self._ping, return_exceptions=True)

    async def _end(self, outcome: Outcome, reason: str) -> None:
        self.outcome = outcome
        self._over.set()
        seconds = self._now - self._opened
        self._log.note(f"{outcome.replace('_', ' ')} after {seconds:.1f} s{': ' if reason else ''}{reason}")
        self._log.sync()
        if self._announced:
            await self._publish(
                TransactionEnded(
                    step=self._step,
                    target=self._target,
                    outcome=outcome,
                    reason=reason,
                    seconds=seconds,
                    rollback_seconds=self._rollback_seconds,
                )
            )

    # --- failures ------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _guarded(self) -> AsyncGenerator[None, None]:
        """Roll back on any failure inside, and raise it as an error that says so."""
        self._worker = asyncio.current_task()
        window = asyncio.timeout_at(self._deadline)
        try:
            async with window:
                yield
        except BaseException as error:
            failure = await self._failed(error, window_over=window.expired())
            if failure is error:
                raise
            raise failure from error
        finally:
            self._worker = None

    async def _failed(self, error: BaseException, *, window_over: bool = False) -> BaseException:
        """Roll back; returns the error to raise."""
        if self.outcome is not None:
            return error
        failure = Failure(error, self._course.doing, self._cause(error, window_over), self._aborted_because)
        if failure.cause == "aborted" and (task := asyncio.current_task()):
            task.uncancel()
        self._log.note(f"failed: {failure.what}")
        try:
            state = await to_its_end(self._roll_back(failure.what))
        except JournalError:  # what failed before is told instead
            state = AS_IT_WAS
        return failure.to_raise(state)

    def _cause(self, error: BaseException, window_over: bool) -> Cause:
        if self._aborted_because and isinstance(error, asyncio.CancelledError):
            return "aborted"
        if window_over:
            return "window_over"
        return "lost" if is_connection_lost(error, self._connection) else "other"

    # --- small things --------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _open_transaction(self) -> Transaction:
        if self._transaction is None or self.outcome is not None:
            raise RuntimeError("the transaction is not open")
        return self._transaction

    @property
    def _connection(self) -> asyncpg.Connection:
        return self._open_transaction.connection

    def _statements(self, phase: Phase) -> list[tuple[int, Statement]]:
        return [(i, s) for i, s in enumerate(self.plan.statements) if s.phase is phase]

    def _locked_relations(self) -> frozenset[int]:
        """oids of what is locked, as far as is known: at least the tables of the scope."""
        scope, catalog = self.plan.scope, self._planned_from
        if catalog is None:
            return frozenset(relation for relation, _ in scope.keys)
        return tables_touched(catalog, scope, close_over(catalog, scope))

    async def _run(self, number: int) -> None:
        async with self._course.statement(number):
            await self._connection.execute(self.plan.statements[number].sql)

    async def _read_rows(self, catalog: Catalog) -> dict[TableName, Rows]:
        began = self._now
        rows = await read_rows(self._connection, relations_to_read(self.plan, catalog), self.options.proof)
        self._course.reading += self._now - began
        return rows

    def _milliseconds_left(self) -> str:
        """Until the window ends, for statement_timeout: 0 is no bound."""
        return "0" if self._deadline is None else str(max(1, round((self._deadline - self._now) * 1000)))

    def _notice(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        self._log.note(f"{message.severity}: {message.message}")

    def _show_lock_wait(self, attempt: int, holders: list[Session]) -> None:
        self._log.note(f"attempt {attempt} to lock failed: {'; '.join(map(str, holders))}")
        self._say("locking", attempt=attempt, attempts=self.options.lock_attempts, blocked_by=list(map(str, holders)))

    def _say(self, name: str, **values: Any) -> None:
        self._read(Reading(step=self._step, name=name, values=values))
