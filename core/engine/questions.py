"""What the engine asks of people. Whether an answer counts is decided here, whatever a screen has let pass."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from pydantic import SecretStr

from core.engine.hub import Hub
from core.engine.protocol import AnswerQuestion
from core.errors import JournalError
from core.events import (
    ENGINE,
    ENTER,
    NOTHING,
    Actor,
    AnswerRefused,
    Choice,
    Entry,
    Question,
    QuestionAnswered,
    QuestionAsked,
    QuestionConfirmed,
    QuestionExpired,
)
from core.redaction import redactor
from core.runbook.state import RunState, StepStatus

REMEMBERED = 1000
"""Closed questions whose end can still be told to who answers too late."""


LONGEST_VALUE = 4096
"""Characters of an entered value."""


def objection(question: Question, answer: AnswerQuestion, state: RunState, now: datetime) -> str | None:
    """Why the answer does not count; None when it does. Who answers is looked at elsewhere."""
    if now >= question.expires_at:
        return "the question has expired"
    choice = next((c for c in question.choices if c.name == answer.choice), None)
    if choice is None:
        return f"{answer.choice!r} is none of its choices"
    if (reason := _value_objection(question, answer)) is not None:
        return reason
    if choice.phrase is None:
        return None
    if state.step(question.step).status not in (StepStatus.RUNNING, StepStatus.ASKING):
        return f"step {question.step} does not run"
    if answer.phrase != choice.phrase:
        return "the typed phrase is not the one asked for"
    if answer.plan is not None and answer.plan != question.plan:
        return "it is for another plan"
    conversion = state.conversions.get(question.step)
    if question.plan is not None and conversion is not None and conversion.plan != question.plan:
        return "the step has another plan by now"
    if question.target is not None:
        known = state.targets.get(question.target)
        if known is None or known.identity != question.identity:
            return f"{question.target} is another database by now"
    return None


def _value_objection(question: Question, answer: AnswerQuestion) -> str | None:
    """What is wrong with the value that was entered; never repeats it."""
    value = answer.value.get_secret_value() if answer.value is not None else ""
    if question.entry is None or answer.choice != ENTER:
        return "it asks for no value" if value else None
    if not value.strip():
        return "nothing was entered"
    if len(value) > LONGEST_VALUE:
        return f"the value is longer than {LONGEST_VALUE} characters"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return "the value has characters that cannot be typed"
    return None


def needs_approval(question: Question, choice: str) -> bool:
    """Whether the two-person rule holds for the choice: for one that has a phrase."""
    return any(c.name == choice and c.phrase is not None for c in question.choices)


@dataclass(slots=True)
class _Open:
    question: Question
    taken: asyncio.Future[str]
    value: SecretStr | None = None
    """What was entered with the choice that was taken."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while an answer, or its expiry, goes to the disk: one of them counts."""
    confirmed_by: Actor | None = None
    confirmed_choice: str = ""


