"""How long a conversion will take, how long its rollback, and how much disk it needs.

Without a rehearsal: bytes at a rate that was measured, and the share of the keys. With one: its time for each statement,
scaled by the bytes that the statement has to move here against there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from core.retype.model import Phase, Plan, ProofDepth, Statement

# Measured: 723 MB of tables and indexes, 2.4 million rows, 42 tables, 107 foreign keys, 2 cores: 11.2 to 12.3 s.
REWRITE_BYTES_PER_SECOND = 70e6
KEYS_SHARE = 0.15
"""Time of the foreign keys as a share of the rewriting."""
SMALL_STATEMENT_SECONDS = 0.003
"""A statement that moves no data: a dropped key, a recreated view."""
PROOF_SHARE: Mapping[ProofDepth, float] = {"catalog": 0.0, "counts": 0.06, "contents": 0.33}
"""Time of reading the rows, before and after together, as a share of the rewriting."""
INSPECTION_SECONDS = 0.5
ROLLBACK_SECONDS = 0.1
ROLLBACK_BYTES_PER_SECOND = 2e9
"""A rollback only removes the new files."""
PEAK_GROWTH = (1.2, 1.8)
"""Peak growth of the database against the tables to rewrite and their indexes: measured, for uuid to varchar(36), 1.2 to
1.4 on tables of ordinary width and 1.75 on tables of little but keys."""


class Timing(BaseModel):
    """How long a statement took, in seconds, and the bytes that it moved."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    bytes: int = 0


class Timings(BaseModel):
    """What a conversion leaves for the next estimate; kept as evidence of a rehearsal, as JSON.

    Attributes:
        statements: by `key` of the statement.
        proof: seconds of reading the rows, before and after together, by depth.
    """

    model_config = ConfigDict(frozen=True)

    statements: Mapping[str, Timing] = {}
    proof: Mapping[ProofDepth, float] = {}
    rollback: float | None = None


def key(statement: Statement) -> str:
    """What names a statement in the plans of two databases of the same schema."""
    return f"{statement.kind} {statement.object}"


@dataclass(frozen=True)
class Estimate:
    """Expected seconds, and bytes of disk.

    Attributes:
        statements: seconds of each statement, in the plan's order.
        before, after: seconds of reading the rows for the proof, before the first change and after the last.
        rollback: seconds that a rollback at the end would take.
        peak_bytes: least and most growth of the database while the transaction is open.
        rehearsed: statements whose time is known from a rehearsal, of all.
    """

    plan: Plan
    statements: tuple[float, ...]
    before: float
    after: float
    rollback: float
    peak_bytes: tuple[int, int]
    rehearsed: int

    @property
    def seconds(self) -> float:
        return self.before + sum(self.statements) + self.after

    def phase(self, phase: Phase) -> float:
        """Seconds of a phase; reading the rows counts to the phases *verify* and *prove*."""
        own = sum(
            s for s, statement in zip(self.statements, self.plan.statements, strict=True) if statement.phase is phase
        )
        return own + {Phase.VERIFY: self.before, Phase.PROVE: self.after}.get(phase, 0.0)

    @property
    def basis(self) -> str:
        """What the figure rests on, in words."""
        if self.rehearsed:
            return f"by the rehearsal's time of {self.rehearsed} of {len(self.statements)} statements"
        return "by size, at a rate measured elsewhere; a rehearsal makes it better"

    @property
    def disk(self) -> str:
        """What disk space it needs, in words."""
        least, most = (_megabytes(b) for b in self.peak_bytes)
        return (
            f"While the transaction is open the database grows by {least} to {most}: the rewritten tables and indexes stand "
            "beside the old ones until COMMIT. Write-ahead log comes on top."
        )


def estimate(plan: Plan, history: Timings | None = None, *, depth: ProofDepth = "contents") -> Estimate:
    """Estimate a plan.

    Args:
        history: what a rehearsal of this plan, or of one on another copy of the schema, took.
        depth: how deep the proof goes.
    """
    history = history or Timings()
    by_size = _by_size(plan)
    known = [history.statements.get(key(s)) for s in plan.statements]
    pace = _pace(plan, by_size, known)
    seconds = tuple(
        size * pace if timing is None else timing.seconds * _growth(statement, timing)
        for statement, size, timing in zip(plan.statements, by_size, known, strict=True)
    )
    rewriting = sum(s for s, statement in zip(seconds, plan.statements, strict=True) if _rewrites(statement))
    moved = sum(s.bytes for s in plan.statements if _rewrites(s))
    moved_then = sum(t.bytes for s, t in zip(plan.statements, known, strict=True) if t and _rewrites(s))
    proof = PROOF_SHARE[depth] * rewriting
    if depth in history.proof:
        proof = history.proof[depth] * (moved / moved_then if moved and moved_then else 1.0)
    rollback = history.rollback if history.rollback is not None else moved / ROLLBACK_BYTES_PER_SECOND
    return Estimate(
        plan=plan,
        statements=seconds,
        before=proof / 2 + INSPECTION_SECONDS,
        after=proof / 2 + INSPECTION_SECONDS,
        rollback=ROLLBACK_SECONDS + rollback,
        peak_bytes=(int(moved * PEAK_GROWTH[0]), int(moved * PEAK_GROWTH[1])),
        rehearsed=sum(timing is not None for timing in known),
    )


def _rewrites(statement: Statement) -> bool:
    return statement.bytes > 0 and statement.phase in (Phase.RETYPE_KEYS, Phase.RETYPE_REFERENCES)


def _by_size(plan: Plan) -> list[float]:
    """Seconds of each statement by its bytes alone."""
    rewriting = sum(s.bytes for s in plan.statements if _rewrites(s)) / REWRITE_BYTES_PER_SECOND
    rest = sum(s.bytes for s in plan.statements if not _rewrites(s))

    def seconds(statement: Statement) -> float:
        if _rewrites(statement):
            return statement.bytes / REWRITE_BYTES_PER_SECOND
        return KEYS_SHARE * rewriting * statement.bytes / rest if statement.bytes else 0.0

    return [SMALL_STATEMENT_SECONDS + seconds(s) for s in plan.statements]


def _growth(statement: Statement, timing: Timing) -> float:
    return statement.bytes / timing.bytes if statement.bytes and timing.bytes else 1.0


def _pace(plan: Plan, by_size: list[float], known: list[Timing | None]) -> float:
    """How much slower than the measured rate the rehearsal was, for the statements that it did not have."""
    pairs = [
        (size, timing.seconds * _growth(statement, timing))
        for statement, size, timing in zip(plan.statements, by_size, known, strict=True)
        if timing is not None
    ]
    expected = sum(size for size, _ in pairs)
    return sum(seconds for _, seconds in pairs) / expected if expected else 1.0


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
