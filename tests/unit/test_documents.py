"""The project's documents: from facts only, shown before, written whole or not at all, and the same the second time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from core import events as e
from core.engine.protocol import AnswerQuestion, RunStep
from core.engine.thread import LocalClient
from core.errors import ConfigurationError, HostingError, Refused
from core.events import Question
from core.hosting.interface import Ability, Deploy, DeployState, Host
from core.runbook import facts
from core.runbook.documents.document import DEPLOYMENT_HEALTH, TRACKER, WORKFLOW_STATUS, Document
from core.runbook.documents.edit import marks, outline, with_section, with_values
from core.runbook.model import StepKind
from core.runbook.recovery import RECOVERY
from core.runbook.rewriting import WRITE
from core.runbook.state import StepStatus
from core.settings import Settings
from core.settings.documents import DocumentsSettings
from core.settings.hosting import HostingSettings
from tests.runs import HEAD, TRUE, Recorded, recovered
from tests.step_world import StepWorld, taking
from tests.toy import attached, engine_thread

TRACKER_TEXT = "# Tracker\n\n## Session 2025-11-01: Sprint\n\n- [x] DEV-007\n\n## Notes\n\nKept.\n"
STATUS_TEXT = "# Status\n\nNEXT_ACTION: wait\n**NEXT_COMMAND**: none\n- NEXT_AGENT: `x`\n\nOther: line\n"
HEALTH_TEXT = "# Health\n\nIntro.\n\n## Latest Deployment: 2025-10-01\n\n**Backend**: 1111111\n"
WANTED = DocumentsSettings(
    next_steps=("Resume DEV-008",), next_action="Resume Sprint 1.3", next_command="/bmad:dev --story=DEV-008", next_agent="/dev"
)  # fmt: skip


def world(tmp_path: Path, text: str, document: Document, run: Recorded | None = None, **wanted: object) -> StepWorld:
    """A world in which the document is a file with that text."""
    path = tmp_path / "document.md"
    path.write_bytes(text.encode())
    settings = Settings(documents=WANTED.model_copy(update={document.setting: path, **wanted}))
    found = StepWorld(tmp_path, settings, {}, answers=taking(WRITE))
    found.state = (run or recovered()).state
    found.step = "9.1"
    return found


def written(tmp_path: Path) -> str:
    return (tmp_path / "document.md").read_bytes().decode()


async def test_the_tracker_gets_the_sessions_section(tmp_path: Path) -> None:
    on = world(tmp_path, TRACKER_TEXT, TRACKER)
    assert "document.md written: 31 lines added, 0 removed" in await TRACKER.update(on)
    begin, end = marks("20251113T010000Z-app")
    assert written(tmp_path) == TRACKER_TEXT.replace(
        "## Notes",
        f"""{begin}
## Session 2025-11-13: Database Recovery & Schema Alignment

**Date**: 2025-11-13
**Duration**: 1 h 00 min
**Focus**: UUID → VARCHAR(36) conversion to align production with application code

### Completed
- [x] Security credential rotation (exposed API keys and passwords)
- [x] Database investigation (true migration state: `{TRUE}`)
- [x] Production database backup (size: `1.2 GB`, verified: `contents`)
- [x] Conversion script's phase 5 completion (approach: `A`)
- [x] Test database conversion validation (outcome: `committed`)
- [x] Production conversion execution (downtime: `41 min 07 s`)
- [x] alembic_version reset (to: `{TRUE}`)
- [x] Deployment triggered, migrations applied (from: `{TRUE}`, to: `{HEAD}`, migrations: `2`)
- [x] Health verification (backend, frontend, database) (Deployment health: `100% (2 of 2 checks held, 1 could not be made)` ✓)

### Results
- Key: `users.id: UUID → VARCHAR(36)` ✓
- Key: `organizations.id: UUID → VARCHAR(36)` ✓
- Foreign keys: `42 dropped, 42 recreated` ✓
- Proof: `contents: holds` ✓
- Migration state: `{TRUE} → {HEAD} (2 migrations applied)`
- New tables created: `folders, generated_documents`
- Deployment health: `100% (2 of 2 checks held, 1 could not be made)` ✓

### Next Steps
- [ ] Resume DEV-008
{end}

## Notes""",
    )
    assert on.state.facts[facts.DOCUMENTS_WRITTEN] == [str(tmp_path / "document.md")]


