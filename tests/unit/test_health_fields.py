"""Which answers of a service count as healthy after a deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.runbook.conversion_day.verify_production import HEALTH, service_checks
from core.settings import Settings
from tests.hosts import running
from tests.step_world import StepWorld


@pytest.mark.parametrize(
    ("document", "held", "words"),
    [
        ({"status": "healthy", "database_configured": True, "version": 3}, True, "answers 200, status=healthy"),
        ({"status": "degraded", "database_configured": True}, False, "status is 'degraded', not 'healthy'"),
        ({"status": "healthy"}, False, "database_configured is missing"),
        ({"status": "healthy", "database_configured": "true"}, False, "database_configured is 'true', not True"),
        ({"status": "healthy", "database_configured": 1}, False, "database_configured is 1, not True"),
    ],
)
async def test_the_fields_are_those_that_are_expected(
    tmp_path: Path, document: dict[str, Any], held: bool, words: str
) -> None:
    async with running(None) as application:
        application.document = document
        settings = Settings.model_validate({"service": {"health_url": application.url}})
        (check,) = [c async for c in service_checks(StepWorld(tmp_path, settings, {}), [HEALTH])]
    assert check.held is held
    assert words in check.words


@pytest.mark.parametrize(("fields", "held"), [([], True), (["queue.depth=0"], False), (["depth=0"], True)])
async def test_what_is_expected_is_a_setting(tmp_path: Path, fields: list[str], held: bool) -> None:
    async with running(None) as application:
        application.document = {"depth": 0}
        settings = Settings.model_validate({"service": {"health_url": application.url, "health_fields": fields}})
        (check,) = [c async for c in service_checks(StepWorld(tmp_path, settings, {}), [HEALTH])]
    assert check.held is held
