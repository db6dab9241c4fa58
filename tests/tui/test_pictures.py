"""The tool that makes the documentation's pictures."""

from __future__ import annotations

import importlib.util
from html import unescape
from pathlib import Path

from tests.tui import scenario

TOOL = Path(__file__).parents[2] / "docs" / "pictures.py"


async def test_a_picture_of_a_run() -> None:
    spec = importlib.util.spec_from_file_location("pictures", TOOL)
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    client = scenario.new_client()
    scenario.opened(client)
    scenario.converting(client, "5.1", "test")
    svg = unescape(await pictures.picture(client.records, ["5", "v"], (80, 24))).replace("\xa0", " ")
    assert "PRODUCTION" in svg
    assert "retype references" in svg
