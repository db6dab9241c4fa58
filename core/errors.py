"""The one tree of exceptions.

Every error tells three things: what happened, what state the database is in now, and what to do next.

    PgrecastError
    ├── UsageError              bad arguments on the command line                     exit 2
    ├── ConfigurationError      settings that cannot be used                          exit 2
    ├── ConnectionFailed        no server, no login, no TLS, no such database         exit 1
    ├── WrongDatabase           connected, but not to the database the run is about   exit 3
    ├── Refused                 a blocker, a closed gate, a wrong confirmation        exit 3
    ├── QueryFailed             the server refused or cancelled a read                exit 1
    ├── ConversionFailed        rolled back; everything is as it was                  exit 1
    │   └── RolledBack          because a person wanted it so, or nobody answered     exit 1, 0 if it was asked for
    ├── ProofFailed             the result was not what was promised; rolled back     exit 1
    ├── OutcomeUnknown          COMMIT was sent and no answer came                    exit 4
    ├── NeedsPerson             committed, and something after it needs a person      exit 5
    ├── JournalError            the run's journal cannot be read or written           exit 1
    ├── EngineError             the engine cannot be reached or refused the command   exit 1
    ├── HostingError            the host did not do what was asked                    exit 1
    │   └── HostingOutcomeUnknown   whether it has changed anything is not known      exit 1
    ├── BackupError             a backup failed, is damaged, or differs               exit 1
    ├── EmbeddedServerError     the embedded server does not start, answer or stop    exit 1
    └── MigrationFailed         a revision failed (core.revisions.upgrade), 5 if something of the run is committed
"""

from __future__ import annotations

from typing import ClassVar

NOTHING_CHANGED = "Nothing in the database has been changed."


class PgrecastError(Exception):
    """Base of all errors that pgrecast raises on purpose.

    Args:
        what: what happened, one sentence, without secrets.
        state: what state the database is in now, one sentence.
        advice: what the operator does next, one sentence or a few.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, state: str = NOTHING_CHANGED, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.state = state
        self.advice = advice

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.state, self.advice) if part)


class UsageError(PgrecastError):
    exit_status = 2


class ConfigurationError(PgrecastError):
    exit_status = 2


class ConnectionFailed(PgrecastError):
    """There is no connection.

    Args:
        password_wanted: the server asked for a password and none was given; a person may be asked for it.
    """

    exit_status = 1

    def __init__(
        self, what: str, *, state: str = NOTHING_CHANGED, advice: str = "", password_wanted: bool = False
    ) -> None:
        super().__init__(what, state=state, advice=advice)
        self.password_wanted = password_wanted


class WrongDatabase(PgrecastError):
    exit_status = 3


class Refused(PgrecastError):
    exit_status = 3


class QueryFailed(PgrecastError):
    exit_status = 1


class ConversionFailed(PgrecastError):
    exit_status = 1


class RolledBack(ConversionFailed):
    """Nothing went wrong: ROLLBACK was chosen, or nobody answered whether to COMMIT."""


class ProofFailed(PgrecastError):
    exit_status = 1


class OutcomeUnknown(PgrecastError):
    exit_status = 4


class NeedsPerson(PgrecastError):
    exit_status = 5


class JournalError(PgrecastError):
    exit_status = 1


class EngineError(PgrecastError):
    exit_status = 1


class HostingError(PgrecastError):
    """The host, or a command that stands for it, did not do what was asked, or cannot be reached."""


class HostingOutcomeUnknown(HostingError):
    """The host was asked to change something, and whether it has is not known: look before it is asked again."""


class BackupError(PgrecastError):
    """A backup could not be taken, is damaged, or is not what was dumped."""


class EmbeddedServerError(PgrecastError):
    exit_status = 1
