"""Every destructive step of the recovery, tried straight on the socket with everything but the right confirmation.

The demo's walk is the run; a step that becomes destructive falls under it by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.engine.client import SocketClient
from core.engine.protocol import AnswerQuestion, Command, RunStep
from core.errors import PgrecastError
from core.events import AnswerRefused, CommandRefused, Question
from core.journal import read_journal
from core.postgres.connection_spec import ConnectionSpec
from core.runbook.model import Runbook, Step, StepKind
from core.runbook.recovery import RECOVERY
from core.runbook.state import StepStatus, fold_all
from core.secrets.keep import Kept
from core.settings import Settings
from tests.sessions import session
from tui.cli import main, walk
from tui.cli.demo_host import Demo
from tui.cli.follow import Follower
from tui.cli.walk import Outcome

GLANCE = """
SELECT md5(concat(
    (SELECT string_agg(a::text, ' ' ORDER BY a.attrelid, a.attnum) FROM pg_attribute a),
    (SELECT string_agg(c::text, ' ' ORDER BY c.oid) FROM pg_constraint c),
    (SELECT string_agg(v::text, ' ' ORDER BY v::text) FROM alembic_version v),
    (SELECT string_agg(concat(d.datname, d.datacl, d.datconnlimit), ' ' ORDER BY d.oid) FROM pg_database d),
    (SELECT string_agg(concat(s.setdatabase, s.setrole, s.setconfig), ' ' ORDER BY s.setdatabase, s.setrole) FROM pg_db_role_setting s),
    (SELECT string_agg(r::text, ' ' ORDER BY r.oid) FROM pg_roles r)))
"""

UNASKED = {
    "1.3": "a person revokes the key at the host, and is asked whether it is done",
    "1.6": "production's rotation has served the test database; what is left is local files, whose old content is kept",
}
"""Destructive steps in which the engine itself destroys nothing in the demo. They must change no database, either."""

WRONG_PLAN = "0" * 64


def destructive(runbook: Runbook) -> set[str]:
    """The steps that the engine does and that must be confirmed, ways back among them."""
    steps = (step for task in runbook.tasks for step in task.all_steps)
    return {step.id for step in steps if step.kind is StepKind.DESTRUCTIVE and step.action is not None}


async def glance(spec: ConnectionSpec) -> str:
    """Whatever a destructive step could change in a database, in one hash."""
    async with session(spec) as connection:
        return await connection.fetchval(GLANCE)


class Tried:
    """What was tried, and how it went.

    Attributes:
        refused: by step and attempt: the reasons.
        accepted: attempts that should have been refused.
        changed: steps that changed a database although nobody had confirmed them.
        unasked: steps that came to an end without having asked.
        closed: steps that did not even start: a gate is closed.
    """

    def __init__(self) -> None:
        self.refused: dict[tuple[str, str], list[str]] = {}
        self.accepted: list[tuple[str, str]] = []
        self.changed: list[str] = []
        self.unasked: list[str] = []
        self.closed: set[str] = set()

    @property
    def steps(self) -> set[str]:
        return {step for step, attempt in self.refused if attempt == "a wrong phrase"}


class Hostile(Follower):
    """The demo's operator, who tries all else before each confirmation, and a watcher who tries it, too."""

    tried: Tried
    run_directory: Path
    declining = False
    watcher: SocketClient | None = None

    async def attempt(self, client: Any, step: str, what: str, command: Command) -> None:
        reply = await client.send(command)
        if reply.accepted:
            self.tried.accepted.append((step, what))
        else:
            self.tried.refused.setdefault((step, what), []).append(reply.reason)

    async def watching(self) -> SocketClient:
        if self.watcher is None:
            self.watcher = SocketClient(self.run_directory)
            await self.watcher.attach(role="watcher", name="eve")
        return self.watcher

    async def detach(self) -> None:
        if self.watcher is not None:
            await self.watcher.detach()
        await super().detach()

    async def decline(self, step: str) -> None:
        """Run the step and leave every confirmation at its default."""
        await self.attempt(await self.watching(), step, "started by a watcher", RunStep(step=step))
        self.declining, before = True, self.state.step(step).attempts
        try:
            await self.run(step)
        except PgrecastError:
            if self.state.step(step).attempts == before:
                self.tried.closed.add(step)
        else:
            self.tried.unasked.append(step)
        finally:
            self.declining = False

    async def _reply(self, question: Question) -> None:
        choice = next((choice for choice in question.choices if choice.phrase is not None), None)
        if choice is None:
            await super()._reply(question)
            return
        step, right = (
            question.step,
            AnswerQuestion(question=question.id, choice=choice.name, phrase=choice.phrase or ""),
        )
        wrong = {"phrase": f"{choice.phrase} "}
        await self.attempt(self._client, step, "no phrase", right.model_copy(update={"phrase": ""}))
        await self.attempt(self._client, step, "a wrong phrase", right.model_copy(update=wrong))
        await self.attempt(self._client, step, "another plan", right.model_copy(update={"plan": WRONG_PLAN}))
        await self.attempt(self._client, step, "another question", right.model_copy(update={"question": "0" * 16}))
        await self.attempt(await self.watching(), step, "a watcher", right)
        if self.declining:
            await self._client.send(AnswerQuestion(question=question.id, choice=question.default))
        else:
            await super()._reply(question)
        await self.attempt(self._client, step, "a used one", right)


