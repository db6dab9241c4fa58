"""The three approaches of task 4, from the decision to the end of a conversion, on a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from core.errors import Refused
from core.events import PhaseFinished, Question, TransactionEnded
from core.postgres.fingerprint import compare
from core.postgres.inspect import inspect
from core.retype.foreign_key_list import from_csv
from core.runbook import facts
from core.runbook.conversion.decide import decide
from core.runbook.conversion.production import convert_one
from core.runbook.conversion.rehearse import rehearse
from core.runbook.conversion.staged import DYNAMIC, ENUMERATED, STAGED
from core.runbook.facts import CROSS_CHECK_FILE, DROPPED_FILE, FOREIGN_KEYS_FILE, SCRIPT_FILE
from core.runbook.questions import COMMIT, GO_ON, ROLLBACK
from tests.postgres.test_actions import CONFIRMED, Pair, execute, make_world, offers, pair, run
from tests.sessions import session
from tests.step_world import StepWorld, taking

__all__ = ["pair"]
KEYS = {"users_organization_id_fkey", "users_manager_id_fkey", "Buyer", "folders_owner_id_fkey"}


@pytest.mark.parametrize(
    ("setting", "approach"), [("dynamic", DYNAMIC), ("enumerated", ENUMERATED), ("staged", STAGED)]
)
async def test_what_the_settings_say_is_not_asked(pair: Pair, tmp_path: Path, setting: str, approach: str) -> None:
    world = make_world(pair, tmp_path, None, conversion={"approach": setting, "soft_references": "none"})
    assert (await run(world, "4.1", decide)).startswith(f"approach {approach}: 4 foreign keys")
    assert world.questions == []
    assert world.state.facts[facts.DECISION_APPROACH] == approach
    assert {row.name for row in from_csv(world.evidence(FOREIGN_KEYS_FILE))} == KEYS
    assert "BEGIN" in world.evidence(SCRIPT_FILE)


# --- B -----------------------------------------------------------------------------------------------------------------


async def test_the_enumeration_is_cross_checked(pair: Pair, tmp_path: Path) -> None:
    world = make_world(pair, tmp_path, taking(ENUMERATED), conversion={"soft_references": "none"})
    summary = await run(world, "4.1", decide)
    assert "cross-checked and complete" in summary
    lines = world.evidence(CROSS_CHECK_FILE).splitlines()
    assert lines[0] == "The catalog has 4 foreign keys; 4 of them join columns to retype."
    assert all(line.startswith("4 of 4 are") for line in lines[1:4])
    assert world.state.step("4.1").log[-len(lines) :] == tuple(lines)


async def test_a_key_that_comes_while_it_is_decided_is_found(pair: Pair, tmp_path: Path) -> None:
    async def decide_late(question: Question) -> str:
        await execute(pair.production, "ALTER TABLE folders ADD editor uuid CONSTRAINT late REFERENCES users")
        return ENUMERATED

    world = make_world(pair, tmp_path, decide_late, conversion={"soft_references": "none"})
    with pytest.raises(Refused, match="foreign key late on folders is not in the list"):
        await run(world, "4.1", decide)
    assert facts.DECISION_APPROACH not in world.state.facts
    assert "late" in world.evidence(CROSS_CHECK_FILE)


async def test_what_cannot_be_converted_cannot_be_enumerated(pair: Pair, tmp_path: Path) -> None:
    await execute(pair.production, "CREATE TABLE parts (id uuid PRIMARY KEY) PARTITION BY HASH (id)")
    world = make_world(pair, tmp_path, taking(ENUMERATED), conversion={"soft_references": "none"})
    with pytest.raises(Refused, match="partition key"):
        await run(world, "4.1", decide)


async def test_the_script_of_the_evidence_does_what_the_console_does(pair: Pair, tmp_path: Path) -> None:
    """psql alone on a copy of production, the console on production: the same catalog."""
    world = make_world(pair, tmp_path, taking(ENUMERATED), conversion={"soft_references": "none", "accept": ["all"]})
    await run(world, "4.1", decide)
    script = tmp_path / "script.sql"
    script.write_text(world.evidence(SCRIPT_FILE))
    production = pair.production
    copy = f"{production.name}_copy"
    server = await production.server.connect()
    await server.execute(f"CREATE DATABASE {copy} TEMPLATE {production.name} OWNER {production.owner}")
    await server.close()
    done = subprocess.run(
        [production.server.binary("psql"), "-X", "-v", "commit=on", "-v", f"copy={copy}", "-f", script],
        env=production.environment | {"PGDATABASE": copy},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    world.answers = CONFIRMED
    await run(world, "7.3", convert_one)
    assert compare(await inspect(production.spec.with_database(copy)), await inspect(production.spec)) == ()


# --- C -----------------------------------------------------------------------------------------------------------------


def staged(pair: Pair, directory: Path, answer: str) -> StepWorld:
    return make_world(pair, directory, lambda q: answer if offers(q, GO_ON) else CONFIRMED(q),
                      conversion={"approach": "staged", "soft_references": "none"})  # fmt: skip


async def test_a_staged_conversion_stops_after_phase_2_and_goes_on(pair: Pair, tmp_path: Path) -> None:
    world = staged(pair, tmp_path, GO_ON)
    seen: dict[str, list[int]] = {}
    answers = world.answers

    async def look(question: Question) -> str:
        if offers(question, GO_ON):
            seen["phases"] = [e.phase for e in world.events if isinstance(e, PhaseFinished)]
            async with session(pair.test.spec) as connection:
                seen["keys"] = [await connection.fetchval("SELECT count(*) FROM pg_constraint WHERE contype = 'f'")]
        assert answers is not None
        answer = answers(question)
        assert isinstance(answer, str)
        return answer

    world.answers = look
    assert (await run(world, "5.1", rehearse)).startswith("committed")
    assert seen == {"phases": [1, 2], "keys": [4]}  # for everyone else nothing has been dropped
    question = next(q for q in world.questions if offers(q, GO_ON))
    assert question.default == ROLLBACK
    assert question.target == "test"
    assert {line.split()[2] for line in question.details if line.startswith("foreign key")} == KEYS - {"Buyer"} | {
        '"Buyer"'
    }
    assert any("DEFERRABLE INITIALLY DEFERRED" in line for line in question.details)
    assert "drop view: view staff" in question.details
    assert "4 of 4 are created again by the script, each once, with the same definition." in question.checked
    text = world.evidence(DROPPED_FILE)
    assert all(f"`{name}`" in text for name in KEYS)
    assert "CREATE VIEW public.staff" in text
    assert [e.phase for e in world.events if isinstance(e, PhaseFinished)] == [1, 2, 3, 4, 5, 6]


async def test_a_staged_conversion_rolls_back_when_it_is_not_to_go_on(pair: Pair, tmp_path: Path) -> None:
    world = staged(pair, tmp_path, ROLLBACK)
    before = await inspect(pair.test.spec)
    with pytest.raises(Refused, match="does not go on after phase 2") as caught:
        await run(world, "5.1", rehearse)
    assert "everything is as it was" in caught.value.state
    assert compare(before, await inspect(pair.test.spec)) == ()
    (ended,) = [e for e in world.events if isinstance(e, TransactionEnded)]
    assert ended.outcome == "rolled_back"
    assert not any(offers(q, COMMIT) for q in world.questions)
    async with session(pair.test.spec) as connection:
        assert not await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation > 16384"
        )


async def test_the_decision_goes_before_the_settings(pair: Pair, tmp_path: Path) -> None:
    world = staged(pair, tmp_path, GO_ON)
    await world.fact(facts.DECISION_APPROACH, DYNAMIC)
    await run(world, "5.1", rehearse)
    assert not any(offers(q, GO_ON) for q in world.questions)