@pytest.mark.parametrize(
    ("document", "text"), [(TRACKER, TRACKER_TEXT), (WORKFLOW_STATUS, STATUS_TEXT), (DEPLOYMENT_HEALTH, HEALTH_TEXT)]
)
async def test_the_second_time_changes_and_asks_nothing(tmp_path: Path, document: Document, text: str) -> None:
    for text_ in (text, "", text.rstrip("\n"), text.replace("\n", "\r\n")):
        on = world(tmp_path, text_, document)
        await document.update(on)
        once = written(tmp_path)
        assert once != text_
        assert ("\r\n" in once) == ("\r\n" in text_)
        assert once.count("\r\n") in (0, once.count("\n"))
        assert await document.update(on) == "document.md is up to date"
        assert written(tmp_path) == once
        assert len(on.questions) == 1


async def test_what_no_fact_says_is_not_measured_and_a_tick_is_told(tmp_path: Path) -> None:
    run = recovered(
        without=(facts.CREDENTIALS_ROTATED, facts.BACKUP_TAKEN, facts.BACKUP_VERIFIED, facts.TABLES_CREATED,
                 facts.HEALTH_VERIFIED, facts.LOCATED, facts.STAMPED, facts.DOWNTIME_SECONDS)
    )  # fmt: skip
    run.tick("1.7", actor=e.Actor(name="`<b>*ev*"))
    run.say(e.StepFailed(step="7.6", error="Refused", what="no", state="", advice=""))
    await TRACKER.update(world(tmp_path, TRACKER_TEXT, TRACKER, run))
    text = written(tmp_path)
    assert "(exposed API keys and passwords); ticked by `` `<b>*ev* `` and `anna`, unverified\n" in text
    assert "backup (size: not measured, verified: not measured)\n" in text
    assert "true migration state: not measured" in text
    assert "execution (downtime: `9 min 00 s, by the times of its steps`)" not in text  # 7.7 was measured by nothing
    assert "- [ ] Health verification (backend, frontend, database)\n" in text
    assert "- New tables created: not measured\n" in text
    assert "- Deployment health: not measured\n" in text
    assert "- alembic_version" not in text


async def test_a_tick_counts_for_nothing_where_the_fact_says_no(tmp_path: Path) -> None:
    run = recovered()
    run.fact("1.7", facts.CREDENTIALS_ROTATED, False)
    await TRACKER.update(world(tmp_path, TRACKER_TEXT, TRACKER, run))
    assert "- [ ] Security credential rotation" in written(tmp_path)


async def test_an_undone_conversion_is_not_told_as_done(tmp_path: Path) -> None:
    run = recovered()
    run.converts("7.3-undo")
    await TRACKER.update(world(tmp_path, TRACKER_TEXT, TRACKER, run))
    text = written(tmp_path)
    assert "- [ ] Production conversion execution" in text
    assert "- Keys converted: not measured" in text
    assert "recreated ✓" not in text


@pytest.mark.parametrize("odd", [None, 7, "text", [1], {"production": 3}, {"revisions": {"a": 1}}])
async def test_facts_of_another_version_do_no_harm(tmp_path: Path, odd: e.Json) -> None:
    run = recovered()
    for name in (facts.LOCATED, facts.STAMPED, facts.BACKUP_VERIFIED, facts.HEALTH_VERIFIED, facts.DEPLOYED,
                 facts.TABLES_CREATED, facts.INVESTIGATION_KEYS, facts.DOWNTIME_SECONDS):  # fmt: skip
        run.fact("2.2", name, odd)
    for document, text in ((TRACKER, TRACKER_TEXT), (DEPLOYMENT_HEALTH, HEALTH_TEXT)):
        await document.update(world(tmp_path, text, document, run))
        assert "not measured" in written(tmp_path)


async def test_newest_first_stays_newest_first(tmp_path: Path) -> None:
    text = "# T\n\n## Session 2025-11-02\n\na\n\n## Session 2025-11-01\n\nb\n"
    await TRACKER.update(world(tmp_path, text, TRACKER))
    sessions = [h.text[:18] for h in outline(written(tmp_path)).headings if h.level == 2]
    assert sessions == ["Session 2025-11-13", "Session 2025-11-02", "Session 2025-11-01"]