@pytest.mark.slow
def test_no_destructive_step_without_its_confirmation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    run, tried = tmp_path / "run", Tried()
    wanted: set[str] = set()
    monkeypatch.setattr(Hostile, "tried", tried, raising=False)
    monkeypatch.setattr(Hostile, "run_directory", run, raising=False)
    monkeypatch.setattr(walk, "Follower", Hostile)
    as_usual = walk._step

    async def each(follower: Follower, step: Step, demo: Demo) -> Outcome:
        assert isinstance(follower, Hostile)
        runbook = RECOVERY.fitted(Settings().as_told(follower.state.settings))
        wanted.update(destructive(runbook))
        if step.id in wanted:
            await _declined(follower, step.id, demo)
        outcome = await as_usual(follower, step, demo)
        for way in next(task for task in runbook.tasks if task.number == step.task).ways_back:
            if way.id in wanted and way.id.startswith(
                f"{step.id}-"
            ):  # open as soon as there is something to lead back from
                await _declined(follower, way.id, demo)
        return outcome

    async def _declined(follower: Hostile, step: str, demo: Demo) -> None:
        before = await both(demo)
        await follower.decline(step)
        if await both(demo) != before:
            tried.changed.append(step)

    async def both(demo: Demo) -> list[str]:
        seen: list[str] = []
        for target, spec in (("production", demo.production), ("test", demo.test)):
            rotated = Kept(run).successor(target)
            seen.append(await glance(rotated[1].on(spec) if rotated is not None else spec))
        return seen

    monkeypatch.setattr(walk, "_step", each)
    assert main(["--run", str(run), "demo", "--unattended", "--rows", "2000"]) == 0

    assert wanted >= {"5.1", "5.1-undo", "7.3", "7.3-undo", "7.4", "7.5"}
    assert tried.steps == wanted - tried.closed - set(UNASKED)
    assert all("-" in step for step in tried.closed), "only a way back that leads nowhere yet stays closed"
    assert tried.accepted == []
    assert tried.changed == []
    assert set(tried.unasked) == set(UNASKED)
    reasons = {attempt: {reason for (_, a), given in tried.refused.items() if a == attempt for reason in given} for _, attempt in tried.refused}  # fmt: skip
    assert reasons["no phrase"] == reasons["a wrong phrase"] == {"the typed phrase is not the one asked for"}
    assert reasons["another plan"] == {"it is for another plan"}
    assert reasons["another question"] == {"there is no such question"}
    assert reasons["a watcher"] == {"a watcher cannot answer"}
    assert reasons["a used one"] == {"it was answered already"}
    # Each is in the journal.
    records = list(read_journal(run))
    answers = sum(isinstance(record.event, AnswerRefused) for record in records)
    starts = sum(isinstance(r.event, CommandRefused) and r.actor.name == "eve" for r in records)
    assert answers + starts == sum(map(len, tried.refused.values()))
    state = fold_all(records)
    assert all(state.step(step).status is StepStatus.DONE for step in wanted if "-" not in step)
