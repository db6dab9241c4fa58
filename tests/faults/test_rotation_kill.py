"""The engine is killed after each step of the rotation, and in the midst of the worst one; another goes on from there."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.demo.hosting.state import WORKER
from core.engine.address import LOCK
from core.engine.protocol import RunStep
from core.events import StepSaid
from core.runbook.facts import CREDENTIALS_ROTATED
from core.runbook.state import StepStatus
from core.secrets.keep import Kept
from core.secrets.login import is_accepted
from core.settings import Settings
from tests.databases import Database
from tests.faults.rotating import Operator, engine, loopback, settings_now, url
from tests.toy import Follower

OLD = "fake-old-password-77/1"


async def kill(run: Path, follower: Follower) -> None:
    os.kill(int((run / LOCK).read_text()), signal.SIGKILL)
    await follower.until(lambda f: f.ended)


async def some_login_works(run: Path, database: Database) -> bool:
    """Whether one of those that anybody can still know is let in."""
    kept = Kept(run).successor("production")
    known = [SecretStr(OLD), *([kept[1].password] if kept else [])]
    return any([await is_accepted(database.spec.with_password(password)) for password in known])


async def test_killed_after_each_step_and_within_one(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, project = tmp_path / "run", tmp_path / "project"
    project.mkdir()
    env = project / ".env"
    env.write_text(f"DATABASE_URL={url(database.spec, OLD)}\n")
    monkeypatch.setenv("DATABASE_URL", url(database.spec, OLD))
    monkeypatch.delenv("DATABASE_URL_TEST", raising=False)
    async with loopback(database, OLD, pace=0.3) as host:
        monkeypatch.setenv("RENDER_API_KEY", host.key.get_secret_value())

        def settings() -> Settings:
            return settings_now(host, {"project": project})

        for step in ("1.3", "1.4"):
            async with engine(run, settings()) as anna:
                assert await Operator(anna, host).run(step) is StepStatus.DONE
                await kill(run, anna)
        async with engine(run, settings()) as anna:  # the services are being deployed when it dies
            await anna.send(RunStep(step="1.5"))
            await anna.until_step("1.5", StepStatus.ASKING)
            (question,) = anna.state.questions.values()
            await anna.send(Operator(anna, host).answer(question))
            await anna.until(
                lambda f: any("is deployed again" in r.event.text for r in f.records if isinstance(r.event, StepSaid))
            )
            await kill(run, anna)
        assert await some_login_works(run, database)
        assert not await is_accepted(database.spec.with_password(SecretStr(OLD)))
        for step in ("1.5", "1.6", "1.7"):
            async with engine(run, settings()) as anna:
                if step == "1.5":
                    await anna.until_step("1.5", StepStatus.FAILED)  # found out at the start
                assert await Operator(anna, host).run(step) is StepStatus.DONE
                await kill(run, anna)
            assert await some_login_works(run, database)
        assert anna.state.facts[CREDENTIALS_ROTATED] is True
        kept = Kept(run).successor("production")
        assert kept is not None
        new = kept[1].password
        assert await is_accepted(database.spec.with_password(new))
        assert url(database.spec, new.get_secret_value()) in env.read_text()
        assert new.get_secret_value() in host.hosted.services[WORKER].running["DATABASE_URL"]
