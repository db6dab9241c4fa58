"""The project's checklists: only lines that certainly mean a step, only their boxes, and only once it is agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import events as e
from core.engine.protocol import AnswerQuestion, RunStep, TickStep, UntickStep
from core.engine.thread import LocalClient
from core.errors import ConfigurationError, Refused
from core.runbook import facts
from core.runbook.checklists.lines import Waiting, boxes, look, waiting_lines, with_boxes
from core.runbook.checklists.tick import STEP, lines_wait, tick_checklists
from core.runbook.recovery import RECOVERY
from core.runbook.rewriting import WRITE
from core.runbook.state import RunState, StepState, StepStatus
from core.settings import Settings
from tests.runs import OPENED, Recorded
from tests.step_world import StepWorld, taking
from tests.toy import attached, engine_thread

ALL = RunState(
    steps={step.id: StepState(status=StepStatus.DONE) for task in RECOVERY.tasks for step in task.steps},
)
CHECKLIST = (
    "# Rotation\n\n- [ ] Revoke the leaked API key\n  * [ ] Generate a new API key\n1. [x] by hand\n\n"
    "```\n- [ ] Revoke the leaked API key\n```\n> - [ ] Verify the new login\n"
)


def found(text: str, state: RunState = ALL) -> Waiting:
    return look({"list.md": text}, RECOVERY, state)


def meaning(line: str) -> list[tuple[str, ...]]:
    return [line.steps for line in found(f"- [ ] {line}\n").lines]


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("Revoke the leaked API key", "1.3"),
        ("**Revoked** the leaked API key.", "1.3"),
        ("leaked API key revoked", "1.3"),
        ("Production database password reset", "1.5"),
        ("Reset the test database's password", "1.6"),
        ("Local .env files updated", "1.6"),
        ("[Verify](https://x) the new login", "1.7"),
        ("Verify the backup (both depths)", "3.2"),
        ("Maintenance mode enabled", "7.2"),
        ("Disable maintenance mode", "7.7"),
        ("Test: deal creation", "8.4"),
        ("Full test suite, backend and frontend 100 %", "10.5"),
        ("Alten Zugang sperren <!-- pgrecast: 1.3 -->", "1.3"),
    ],
)
def test_lines_that_mean_a_step(line: str, step: str) -> None:
    assert meaning(line) == [(step,)]


def test_a_tasks_title_means_all_of_its_steps() -> None:
    text = "- [ ] Rotate credentials\n"
    assert [line.steps for line in found(text).lines] == [tuple(f"1.{n}" for n in range(1, 9))]
    but_one = RunState(steps={**ALL.steps, "1.8": StepState()})
    assert found(text, but_one).lines == ()


@pytest.mark.parametrize(
    "line",
    [
        "Do not revoke the leaked API key",
        "Revoke the leaked API key of the staging environment",
        "Reset the staging database's password",
        "Reset the production database's password 2",
        "Reset password",
        "Deploy",
        "key",
        "",
        "!!!",
        "Enable maintenance mode on weekdays by cron for the marketing site",
        "Revoke the old API key and tell legal, support, sales and the board",
        "x <!-- pgrecast: 99.9 -->",
        "x <!-- pgrecast: 1.3, 99.9 -->",
        "x <!-- pgrecast: -->",
        "Run the conversion on production",
    ],
)
def test_lines_that_mean_nothing_for_certain(line: str) -> None:
    assert found(f"- [ ] {line}\n").lines == ()


def test_what_two_steps_might_mean_is_said_and_not_ticked() -> None:
    waiting = found("- [ ] Reset the database's password\n")
    assert waiting.lines == ()
    assert set(waiting.unclear[0].steps) >= {"1.5", "1.6"}


def test_two_lines_that_say_the_same_are_said_and_not_ticked() -> None:
    waiting = found("## Shop\n- [ ] Revoke the leaked API key\n\n## Blog\n- [ ] Leaked API key revoked\n")
    assert waiting.lines == ()
    assert [line.line for line in waiting.unclear] == [2, 5]


def test_a_line_that_names_several_steps_waits_for_all() -> None:
    text = "- [ ] both <!-- pgrecast: 1.5, 1.6 -->\n"
    one = RunState(steps={"1.5": StepState(status=StepStatus.DONE)})
    assert found(text, one) == Waiting((), ())
    assert found(text).lines[0].steps == ("1.5", "1.6")


def test_only_boxes_of_lists_count() -> None:
    assert [(box.line, box.ticked, box.text) for box in boxes(CHECKLIST)] == [
        (2, False, "Revoke the leaked API key"),
        (3, False, "Generate a new API key"),
        (4, True, "by hand"),
        (9, False, "Verify the new login"),
    ]
    for text in (
        "    - [ ] a\n",
        "<!--\n- [ ] a\n-->\n",
        "text [ ] a\n",
        "- [] a\n",
        "- [ ]a\n",
        "~~~\n- [ ] a\n",
        "| [ ] |\n",
    ):
        assert boxes(text) == ()


def test_nothing_but_the_boxes_changes() -> None:
    for ends in ("\n", "\r\n", "\r"):
        text = CHECKLIST.replace("\n", ends)
        waiting = found(text)
        assert [line.steps[0] for line in waiting.lines] == ["1.3", "1.4", "1.7"]
        ticked = with_boxes(text, waiting.lines)
        assert ticked == text.replace("[ ] Revoke", "[x] Revoke", 1).replace("[ ] Gen", "[x] Gen").replace(
            "[ ] Ver", "[x] Ver"
        )
        assert found(ticked).lines == ()
        back = [line.model_copy(update={"tick": False}) for line in waiting.lines]
        assert with_boxes(ticked, back) == text


@given(st.text(st.sampled_from("- []x\n\r\t>`~*+1.)#ab<!|\u2028\x0b\x0c\x1c\x85\\")))
def test_any_text_keeps_all_but_boxes(text: str) -> None:
    every = [
        line
        for box in boxes(text)
        for line in look({"f": f"- [ ] {box.text} <!-- pgrecast: 1.3 -->\n"}, RECOVERY, ALL).lines
    ]
    changed = with_boxes(text, [line.model_copy(update={"line": box.line + 1, "text": box.text}) for line, box in zip(every, boxes(text), strict=False)])  # fmt: skip
    assert len(changed) == len(text)
    assert {(a, b) for a, b in zip(text, changed, strict=True) if a != b} <= {(" ", "x")}


# --- the step ----------------------------------------------------------------------------------------------------------


def world(tmp_path: Path, run: Recorded, *texts: str) -> StepWorld:
    paths = tuple(tmp_path / f"list{n}.md" for n in range(len(texts)))
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode())
    on = StepWorld(tmp_path, Settings.model_validate({"run": {"checklists": paths}}), {}, answers=taking(WRITE))
    on.state, on.step = run.state, STEP
    return on


def text(tmp_path: Path, number: int = 0) -> str:
    return (tmp_path / f"list{number}.md").read_bytes().decode()


async def test_ticked_with_its_step_after_a_preview_and_unticked_with_it(tmp_path: Path) -> None:
    run = Recorded()
    run.tick("1.3")
    run.done("1.7")
    on = world(tmp_path, run, CHECKLIST, "- [ ] Revoke the leaked API key\r\n- [ ] Something else\r\n")
    assert await tick_checklists(on) == "3 lines ticked, 0 unticked"
    assert text(tmp_path) == CHECKLIST.replace("[ ] Revoke", "[x] Revoke", 1).replace("[ ] Verify", "[x] Verify")
    assert text(tmp_path, 1) == "- [x] Revoke the leaked API key\r\n- [ ] Something else\r\n"
    details = on.questions[0].details
    assert "list0.md:3: Revoke the leaked API key: 1.3 ticked by anna, unverified" in details
    assert "list0.md:10: Verify the new login: 1.7 proved" in details
    assert "+- [x] Revoke the leaked API key" in details
    assert await tick_checklists(on) == "the checklists say what the run says"

    # Lines move; the text tells which one it was. What a person has ticked stays.
    (tmp_path / "list0.md").write_text("New line.\n\n" + text(tmp_path))
    on.record(e.StepUnticked(step="1.3"))
    assert await tick_checklists(on) == "0 lines ticked, 2 unticked"
    assert text(tmp_path) == "New line.\n\n" + CHECKLIST.replace("[ ] Verify", "[x] Verify")
    assert "[x] by hand" in text(tmp_path)
    assert on.state.facts[facts.CHECKLISTS_TICKED][0]["steps"] == ["1.7"]


async def test_nothing_is_ticked_without_agreement(tmp_path: Path) -> None:
    run = Recorded()
    run.tick("1.3")
    on = world(tmp_path, run, CHECKLIST)
    on.answers = None
    with pytest.raises(Refused):
        await tick_checklists(on)
    assert text(tmp_path) == CHECKLIST
    assert facts.CHECKLISTS_TICKED not in on.state.facts


async def test_what_is_not_clear_or_not_readable_is_said(tmp_path: Path) -> None:
    run = Recorded()
    run.tick("1.5", "1.6")
    on = world(tmp_path, run, "- [ ] Reset the database's password\n", "")
    (tmp_path / "list1.md").unlink()
    assert await tick_checklists(on) == "the checklists say what the run says; 1 line not clear"
    said = [event.text for event in on.events if isinstance(event, e.StepSaid)]
    assert any("list1.md cannot be read" in sentence for sentence in said)
    assert any("not clear" in sentence and "list0.md:1" in sentence for sentence in said)
    (tmp_path / "list0.md").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        await tick_checklists(on)
    (tmp_path / "list0.md").write_text("- [ ] a\n" * 100_000)
    with pytest.raises(ConfigurationError, match="no checklist"):
        await tick_checklists(on)


async def test_without_a_checklist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No checklist is configured"):
        await tick_checklists(world(tmp_path, Recorded()))


@pytest.mark.parametrize("odd", [None, 7, "x", [1, None, {"file": 1}], {"a": 1}])
def test_facts_of_another_version_are_no_lines(odd: e.Json) -> None:
    run = Recorded()
    run.fact(STEP, facts.CHECKLISTS_WAITING, odd)
    run.fact(STEP, facts.CHECKLISTS_TICKED, odd)
    assert waiting_lines(run.state) == ()
    assert not lines_wait(run.state, Settings(), OPENED).open
    assert found("- [x] a\n", run.state) == Waiting((), ())


# --- in the engine -----------------------------------------------------------------------------------------------------


async def test_the_engine_tells_which_lines_wait_and_ticks_them_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "list.md"
    path.write_text(CHECKLIST)
    missing = tmp_path / "missing.md"
    settings = {"run": {"checklists": [str(path), str(missing)]}}
    with engine_thread(tmp_path / "run", runbook=RECOVERY, settings=settings) as thread:
        async with attached(LocalClient(thread)) as anna:
            assert "needs lines" in (await anna.send(RunStep(step=STEP))).reason
            await anna.send(TickStep(step="1.2"))
            await anna.send(TickStep(step="8.4"))
            await anna.send(TickStep(step="1.8"))
            assert not waiting_lines(anna.state)
            path.write_text(CHECKLIST.replace("Revoke the leaked API key", "Open the host's dashboard", 1))
            await anna.send(UntickStep(step="8.4"))
            await anna.until(lambda follower: waiting_lines(follower.state))
            (line,) = waiting_lines(anna.state, "1.2")
            assert (line.line, line.text) == (3, "Open the host's dashboard")
            assert path.read_text().count("[x]") == 1  # looked at, and left alone
            assert (await anna.send(RunStep(step=STEP))).accepted
            await anna.until(lambda follower: follower.state.questions)
            (question,) = anna.state.questions.values()
            await anna.send(AnswerQuestion(question=question.id, choice=WRITE))
            await anna.until_step(STEP, StepStatus.DONE)
            assert "- [x] Open the host's dashboard" in path.read_text()
            assert waiting_lines(anna.state) == ()
            # It comes back when the tick is taken back.
            await anna.send(UntickStep(step="1.2"))
            await anna.until(lambda follower: waiting_lines(follower.state))
            assert waiting_lines(anna.state)[0].tick is False
    assert "missing.md cannot be read" in (tmp_path / "run" / "engine.log").read_text()


async def test_an_engine_without_checklists_looks_at_nothing(tmp_path: Path) -> None:
    with engine_thread(tmp_path / "run", runbook=RECOVERY) as thread:
        async with attached(LocalClient(thread)) as anna:
            await anna.send(TickStep(step="1.2"))
            await anna.until_step("1.2", StepStatus.TICKED)
            assert facts.CHECKLISTS_WAITING not in anna.state.facts