class Questions:
    """The questions that are open. Belongs to the engine's loop.

    Args:
        hub: journal and state.
        two_person: whether a choice with a phrase needs a second, different person's approval.
        own_accounts: whether people have accounts of their own, so that a name without another uid makes no second person.
    """

    def __init__(self, hub: Hub, *, two_person: bool = False, own_accounts: bool = False) -> None:
        self._hub = hub
        self._two_person = two_person
        self._own_accounts = own_accounts
        self._open: dict[str, _Open] = {}
        self._closed: dict[str, str] = {}

    async def ask(
        self,
        step: str,
        title: str,
        choices: Sequence[Choice],
        *,
        default: str,
        expires_in: timedelta,
        target: str | None = None,
        plan: str | None = None,
        locks: Sequence[str] = (),
        duration: str = "",
        checked: Sequence[str] = (),
        cannot_undo: Sequence[str] = (),
        way_back: str = "",
        details: Sequence[str] = (),
    ) -> str:
        """Ask, wait, and return the name of the choice taken; see `StepContext.ask`.

        Raises:
            ValueError: the default is none of the choices, needs a phrase itself, or the target is not known yet.
            JournalError: the question could not be journaled.
        """
        chosen_by_default = next((c for c in choices if c.name == default), None)
        if chosen_by_default is None or chosen_by_default.phrase is not None:
            raise ValueError(f"{default!r} cannot be taken by default")
        identified = self._hub.state.targets.get(target) if target is not None else None
        if target is not None and identified is None:
            raise ValueError(f"a question about {target}, which has not been identified")
        question = Question(
            **_asked_now(expires_in),
            step=step,
            title=title,
            choices=tuple(choices),
            default=default,
            target=target,
            identity=identified.identity if identified else None,
            plan=plan,
            locks=tuple(locks),
            duration=duration,
            checked=tuple(checked),
            cannot_undo=tuple(cannot_undo),
            way_back=way_back,
            details=tuple(details),
        )
        return await self._pose(_Open(question, asyncio.get_running_loop().create_future()))

    async def enter(
        self,
        step: str,
        title: str,
        label: str,
        *,
        secret: bool,
        expires_in: timedelta,
        details: Sequence[str] = (),
    ) -> SecretStr | None:
        """Ask for a value, wait, and return it; see `StepContext.enter`.

        Raises:
            JournalError: the question could not be journaled.
        """
        question = Question(
            **_asked_now(expires_in),
            step=step,
            title=title,
            choices=(Choice(name=ENTER, label="Enter it"), Choice(name=NOTHING, label="Enter nothing")),
            default=NOTHING,
            entry=Entry(label=label, secret=secret),
            details=tuple(details),
        )
        pending = _Open(question, asyncio.get_running_loop().create_future())
        return pending.value if await self._pose(pending) == ENTER else None

    async def _pose(self, pending: _Open) -> str:
        """Ask, wait, and return the name of the choice taken."""
        question = pending.question
        self._open[question.id] = pending
        try:
            await self._hub.publish(ENGINE, QuestionAsked(question=question))
            await asyncio.wait({pending.taken}, timeout=(question.expires_at - question.asked_at).total_seconds())
            return await self._settle(pending, "expired")
        except asyncio.CancelledError:
            with suppress(JournalError):
                await self._settle(pending, "the step was stopped")
            raise
        finally:
            self._open.pop(question.id, None)

    async def _settle(self, pending: _Open, reason: str) -> str:
        """The choice that was taken; when none was, the default, and the question is closed for that reason."""
        async with pending.lock:  # an answer may be on its way to the disk
            if pending.taken.done():
                return pending.taken.result()
            question = pending.question
            self._close(question.id, f"the question is closed: {reason}")
            await self._hub.publish(
                ENGINE,
                QuestionExpired(question=question.id, step=question.step, choice=question.default, reason=reason),
            )
            return question.default

    async def answer(self, actor: Actor, answer: AnswerQuestion) -> str | None:
        """Take an answer: None when it counts, otherwise why not. A refusal is journaled.

        Args:
            actor: who answers; the role is the one that the engine knows, not one that the client claims.
            answer: what was sent.
        """
        open_ = self._open.get(answer.question)
        # A value that comes too late, or to nobody, may be a secret just as well. A watcher's goes nowhere, and might be a
        # word that would vanish from every text.
        is_text = open_ is not None and open_.question.entry is not None and not open_.question.entry.secret
        if actor.role != "watcher" and not is_text:
            redactor.add(answer.value)
        reason = await self._consider(actor, answer)
        if reason is not None:
            with suppress(JournalError):  # a full disk makes it no less refused
                await self._hub.publish(actor, AnswerRefused(question=answer.question[:64], reason=reason))
        return reason

    async def _consider(self, actor: Actor, answer: AnswerQuestion) -> str | None:
        pending = self._open.get(answer.question)
        if (reason := self._check_role(actor, answer, pending)) is not None:
            return reason
        if pending is None:
            return self._closed.get(answer.question, "there is no such question")
        async with pending.lock:
            if answer.question not in self._open:
                return self._closed.get(answer.question, "the question is closed")
            reason = objection(pending.question, answer, self._hub.state, datetime.now(UTC))
            return reason or await self._take(actor, answer, pending)

    def _check_role(self, actor: Actor, answer: AnswerQuestion, pending: _Open | None) -> str | None:
        if actor.role == "operator":
            return None
        if actor.role == "approver":
            if not self._two_person:
                return "this run needs no approval"
            if pending is None or pending.confirmed_by is None:
                return "the operator has not confirmed it"
            other_name, other_uid = pending.confirmed_by.name != actor.name, pending.confirmed_by.uid != actor.uid
            if not (other_uid if self._own_accounts else other_name or other_uid):
                return "a second, different person must approve"
            if answer.choice not in (pending.confirmed_choice, pending.question.default):
                return "the operator has confirmed another choice"
            return None
        return f"a {actor.role} cannot answer"

    async def _take(self, actor: Actor, answer: AnswerQuestion, pending: _Open) -> str | None:
        question = pending.question
        if self._two_person and actor.role == "operator" and needs_approval(question, answer.choice):
            if pending.confirmed_by is not None:
                return "it waits for a second person's approval"
            pending.confirmed_by, pending.confirmed_choice = actor, answer.choice
            await self._hub.publish(
                actor, QuestionConfirmed(question=question.id, step=question.step, choice=answer.choice)
            )
            return None
        shown = answer.value if question.entry is not None and not question.entry.secret else None
        await self._hub.publish(
            actor,
            QuestionAnswered(
                question=question.id,
                step=question.step,
                choice=answer.choice,
                value=shown.get_secret_value() if shown is not None else None,
            ),
        )
        pending.value = answer.value
        self._close(question.id, "it was answered already")
        pending.taken.set_result(answer.choice)
        return None

    def _close(self, question: str, reason: str) -> None:
        del self._open[question]
        self._closed[question] = reason
        while len(self._closed) > REMEMBERED:
            del self._closed[next(iter(self._closed))]


class _AskedNow(TypedDict):
    id: str
    asked_at: datetime
    expires_at: datetime


def _asked_now(expires_in: timedelta) -> _AskedNow:
    now = datetime.now(UTC)
    return {"id": secrets.token_hex(8), "asked_at": now, "expires_at": now + expires_in}
