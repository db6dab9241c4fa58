"""A terminal that takes nothing any more (Ctrl-S, a stopped terminal, a line that hangs): the run does not notice."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from core.engine.handover import CONVERSION, Handover
from core.engine.process import engine_client
from core.engine.protocol import AnswerQuestion, RunStep, StopEngine
from core.runbook.one_step import STEP
from core.runbook.questions import COMMIT, CONVERT
from core.runbook.state import StepStatus
from core.settings import Settings
from tests.databases import Database
from tests.e2e.test_command_line import CommandLine, command
from tests.e2e.test_convert_goes_on import key_type, slow
from tests.toy import Follower, attached
from tests.tui.test_terminal import terminal

__all__ = ["command", "slow"]


FULL = 4095
"""Bytes that a terminal's line discipline holds for who does not read (Linux, n_tty)."""


async def answer(anna: Follower, choice: str) -> None:
    """Answer the next question with that choice."""
    await anna.until(lambda f: any(c.name == choice for q in f.state.questions.values() for c in q.choices), 60)
    (question,) = anna.state.questions.values()
    phrase = next(c.phrase for c in question.choices if c.name == choice) or ""
    given = AnswerQuestion(question=question.id, choice=choice, phrase=phrase, plan=question.plan)
    assert (await anna.send(given)).accepted


async def test_a_terminal_that_takes_nothing_holds_nothing_up_and_catches_up(
    command: CommandLine, slow: Database, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = Settings.model_validate({"conversion": {"accept": ["all"]}})
    client = await engine_client(Handover(run, settings, CONVERSION, {"production": slow.spec}))
    async with attached(client) as anna:
        with terminal("--run", str(run), "watch", module="tui.cli", environment=command.environment) as console:
            await asyncio.to_thread(console.read_until, b"1 Convert")
            # From here on nobody reads.
            assert (await anna.send(RunStep(step=STEP))).accepted
            await answer(anna, CONVERT)
            await answer(anna, COMMIT)
            await anna.until_step(STEP, StepStatus.DONE)
            assert await key_type(slow) == "character varying(36)"
            assert console.process.poll() is None
            assert console.unread >= FULL
            await asyncio.to_thread(console.read_until, b"committed")
            os.write(console.master, b"d")
            assert await asyncio.to_thread(console.read_to_the_end) == 0
        await client.send(StopEngine())
        await anna.until(lambda f: f.ended)
