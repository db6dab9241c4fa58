"""The engine's protocol: commands that clients send, frames that they receive. One JSON object a line on a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr

from core.events import Actor, Reading, Record

PROTOCOL = 1
"""Version of the protocol; an engine refuses a client of another."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Attach(_Model):
    """First command of every client. The engine replays the journal from `since` on, then sends what happens."""

    command: Literal["attach"] = "attach"
    protocol: int = PROTOCOL
    role: Literal["operator", "watcher", "approver"] = "operator"
    name: str
    since: int = 0


class RunStep(_Model):
    command: Literal["run_step"] = "run_step"
    step: str


class AbortStep(_Model):
    """Cancel what the step is doing; a conversion is rolled back."""

    command: Literal["abort_step"] = "abort_step"
    step: str


class TickStep(_Model):
    command: Literal["tick_step"] = "tick_step"
    step: str
    note: str = ""


class UntickStep(_Model):
    command: Literal["untick_step"] = "untick_step"
    step: str
    note: str = ""


class AddNote(_Model):
    command: Literal["add_note"] = "add_note"
    task: int
    step: str | None = None
    text: str


SentSecret = Annotated[SecretStr, PlainSerializer(lambda value: value.get_secret_value(), when_used="json")]
"""A secret in plain text on the socket, which only its owner reads, and nowhere else: text and repr mask it."""


class AnswerQuestion(_Model):
    """`phrase` is what was typed, where the choice asks for it; a screen only carries it, the engine checks it.

    `plan` is the fingerprint of the plan that the person was shown, if one was; the engine refuses an answer for another.
    `value` is what was entered, where the question asks for a value.
    """

    command: Literal["answer_question"] = "answer_question"
    question: str
    choice: str
    phrase: str = ""
    plan: str | None = None
    value: SentSecret | None = None


class OverrideGate(_Model):
    """Let the step start although the gate is closed, once. `phrase` is `override NAME`, typed; a reason is needed."""

    command: Literal["override_gate"] = "override_gate"
    step: str
    gate: str
    reason: str
    phrase: str


class TakeOver(_Model):
    """Become the operator; the present one becomes a watcher, and both are told."""

    command: Literal["take_over"] = "take_over"


class StopEngine(_Model):
    """End the engine once nothing runs; refused while a step runs."""

    command: Literal["stop_engine"] = "stop_engine"


Command = Annotated[
    Attach
    | RunStep
    | AbortStep
    | TickStep
    | UntickStep
    | AddNote
    | AnswerQuestion
    | OverrideGate
    | TakeOver
    | StopEngine,
    Field(discriminator="command"),
]


class Welcome(_Model):
    """Answer to Attach: who the client is to the engine. The replay follows, up to `last`."""

    frame: Literal["welcome"] = "welcome"
    client: str
    actor: Actor
    program: str
    run: str
    last: int


class RecordFrame(_Model):
    frame: Literal["record"] = "record"
    record: Record


class ReadingFrame(_Model):
    frame: Literal["reading"] = "reading"
    reading: Reading


class Reply(_Model):
    """Answer to a command: accepted, or refused with the reason."""

    frame: Literal["reply"] = "reply"
    accepted: bool
    reason: str = ""


Frame = Annotated[Welcome | RecordFrame | ReadingFrame | Reply, Field(discriminator="frame")]


class Client(Protocol):
    """A client's end of the engine, whichever way they are connected. Its methods run on the caller's event loop."""

    async def attach(self, *, role: Literal["operator", "watcher", "approver"], name: str, since: int = 0) -> Welcome:
        """Attach; raises EngineError when the engine refuses or cannot be reached."""
        ...

    def frames(self) -> AsyncIterator[RecordFrame | ReadingFrame]:
        """What the engine sends, replay first; ends when the connection ends."""
        ...

    async def send(self, command: Command) -> Reply:
        """Send a command and wait for its reply; raises EngineError when the connection is gone."""
        ...

    async def detach(self) -> None:
        """Leave; the run goes on."""
        ...
