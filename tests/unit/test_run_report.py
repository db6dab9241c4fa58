"""The run's report: from the journal alone, whole, and nothing in it is markup but its own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core import events as e
from core.journal import Journal, journal_sha256
from core.runbook.markdown import code, table
from core.runbook.one_step import CONVERSION
from core.runbook.recovery import RECOVERY
from core.runbook.reports.chronicle import Account, read_account
from core.runbook.reports.run_report import render, run_report, write_run_report
from core.settings import Settings
from tests.runs import ANNA, OPENED, Recorded, recovered
from tests.step_world import StepWorld
from tui.cli import main

EVIL = "x](javascript:alert(1)) <img src=x onerror=alert(1)> | `a` ``b`` \\| **bold** \x1b[2J \u202egnp\n# heading\n- [ ] item"


def account(run: Recorded) -> Account:
    found = Account(digest="d" * 64)
    for record in run.records:
        found.take(record)
    return found


def report(run: Recorded, settings: Settings | None = None) -> str:
    return render(account(run), RECOVERY, settings or Settings(), OPENED + timedelta(hours=3))


def question(**more: object) -> e.Question:
    return e.Question.model_validate(
        {
            "id": "q1", "step": "7.3", "title": "Convert?", "target": "production", "plan": "9f" * 32,
            "choices": ({"name": "convert", "label": "Convert", "phrase": "app"}, {"name": "cancel", "label": "Cancel"}),
            "default": "cancel", "checked": ("backup: verified, 2 h old",), "way_back": "rolls back",
            "asked_at": OPENED, "expires_at": OPENED + timedelta(minutes=5), **more,
        }
    )  # fmt: skip


def test_it_tells_the_whole_run() -> None:
    run = recovered()
    run.say(e.GateOverridden(step="7.3", gate="window", reason="the board agreed"))
    run.say(e.NoteAdded(task=7, step="7.3", text="it rained"))
    run.say(e.QuestionAsked(question=question()), actor=e.ENGINE)
    run.say(e.QuestionAnswered(question="q1", step="7.3", choice="convert"))
    run.say(
        e.FileRecorded(step="7.3", name="proof.json", path="evidence/ab-proof.json", sha256="ab" * 32, bytes=2048),
        actor=e.ENGINE,
    )
    run.say(
        e.FileRecorded(step="6.5", name="restore.md", path="evidence/cd-restore.md", sha256="cd" * 32, bytes=99),
        actor=e.ENGINE,
    )
    text = report(run)
    assert "# Run report: `20251113T010000Z-app`" in text
    assert "- Its commands (step 6.5): `evidence/cd-restore.md`" in text
    assert "Downtime: 41 min 07 s" in text
    assert "Blocker: `Database schema mismatch (UUID vs VARCHAR(36))`: **resolved**" in text
    assert "| 1.3 | `Revoke the leaked API key`" in text
    assert "**ticked**, unverified | `anna`" in text
    assert "15 proved" in text
    assert "7 ticked on a person's word" in text
    assert "window: the board agreed`" in text
    assert "- 7.3: `anna: it rained`" in text
    assert "- Checked: `backup: verified, 2 h old`" in text
    assert "anna: convert`" in text
    assert "- `foreign keys dropped`: 42" in text
    assert "Proof (`contents`): **holds**" in text
    assert "`No difference but the types.`" in text
    assert f"| `{'ab' * 32}` | `evidence/ab-proof.json` |" in text
    assert "| `anna (uid 1000, operator)` | 1.1 | `ticked, unverified` |" in text
    assert f"`{'d' * 64}`" in text
    assert "only the backup" in text
    assert "`deploy.finished`" in text


def test_an_empty_run_has_a_report_too() -> None:
    text = report(Recorded())
    assert "Downtime: not measured" in text
    assert "**not resolved** (`production is not converted`)" in text
    assert "nothing has changed" in text


def test_a_journal_of_nothing() -> None:
    assert render(Account(), RECOVERY, Settings(), OPENED).startswith("# Run report: ` `")


def markup(text: str) -> list[str]:
    """Everything in a document that is more than plain text, code, or a table's or list's frame, as types with content."""
    parser = MarkdownIt("commonmark").enable("table")
    odd: list[str] = []

    def look(tokens: list[Token]) -> None:
        for token in tokens:
            if token.type in ("html_inline", "html_block", "link_open", "image", "code_block", "hr", "em_open"):
                odd.append(f"{token.type} {token.content}")
            if token.type == "heading_open" and token.map and "# " not in text.splitlines()[token.map[0]][:5]:
                odd.append(token.type)
            look(token.children or [])

    look(parser.parse(text))
    return odd


def test_nothing_foreign_is_markup() -> None:
    run = recovered()
    evil = e.Actor(name=EVIL, uid=1)
    run.say(e.StepTicked(step="8.2", note=EVIL), e.NoteAdded(task=8, text=EVIL), actor=evil)
    run.say(e.StepStarted(step="8.1"), e.StepFailed(step="8.1", error="E", what=EVIL, state=EVIL, advice=EVIL))
    run.say(e.GateOverridden(step="7.3", gate=EVIL, reason=EVIL), actor=evil)
    run.say(e.FactRecorded(step="8.1", name=EVIL, value={EVIL: EVIL}), actor=e.ENGINE)
    run.say(e.FileRecorded(step="8.1", name=EVIL, path=EVIL, sha256=EVIL, bytes=1), actor=e.ENGINE)
    run.say(e.QuestionAsked(question=question(title=EVIL, checked=(EVIL,), way_back=EVIL)), actor=e.ENGINE)
    run.say(e.ProofMade(step="7.3", depth="contents", held=True, lines=(EVIL,), seconds=1.0), actor=e.ENGINE)
    run.say(
        e.TargetIdentified(
            target="test",
            identity=e.TargetIdentity(cluster=EVIL, database_oid=1, database=EVIL),
            address=EVIL,
            server=EVIL,
        )
    )
    settings = Settings.model_validate({"documents": {"blocker": EVIL.replace("\n", " ")}})
    text = report(run, settings)
    assert markup(text) == []
    assert "\x1b" not in text
    assert "\u202e" not in text
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in headings if line.lstrip("# ").startswith("heading")] == []


@pytest.mark.parametrize("cell", ["a|b", "a\\|b", "a\\\\|b", "\\", "|", "a\\\\\\|b|c", "``|\\|"])
def test_a_cell_stays_one_cell(cell: str) -> None:
    text = table(("x", "y"), ((code(cell), "second"),))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    cells = [t for t in tokens if t.type == "inline"][2:]
    assert len(cells) == 2
    assert [c.type for c in cells[0].children or []] == ["code_inline"]
    assert cells[1].content == "second"
    # Readers that count backslashes in pairs must see every bar escaped as well (GFM, "Tables").
    row = text.splitlines()[2].removeprefix("| ").removesuffix(" | second |")
    position = 0
    while (position := row.find("|", position)) >= 0:
        before = row[:position]
        assert (len(before) - len(before.rstrip("\\"))) % 2 == 1
        position += 1


def test_a_long_chronicle_is_bounded_and_says_so() -> None:
    run = Recorded()
    run.say(*(e.NoteAdded(task=1, text=f"note {n}") for n in range(6000)))
    text = report(run)
    assert "`note: note 0`" in text
    assert "`note: note 5999`" in text
    assert "`note: note 3000`" not in text
    assert "lines in the middle are left out" in text


async def test_the_journals_sha256_is_that_of_the_events_it_tells_of(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append(e.ENGINE, e.RunOpened(run="r", program="0.1.0"))
    before = journal_sha256(tmp_path)
    text = await run_report(tmp_path, RECOVERY, Settings())
    journal.append(ANNA, e.NoteAdded(task=1, text="later"))
    journal.close()
    assert f"`{before}`" in text
    assert journal_sha256(tmp_path) != before
    assert journal_sha256(tmp_path, 1) == before
    assert read_account(tmp_path).entries[-1].what == "note: later"


async def test_the_step_leaves_it_as_evidence(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    for record in recovered().records:
        assert not isinstance(record.event, e.UnknownEvent)
        journal.append(record.actor, record.event)
    journal.close()
    world = StepWorld(tmp_path, Settings(), {})
    world.state, world.step = recovered().state, "9.4"
    assert await write_run_report(world) == "report written: 15 steps proved, 7 ticked"
    assert "# Run report: `20251113T010000Z-app`" in world.evidence("run-report.md")


def test_status_writes_it_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(tmp_path / "run")
    journal.append(e.ENGINE, e.RunOpened(run="r", program="0.1.0"))
    journal.close()
    assert main(["--run", str(tmp_path / "run"), "status", "--report", str(tmp_path / "report.md")]) == 0
    assert (tmp_path / "report.md").read_text().startswith("# Run report: `r`")
    assert "1 Rotate credentials" in capsys.readouterr().out
    assert main(["--run", str(tmp_path / "run"), "status", "--report", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_one_step_run_tells_nothing_of_a_recovery() -> None:
    run = Recorded()
    run.converts("1.1")
    text = render(account(run), CONVERSION, Settings(), OPENED)
    assert "- `foreign keys recreated`: 42" in text
    assert "Blocker" not in text
    assert "not measured" not in text
