"""Text from a database, a log or a person: never markup, never a control, wherever it turns up."""

from __future__ import annotations

import pytest

from core import events as e
from core.engine.protocol import Reply
from tests.tui import scenario
from tests.tui.scripted import ScriptedClient
from tests.tui.stage import stage

HOSTILE = (
    "[/foo][bold]x[@click=app.bell()]y[/] \x1b[31mred\x1b[0m \x07 \u202egnol \u200b$error {name!r} %s " + "w" * 300
)


def everything(client: ScriptedClient) -> None:
    """HOSTILE in every field that a person or a server fills."""
    actor = e.Actor(name=HOSTILE, uid=1)
    identity = e.TargetIdentity(cluster="1", database_oid=1, database=HOSTILE)
    client.say(e.RunOpened(run=HOSTILE, program=HOSTILE), e.EngineStarted(pid=1, host=HOSTILE, program=HOSTILE))
    client.say(
        e.TargetIdentified(target="production", identity=identity, address=HOSTILE, server=HOSTILE),
        e.ClientAttached(client="x", actor=actor),
        e.CommandRefused(command=HOSTILE, step="1.1", reason=HOSTILE),
        e.StepTicked(step="1.1", note=HOSTILE),
        e.NoteAdded(task=1, step="1.1", text=HOSTILE),
        e.StepStarted(step="2.2"),
        e.StepSaid(step="2.2", text=HOSTILE),
        e.FactRecorded(step="2.2", name=HOSTILE, value={HOSTILE: [HOSTILE]}),
        e.FileRecorded(step="2.2", name=HOSTILE, path=HOSTILE, sha256="f" * 64, bytes=1),
        e.StepFailed(step="2.2", error="X", what=HOSTILE, state=HOSTILE, advice=HOSTILE),
        e.GateOverridden(step="7.3", gate="backup", reason=HOSTILE),
        e.StepStarted(step="7.3"),
        e.ConversionPlanned(
            step="7.3",
            target="production",
            plan="p",
            phases=(
                e.PhasePlanned(
                    phase=1, name=HOSTILE, statements=2, tallies=(e.Tally(what=HOSTILE, root=HOSTILE, count=1),)
                ),
            ),
            tables=(e.TablePlanned(name=HOSTILE, columns=1, rows=1, bytes=1),),
            blockers=(HOSTILE,),
            warnings=(HOSTILE,),
        ),
        e.TransactionOpened(step="7.3", target="production", xid=HOSTILE, backend_pid=1),
        e.PhaseStarted(step="7.3", phase=1),
        e.StatementStarted(step="7.3", phase=1, number=1, object=HOSTILE, table=HOSTILE),
        e.ProofMade(step="7.3", depth="counts", held=False, lines=(HOSTILE,), seconds=1),
        e.QuestionAsked(
            question=scenario.question(client).model_copy(
                update={
                    "title": HOSTILE,
                    "choices": (
                        e.Choice(name="cancel", label=HOSTILE, consequence=HOSTILE),
                        e.Choice(name="go", label=HOSTILE, phrase=HOSTILE, consequence=HOSTILE),
                    ),
                    "identity": identity,
                    "locks": (HOSTILE,) * 5,
                    "duration": HOSTILE,
                    "checked": (HOSTILE,),
                    "cannot_undo": (HOSTILE,),
                    "way_back": HOSTILE,
                    "details": (HOSTILE,),
                }
            )
        ),
        e.QuestionAsked(
            question=scenario.decision(client).model_copy(
                update={
                    "title": HOSTILE,
                    "details": (HOSTILE,),
                    "choices": (e.Choice(name="A", label=HOSTILE, consequence=HOSTILE),),
                }
            )
        ),
        actor=actor,
    )
    client.read("7.3", "waiting", {"waiters": [HOSTILE], "blocked_by": [HOSTILE]})
    client.read(
        "7.3",
        "server",
        {"growth": "x", "wal_bytes": None, "waits_for": HOSTILE, "unseen": HOSTILE, "index": {"phase": HOSTILE}},
    )
    client.read("7.3", "tables", {HOSTILE: {"seconds": HOSTILE}})
    client.read("7.3", "progress", {"seconds_left": HOSTILE, "rollback_seconds": [], "stage": HOSTILE})


PATHS = {
    "board": (),
    "ticked task": ("1", "enter"),
    "failed task": ("2", "enter", "j"),
    "converting task": ("7", "enter", "j", "j"),
    "conversion": ("7", "v", "pagedown", "pagedown"),
    "log": ("l", *["k"] * 8),
    "evidence": ("2", "e", "j"),
    "confirmation": ("7", "c"),
    "choice": ("4", "c"),
    "note": ("6", "n"),
    "tick": ("6", "space"),
    "abort": ("7", "a"),
    "palette": ("ctrl+p",),
}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
@pytest.mark.parametrize("path", PATHS)
async def test_hostile_text_is_only_text(path: str, size: tuple[int, int]) -> None:
    client = scenario.new_client()
    everything(client)
    client.reply = lambda command: Reply(accepted=False, reason=HOSTILE)
    async with stage(client, size=size) as on:
        await on.press(*PATHS[path])
        shown = on.text()
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "\u202e" not in shown
        if path in ("log", "evidence", "conversion", "confirmation", "failed task"):
            assert "[/foo][bold]x" in shown
        await on.press("q", "6", "space", "enter")  # a refusal, told in a toast


async def test_an_event_of_a_newer_version_is_told_by_its_kind() -> None:
    client = scenario.new_client()
    scenario.opened(client)
    client.records.append(
        e.Record(
            seq=len(client.records) + 1,
            at=client.clock(),
            actor=e.ENGINE,
            event=e.UnknownEvent.model_validate({"kind": "moon_phase_changed", "step": "2.1"}),
        )
    )
    async with stage(client) as on:
        await on.press("l")
        assert "moon phase changed" in on.text()
