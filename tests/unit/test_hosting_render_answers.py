"""Render's answers and headers as data: their odd forms, and what is none of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import HostingError, HostingOutcomeUnknown
from core.hosting.interface import DeployState, ServiceKind
from core.hosting.render.answers import ToldDeploy, ToldExport, ToldGroup, ToldLogs, ToldService, read, read_many
from core.hosting.render.failures import SAID_LENGTH, no_answer, refusal, said
from core.hosting.render.rate_limit import seconds_until_reset
from core.hosting.render.transport import Answer

NOW = 1_716_390_570.0
LINE = {"id": "l1", "message": "hello", "timestamp": "2024-05-22T15:09:30.123456789Z", "labels": None}


def answer(document: object, call: str = "GET /x", status: int = 200) -> Answer:
    return Answer(call, status, json.dumps(document).encode(), "api-1")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"ratelimit-reset": "17"}, 17.0),
        ({"ratelimit-reset": f"{NOW + 17:.0f}"}, 17.0),
        ({"ratelimit-reset": f"{NOW - 17:.0f}"}, 0.0),
        ({"ratelimit-reset": "0"}, 0.0),
        ({"ratelimit-reset": "-3"}, None),
        ({"ratelimit-reset": "soon"}, None),
        ({"ratelimit-reset": "nan"}, None),
        ({"ratelimit-reset": "inf"}, None),
        ({}, None),
    ],
)
def test_when_the_rate_limit_is_reset(headers: dict[str, str], wait: float | None) -> None:
    assert seconds_until_reset(headers, NOW) == wait


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"id": "err-1", "message": "not found: srv-1"}', "not found: srv-1"),
        (b'{"error": "rate limit exceeded"}', "rate limit exceeded"),
        (b"unauthorized\n", "unauthorized"),
        (b"", ""),
        (b"[1, 2]", "[1, 2]"),
        (b'{"message": {"deep": 1}}', "{'deep': 1}"),
        (b"\x1b[31mred\x07", "[31mred"),
        (b"\xff\xfe", "��"),
        (b"postgresql://me:obviously-fake@db/app", "postgresql://me:***@db/app"),
    ],
)
def test_what_a_refusal_says(body: bytes, words: str) -> None:
    assert said(body) == words


def test_a_long_refusal_is_cut() -> None:
    assert len(said(b"x" * 5000)) == SAID_LENGTH


def test_errors_have_their_three_parts() -> None:
    unknown = no_answer("POST /x", "broke off", changes=True, request="api-1")
    assert isinstance(unknown, HostingOutcomeUnknown)
    assert str(unknown).startswith(
        "POST /x: Render broke off (request api-1). Whether Render has done it is not known;"
    )
    for status in (401, 402, 403, 404, 409, 429, 500, 503):
        error = refusal("GET /x", status, b"", "api-1")
        assert error.what == f"Render answered {status} to GET /x (request api-1)."
        assert error.state.startswith("Nothing has been changed")
        assert error.advice


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", DeployState.WAITING),
        ("queued", DeployState.WAITING),
        ("build_in_progress", DeployState.BUILDING),
        ("pre_deploy_in_progress", DeployState.MIGRATING),
        ("update_in_progress", DeployState.UPDATING),
        ("live", DeployState.LIVE),
        ("deactivated", DeployState.REPLACED),
        ("build_failed", DeployState.FAILED),
        ("pre_deploy_failed", DeployState.FAILED),
        ("update_failed", DeployState.FAILED),
        ("canceled", DeployState.CANCELED),
        ("a_later_word", DeployState.WAITING),
        ("scan_in_progress", DeployState.UPDATING),
        ("scan_failed", DeployState.FAILED),
    ],
)
def test_each_status_of_a_deploy_is_a_state(status: str, state: DeployState) -> None:
    deploy = read(answer({"id": "dep-1", "status": status, "commit": None, "finishedAt": None}), ToldDeploy).deploy()
    assert (deploy.state, deploy.told, deploy.commit) == (state, status, None)
    assert deploy.state.over == (status in ("live", "deactivated", "canceled") or status.endswith("_failed"))


def test_a_service_of_which_little_is_told() -> None:
    told: dict[str, Any] = {"id": "srv-1", "name": "n", "type": "later_kind", "suspended": "suspended"}
    for more in ({}, {"serviceDetails": None}, {"serviceDetails": {"url": None, "maintenanceMode": None}}):
        service = read(answer(told | more), ToldService).service()
        assert (service.kind, service.suspended, service.maintenance) == (ServiceKind.UNKNOWN, True, None)
        assert (service.auto_deploy, service.url) == (None, "")


def test_what_is_empty_may_be_null() -> None:
    assert read_many(answer(None), ToldExport) == ()
    assert read(answer({"id": "evg-1", "envVars": None, "serviceLinks": None}), ToldGroup).env_vars == ()
    assert read(answer({"hasMore": False, "logs": None}), ToldLogs).logs == ()


def test_times_have_more_digits_than_a_clock_here() -> None:
    (line,) = read(answer({"hasMore": False, "logs": [LINE]}), ToldLogs).logs
    assert line.line().at == datetime(2024, 5, 22, 15, 9, 30, 123456, UTC)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"id": "dep-1", "sta', "no JSON, or only a part"),
        (b"", "no JSON"),
        (b"{}", "not what it should be: id: Field required"),
        (b'{"id": "dep-1", "status": 7}', "status: Input should be a valid string"),
        (b'{"id": "dep-1", "status": "live", "createdAt": "2024-05-22T15:09:30"}', "createdAt"),
        (b"[]", "the whole of it"),
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes, said: str) -> None:
    with pytest.raises(HostingError, match=said) as caught:
        read(Answer("GET /x", 200, body, "api-1"), ToldDeploy)
    assert "(request api-1)" in caught.value.what
    assert "Nothing has been changed" in caught.value.state
    with pytest.raises(HostingError) as caught:
        read(Answer("POST /x", 201, body, "api-1"), ToldDeploy)
    assert "has taken the call" in caught.value.state
