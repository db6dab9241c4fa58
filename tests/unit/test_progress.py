"""Estimate and progress: arithmetic over a plan."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from core.postgres.identity import Identity
from core.retype.estimate import Timing, Timings, estimate, key
from core.retype.model import Phase, Plan, Scope, Statement, TypePair
from core.retype.progress import Progress, bytes_moved, rollback_seconds, seconds_left, table_progress

MB = 1_000_000


def statement(phase: Phase, name: str, megabytes: int = 0) -> Statement:
    return Statement(phase, "do", name, "SELECT", "", table=name if megabytes else None, bytes=megabytes * MB)


PLAN = Plan(
    identity=Identity("1", 1, "d"),
    catalog="",
    scope=Scope(TypePair(), (), ()),
    statements=(
        statement(Phase.VERIFY, "lock"),
        statement(Phase.DETACH, "drop"),
        statement(Phase.RETYPE_KEYS, "users", 100),
        statement(Phase.RETYPE_REFERENCES, "deals", 300),
        statement(Phase.REATTACH, "key", 200),
        statement(Phase.REATTACH, "view"),
    ),
)
HISTORY = Timings(
    statements={
        key(s): Timing(seconds=seconds, bytes=s.bytes // 10)
        for s, seconds in zip(PLAN.statements, (0.01, 0.01, 2.0, 3.0, 1.0, 0.5), strict=True)
    },
    proof={"contents": 0.5},
    rollback=0.2,
)


def near(found: float, expected: float, tolerance: float = 1e-6) -> bool:
    return math.isclose(found, expected, rel_tol=tolerance)


def test_without_a_rehearsal_bytes_count() -> None:
    expected = estimate(PLAN)
    users, deals, foreign_key = expected.statements[2:5]
    assert near(deals, 3 * users, 0.01)
    assert near(foreign_key, 0.15 * (users + deals), 0.01)
    assert expected.peak_bytes == (480 * MB, 720 * MB)
    assert "480 MB to 720 MB" in expected.disk
    assert near(sum(expected.phase(phase) for phase in Phase), expected.seconds)
    assert "rehearsal" in expected.basis


def test_a_rehearsal_is_scaled_by_size() -> None:
    expected = estimate(PLAN, HISTORY)
    assert all(map(near, expected.statements, (0.01, 0.01, 20.0, 30.0, 10.0, 0.5)))
    assert expected.rehearsed == 6
    assert near(expected.before + expected.after, 5.0 + 1.0)  # reading the rows, and the catalog twice


def test_what_the_rehearsal_did_not_have_goes_at_its_pace() -> None:
    known = {name: timing for name, timing in HISTORY.statements.items() if "deals" not in name}
    expected = estimate(PLAN, replace_statements(HISTORY, known))
    by_size = estimate(PLAN).statements
    assert near(expected.statements[2], 20.0)
    slower = sum(expected.statements[i] for i in (0, 1, 2, 4, 5)) / sum(by_size[i] for i in (0, 1, 2, 4, 5))
    assert near(expected.statements[3], by_size[3] * slower)


def replace_statements(history: Timings, statements: dict[str, Timing]) -> Timings:
    return history.model_copy(update={"statements": statements})


def test_depth_of_the_proof_costs() -> None:
    catalog, counts, contents = (estimate(PLAN, depth=d).seconds for d in ("catalog", "counts", "contents"))
    assert catalog < counts < contents


def test_timings_survive_json() -> None:
    assert Timings.model_validate(json.loads(HISTORY.model_dump_json())) == HISTORY


def test_time_left_falls_and_is_rescaled_at_each_statements_end() -> None:
    expected = estimate(PLAN, HISTORY)
    start = Progress(expected, {}, stage="before")
    assert near(seconds_left(start), expected.seconds)
    on_time = Progress(expected, {0: 0.01, 1: 0.01, 2: 20.0})
    late = Progress(expected, {0: 0.01, 1: 0.01, 2: 40.0})
    assert near(seconds_left(on_time), 30 + 10 + 0.5 + expected.after)
    assert near(seconds_left(late), seconds_left(on_time) * 2, 0.05)
    inside = replace(on_time, current=3, elapsed=10.0)
    assert near(seconds_left(inside), seconds_left(on_time) - 10.0)


def test_a_statement_that_overruns_says_so_before_it_ends() -> None:
    expected = estimate(PLAN, HISTORY)
    done = {0: 0.01, 1: 0.01}
    in_time = seconds_left(Progress(expected, done, current=2, elapsed=20.0))
    overrun = seconds_left(Progress(expected, done, current=2, elapsed=60.0))
    assert overrun > in_time * 2


def test_nothing_is_left_while_held() -> None:
    expected = estimate(PLAN, HISTORY)
    everything = dict(enumerate(expected.statements))
    assert seconds_left(Progress(expected, everything, stage="held", elapsed=99)) == 0
    after = Progress(expected, everything, stage="after", elapsed=expected.after + 5)
    assert seconds_left(after) == 0


def test_bytes_tables_and_rollback() -> None:
    progress = Progress(estimate(PLAN, HISTORY), {0: 0, 1: 0, 2: 20.0}, current=3, elapsed=4.0)
    assert bytes_moved(progress) == (100 * MB, 600 * MB)
    users, deals = table_progress(progress)
    assert (users.name, users.status, users.seconds) == ("users", "done", 20.0)
    assert (deals.name, deals.status, deals.seconds) == ("deals", "running", 4.0)
    waiting = table_progress(replace(progress, current=None))[1]
    assert (waiting.status, waiting.bytes, waiting.seconds) == ("waiting", 300 * MB, 0.0)
    assert 0 < rollback_seconds(progress) < rollback_seconds(replace(progress, finished=dict.fromkeys(range(6), 1.0)))
