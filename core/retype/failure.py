"""From what went wrong inside a transaction to the error that the operator reads. Pure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import asyncpg

from core.errors import ConversionFailed, PgrecastError, Refused, WrongDatabase
from core.retype.advice import advice_for, described

Cause = Literal["aborted", "window_over", "lost", "other"]


@dataclass(frozen=True)
class Failure:
    """What went wrong.

    Attributes:
        error: what was raised.
        doing: what was being done, in words.
        cause: `aborted` by the operator, the end of the window, a lost connection, or what the error itself says.
        reason: why it was aborted.
    """

    error: BaseException
    doing: str
    cause: Cause
    reason: str = ""

    @property
    def what(self) -> str:
        """What happened, in words."""
        match self.cause, self.error:
            case "aborted", _:
                return f"{self.reason}, while {self.doing}."
            case "window_over", _:
                return f"The window ended while {self.doing}."
            case _, PgrecastError():
                return self.error.what
            case "lost", _:
                why = self.error or type(self.error).__name__
                return f"The connection to the server was lost while {self.doing}: {why}"
            case _, asyncpg.PostgresError():
                return f"It failed while {self.doing}: {described(self.error)}"
            case _, asyncio.CancelledError():
                return f"It was cancelled while {self.doing}."
            case _:
                return f"It failed while {self.doing}: {type(self.error).__name__}"

    def to_raise(self, state: str) -> BaseException:
        """The error to raise, once everything is rolled back.

        Args:
            state: what state the database is in now.
        """
        match self.error:
            case Refused() | WrongDatabase():
                return self.error
            case PgrecastError():
                self.error.state = state
                return self.error
            case _:
                advice = self._advice
                return ConversionFailed(self.what, state=state, advice=advice) if advice else self.error

    @property
    def _advice(self) -> str:
        """What to do next; nothing for what is no failure of the conversion: a cancelled task, a fault of the program."""
        match self.cause, self.error:
            case "aborted", _:
                return "Start again when you are ready."
            case "window_over", _:
                return "Choose a longer window; the rehearsal tells how long."
            case "lost", _:
                return "Find out why the connection was lost (the server's log), and start again."
            case _, asyncpg.PostgresError():
                return advice_for(self.error)
            case _:
                return ""
