"""How a conversion is run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.retype.model import ProofDepth


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """How a conversion is run.

    Attributes:
        proof: how deep the proof goes.
        deadline: when the window ends: what still runs then is cancelled and rolled back. None: no bound.
        lock_timeout_ms: how long a lock is waited for at a time, in milliseconds.
        lock_attempts: how many times at most.
        lock_pause: seconds between two attempts, in which all locks are let go.
        parallel_workers: workers of an index build (`max_parallel_maintenance_workers`).
        maintenance_work_mem: memory of an index build or a key's validation; below 96 MB two workers are not used.
        commit_timeout: seconds to wait for an answer to COMMIT.
        resolve_within: seconds to find out the outcome of a COMMIT that got no answer.
    """

    proof: ProofDepth = "contents"
    deadline: datetime | None = None
    lock_timeout_ms: int = 2000
    lock_attempts: int = 10
    lock_pause: float = 1.0
    parallel_workers: int = 2
    maintenance_work_mem: str = "128MB"
    commit_timeout: float = 300.0
    resolve_within: float = 120.0


DEFAULT_OPTIONS = ExecutionOptions()