async def test_the_keyed_lines_are_replaced_in_place(tmp_path: Path) -> None:
    await WORKFLOW_STATUS.update(world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS))
    assert written(tmp_path) == (
        "# Status\n\nNEXT_ACTION: Resume Sprint 1.3\n**NEXT_COMMAND**: /bmad:dev --story=DEV-008\n- NEXT_AGENT: /dev\n"
        "BLOCKER_RESOLVED: Database schema mismatch (UUID vs VARCHAR(36)) - Conversion complete\n\nOther: line\n"
    )


async def test_what_only_a_person_knows_stays_and_is_said(tmp_path: Path) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS, next_action="", next_agent="")
    await WORKFLOW_STATUS.update(on)
    assert "NEXT_ACTION: wait\n" in written(tmp_path)
    assert "NEXT_AGENT stays as it is: next_agent is not set under [documents]." in on.questions[0].details


async def test_the_blocker_is_resolved_by_facts_only(tmp_path: Path) -> None:
    run = recovered(without=(facts.MIGRATED_PRODUCTION,))
    run.say(e.StepFailed(step="7.5", error="Refused", what="no", state="", advice=""))
    await WORKFLOW_STATUS.update(world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS, run))
    assert "BLOCKER_RESOLVED" not in written(tmp_path)
    earlier = STATUS_TEXT + "BLOCKER_RESOLVED: Conversion complete\n"
    await WORKFLOW_STATUS.update(world(tmp_path, earlier, WORKFLOW_STATUS, run))
    assert "BLOCKER_RESOLVED: no: production is not migrated to the head\n" in written(tmp_path)


def test_keyed_lines_in_code_and_twice() -> None:
    code = "```\nKEY: example\n```\nKEY: real\n"
    assert with_values(code, {"KEY": "new"}, (), "\n") == "```\nKEY: example\n```\nKEY: new\n"
    assert with_values("```yaml\nKEY: a\n```\n", {"KEY": "b"}, (), "\n") == "```yaml\nKEY: b\n```\n"
    with pytest.raises(Refused, match="lines 1, 2"):
        with_values("KEY: a\nKEY: b\n", {"KEY": "c"}, (), "\n")
    assert with_values("MY_KEY: a\nKEYS: b\nNo KEY: c\n", {"KEY": "d"}, (), "\n") == "MY_KEY: a\nKEYS: b\nNo KEY: c\n"
    assert with_values("a", {"KEY": "d"}, ("KEY",), "\n") == "a\n\nKEY: d\n"
    assert with_values("KEY:", {"KEY": r"\1 & \n"}, (), "\n") == "KEY: \\1 & \\n"


async def test_the_latest_deployment_comes_first_and_the_one_before_is_the_previous(tmp_path: Path) -> None:
    await DEPLOYMENT_HEALTH.update(world(tmp_path, HEALTH_TEXT, DEPLOYMENT_HEALTH))
    begin, end = marks("20251113T010000Z-app")
    assert written(tmp_path) == (
        f"# Health\n\nIntro.\n\n{begin}\n## Latest Deployment: 2025-11-13 (Post-Conversion)\n\n**Backend**: `0a1b2c3`\n"
        f"**Frontend**: not measured\n**Database**: schema aligned, migrations at `{HEAD}`\n"
        f"**Health**: ✓ 100% (2 of 2 checks held, 1 could not be made)\n{end}\n\n"
        "## Previous Deployment: 2025-10-01\n\n**Backend**: 1111111\n"
    )


# --- writing -----------------------------------------------------------------------------------------------------------


async def test_the_difference_is_shown_and_nothing_written_without_agreement(tmp_path: Path) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)
    on.answers = None
    with pytest.raises(Refused, match="Nothing was written"):
        await WORKFLOW_STATUS.update(on)
    assert written(tmp_path) == STATUS_TEXT
    assert {"-NEXT_ACTION: wait", "+NEXT_ACTION: Resume Sprint 1.3", "@@ -2,5 +2,6 @@"} <= set(on.questions[0].details)
    assert on.questions[0].details[0] == str(tmp_path / "document.md")
    assert list(tmp_path.glob(".document*")) == []


