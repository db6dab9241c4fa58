"""What Render's refusals mean, in the three parts of an error."""

from __future__ import annotations

import json
from typing import Any, cast

from core.errors import HostingError, HostingOutcomeUnknown
from core.redaction import redactor

UNCHANGED = "Nothing has been changed at Render, and nothing in the database."
UNKNOWN = "Whether Render has done it is not known; the call itself does not touch the database."
SAID_LENGTH = 300
"""Characters of an answer that are repeated."""

_ADVICE = {
    401: "The API key is not valid (any more): give one that is, by RENDER_API_KEY or [hosting] api_key_file, or in task 1.",
    402: "Look at the workspace's billing.",
    403: "The key's account lacks the right to it: look at its role in the workspace.",
    404: "Compare the ids under [hosting] with the addresses in the dashboard.",
    409: "Something else is being done to it: wait until that has ended, then try again.",
    429: "Wait until Render takes calls again, then try again.",
}
_ADVICE_5XX = "Look at https://status.render.com, then try again."


class Refusal(HostingError):
    """Render's answer is no: what was asked has not happened.

    Args:
        status: of the answer.
    """

    def __init__(self, what: str, *, status: int, advice: str) -> None:
        super().__init__(what, state=UNCHANGED, advice=advice)
        self.status = status


def said(body: bytes) -> str:
    """What an answer that is no success says: its `message` or `error`, or the plain text that it is, secrets masked."""
    text = body.decode(errors="replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        pass
    else:
        if isinstance(document, dict):
            told = cast("dict[str, Any]", document)
            text = str(told.get("message") or told.get("error") or told.get("id") or "")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return redactor.redact(text[:SAID_LENGTH])


def refusal(call: str, status: int, body: bytes, request: str) -> Refusal:
    """The error for an answer that says no.

    Args:
        call: such as `GET /services/srv-1`.
        status: of the answer.
        body: of the answer.
        request: Render's id of the request, which its support asks for; empty where there was none.
    """
    what = f"Render answered {status} to {call}{_because(body)}{_id(request)}."
    return Refusal(what, status=status, advice=_ADVICE.get(status, _ADVICE_5XX if status >= 500 else ""))


def no_answer(call: str, why: str, *, changes: bool, request: str = "") -> HostingError:
    """The error for a call of which it is not known whether it has arrived, or what came of it.

    Args:
        call: such as `POST /services/srv-1/deploys`.
        why: what happened instead of a whole answer, as the end of a sentence.
        changes: whether the call changes something when it arrives.
        request: Render's id of the request, where there is one.
    """
    what = f"{call}: Render {why}{_id(request)}."
    if changes:
        return HostingOutcomeUnknown(
            what, state=UNKNOWN, advice="Look in the dashboard whether it has happened before you try again."
        )
    return HostingError(what, state=UNCHANGED, advice=f"Check the network and [hosting] api_url. {_ADVICE_5XX}")


def unreachable(call: str, why: str) -> HostingError:
    """The error for a call that has not been sent, because there is no connection."""
    return HostingError(
        f"Render cannot be reached for {call}: {why}.",
        state=UNCHANGED,
        advice="Check the network, a proxy's variables (HTTPS_PROXY) and [hosting] api_url.",
    )


def _because(body: bytes) -> str:
    text = said(body)
    return f": {text.rstrip('.')}" if text else ""


def _id(request: str) -> str:
    return f" (request {request})" if request else ""
