"""The one host of a run: made once, by the key of the settings or its successor, closed with the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from core.engine.hosting import RunHost
from core.errors import ConfigurationError
from core.hosting.none import NoHost
from core.hosting.render.client import Render
from core.secrets.keep import Kept
from core.settings import Settings


def key_of(host: object) -> str | None:
    key = cast("Render", host)._transport.key
    return key.get_secret_value() if key else None


async def test_every_step_gets_the_same_host_and_the_key_that_was_typed(tmp_path: Path) -> None:
    settings = Settings.model_validate({"hosting": {"kind": "render"}, "RENDER_API_KEY": SecretStr("rnd_old")})
    hosts = RunHost(settings, Kept(tmp_path))
    first, second = await asyncio.gather(hosts.get(), hosts.get())
    assert first is second
    assert key_of(first) == "rnd_old"
    await first.use_key(SecretStr("rnd_new"))
    assert key_of(await hosts.get()) == "rnd_new"
    await hosts.close()
    await hosts.close()
    assert cast("Render", first)._transport._client.is_closed


async def test_the_keys_successor_goes_before_the_settings(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep_api_key(SecretStr("rnd_old"), SecretStr("rnd_new"))
    settings = Settings.model_validate({"hosting": {"kind": "render"}, "RENDER_API_KEY": SecretStr("rnd_old")})
    hosts = RunHost(settings, kept)
    assert key_of(await hosts.get()) == "rnd_new"
    await hosts.close()


async def test_a_key_that_cannot_be_read_is_read_again_when_it_is_asked_for_again(tmp_path: Path) -> None:
    file = tmp_path / "key"
    settings = Settings.model_validate({"hosting": {"kind": "render", "api_key_file": file}})
    hosts = RunHost(settings, Kept(tmp_path))
    with pytest.raises(ConfigurationError, match="API key file"):
        await hosts.get()
    file.touch(mode=0o600)
    file.write_text("rnd_late\n")
    assert key_of(await hosts.get()) == "rnd_late"
    await hosts.close()


async def test_without_a_host_there_is_one_that_says_so(tmp_path: Path) -> None:
    hosts = RunHost(Settings(), Kept(tmp_path))
    assert isinstance(await hosts.get(), NoHost)
    await hosts.close()