async def test_what_changes_between_question_and_answer_is_not_overwritten(tmp_path: Path) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)

    def edit_and_agree(question: Question) -> str:
        (tmp_path / "document.md").write_text("somebody else's")
        return WRITE

    on.answers = edit_and_agree
    with pytest.raises(Refused, match="changed meanwhile"):
        await WORKFLOW_STATUS.update(on)
    assert written(tmp_path) == "somebody else's"


async def test_mode_link_and_byte_order_mark_stay(tmp_path: Path) -> None:
    on = world(tmp_path, "\ufeff" + STATUS_TEXT, WORKFLOW_STATUS)
    real = tmp_path / "document.md"
    real.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to("document.md")
    on.settings = Settings(documents=WANTED.model_copy(update={"workflow_status": link}))
    await WORKFLOW_STATUS.update(on)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert written(tmp_path).startswith("\ufeff# Status")
    assert on.evidence("document.md.before").endswith(STATUS_TEXT)
    assert on.evidence("document.md") == written(tmp_path)


@pytest.mark.parametrize("kind", ["missing", "directory", "latin", "huge", "loop", "unset"])
async def test_documents_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)
    path = tmp_path / "document.md"
    match kind:
        case "latin":
            path.write_bytes(b"caf\xe9")
        case "huge":
            os.truncate(path, 2 * 1024 * 1024)
        case "unset":
            on.settings = Settings()
        case _:
            path.unlink()
            if kind == "directory":
                path.mkdir()
            if kind == "loop":
                path.symlink_to(path)
    with pytest.raises(ConfigurationError, match=r"read|configured") as caught:
        await WORKFLOW_STATUS.update(on)
    assert "workflow_status under [documents]" in caught.value.advice


async def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)

    def refuse(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        await WORKFLOW_STATUS.update(on)
    assert written(tmp_path) == STATUS_TEXT
    assert list(tmp_path.glob(".document*")) == []


@pytest.mark.parametrize("text", ["{begin}\n", "{end}\na\n{begin}\n", "{begin}\n{end}\n{begin}\n{end}\n"])
def test_marks_that_are_no_pair(text: str) -> None:
    begin, end = marks("r")
    with pytest.raises(Refused, match="no pair"):
        with_section(text.format(begin=begin, end=end), "r", ["x"], lambda found, lines: lines, "\n")


def test_an_open_block_of_code_at_the_end() -> None:
    with pytest.raises(Refused, match="block of code"):
        with_section("```\nopen\n", "r", ["x"], lambda found, lines: lines, "\n")


@pytest.mark.parametrize("run", ["a --> <b>x</b>", "a--b", "-a-", "x" * 300, "ä\n<!--", ""])
def test_a_runs_name_cannot_break_out_of_its_mark(run: str) -> None:
    for mark in marks(run):
        inner = mark.removeprefix("<!-- ").removesuffix(" -->")
        assert not {"<", ">", "\n"} & set(inner)
        assert "--" not in inner
    assert marks(run) != marks(run + "x")
    text = with_section("a\n", run, ["x"], lambda found, lines: lines, "\n")
    assert with_section(text, run, ["x"], lambda found, lines: lines, "\n") == text


async def test_a_secret_among_the_facts_is_not_written(tmp_path: Path) -> None:
    run = recovered()
    run.fact("7.5", facts.DEPLOYED, {"commit": "password=obviously-fake-31c"})
    await DEPLOYMENT_HEALTH.update(world(tmp_path, HEALTH_TEXT, DEPLOYMENT_HEALTH, run))
    assert "obviously-fake" not in written(tmp_path)


async def test_an_interrupted_step_looks_at_the_document(tmp_path: Path) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)
    assert (await WORKFLOW_STATUS.reconcile(on)).outcome == "failed"
    await WORKFLOW_STATUS.update(on)
    assert (await WORKFLOW_STATUS.reconcile(on)).outcome == "finished"
    (tmp_path / "document.md").unlink()
    assert "no such file" in (await WORKFLOW_STATUS.reconcile(on)).found


async def test_a_huge_difference_is_bounded_in_the_question_and_whole_in_the_evidence(tmp_path: Path) -> None:
    steps = tuple(f"step {n} {'x' * 600}" for n in range(600))
    on = world(tmp_path, TRACKER_TEXT, TRACKER, next_steps=steps)
    await TRACKER.update(on)
    assert len(on.questions[0].details) < 500
    assert max(map(len, on.questions[0].details)) <= 500
    assert steps[-1] in on.evidence("difference.diff")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
async def test_the_owner_stays(tmp_path: Path) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)
    os.chown(tmp_path / "document.md", 1234, 2345)
    await WORKFLOW_STATUS.update(on)
    status = (tmp_path / "document.md").stat()
    assert (status.st_uid, status.st_gid) == (1234, 2345)


async def test_a_file_of_somebody_else_that_cannot_be_given_back_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)

    def refuse(handle: int, uid: int, gid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(ConfigurationError, match="cannot be written: Operation not permitted"):
        await WORKFLOW_STATUS.update(on)
    assert written(tmp_path) == STATUS_TEXT
    assert list(tmp_path.glob(".document*")) == []


async def test_a_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on = world(tmp_path, STATUS_TEXT, WORKFLOW_STATUS)

    def refuse(path: Path, mode: int) -> bool:  # root may write whatever the mode says
        return False

    monkeypatch.setattr(os, "access", refuse)
    with pytest.raises(ConfigurationError, match="it is read-only"):
        await WORKFLOW_STATUS.update(on)
    assert written(tmp_path) == STATUS_TEXT


class Telling:
    """A host of which nothing but deploys is asked."""

    abilities = frozenset({Ability.DEPLOY})

    def __init__(self, *deploys: Deploy) -> None:
        self.told = deploys

    async def deploys(self, service: str, limit: int = 20) -> tuple[Deploy, ...]:
        if not self.told:
            raise HostingError(f"{service} is not there.")
        return self.told


async def test_the_front_pages_commit_is_the_hosts_word(tmp_path: Path) -> None:
    on = world(tmp_path, HEALTH_TEXT, DEPLOYMENT_HEALTH)
    on.settings = on.settings.model_copy(update={"hosting": HostingSettings(frontend="srv-front")})
    failed, live = Deploy("d2", DeployState.FAILED, "failed", "bad"), Deploy("d1", DeployState.LIVE, "live", "`c0ffee`")
    on._host = cast("Host", Telling(failed, live))
    await DEPLOYMENT_HEALTH.update(on)
    assert "**Frontend**: `` `c0ffee` ``\n" in written(tmp_path)
    on._host = cast("Host", Telling(failed))
    await DEPLOYMENT_HEALTH.update(on)
    assert "**Frontend**: not measured\n" in written(tmp_path)
    on._host = cast("Host", Telling())
    assert await DEPLOYMENT_HEALTH.update(on) == "document.md is up to date"
    assert any("srv-front is not there" in event.text for event in on.events if isinstance(event, e.StepSaid))


# --- in the engine -----------------------------------------------------------------------------------------------------


def test_a_document_that_no_setting_names_is_a_persons() -> None:
    fitted = RECOVERY.fitted(Settings(documents=DocumentsSettings(workflow_status=Path("status.md"))))
    assert {id_: fitted.step(id_).kind for id_ in ("9.1", "9.2", "9.3")} == {
        "9.1": StepKind.MANUAL,
        "9.2": StepKind.AUTOMATIC,
        "9.3": StepKind.MANUAL,
    }


async def test_the_engine_shows_it_and_writes_it_at_the_operators_word(tmp_path: Path) -> None:
    path = tmp_path / "status.md"
    path.write_text(STATUS_TEXT)
    settings = {"documents": {"workflow_status": str(path), "next_action": "Go on"}}
    with engine_thread(tmp_path / "run", runbook=RECOVERY, settings=settings) as thread:
        async with attached(LocalClient(thread)) as anna:
            for choice, status in (("cancel", StepStatus.FAILED), (WRITE, StepStatus.DONE)):
                await anna.send(RunStep(step="9.2"))
                await anna.until(lambda follower: follower.state.questions)
                (question,) = anna.state.questions.values()
                assert "+NEXT_ACTION: Go on" in question.details
                assert path.read_text() == STATUS_TEXT
                await anna.send(AnswerQuestion(question=question.id, choice=choice))
                await anna.until_step("9.2", status)
            assert path.read_text() == STATUS_TEXT.replace("wait", "Go on")
            assert anna.state.step("9.2").summary == "status.md written: 1 line added, 1 removed"
            assert {file.name for file in anna.state.step("9.2").files} == {"status.md", "status.md.before"}
