"""What a new engine process is told by the one that starts it: through a pipe, because secrets are part of it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.errors import ConfigurationError
from core.postgres.connect import ConnectionSpec, Tls
from core.runbook.model import Runbook
from core.settings import Settings
from core.settings.hosting import KEY_VARIABLE
from core.settings.targets import URL_VARIABLES

RECOVERY = "core.runbook.recovery:RECOVERY"
CONVERSION = "core.runbook.one_step:CONVERSION"
"""Where runbooks are, as `module:name`."""


@dataclass(frozen=True)
class Handover:
    """All that an engine process needs.

    Attributes:
        run_directory: absolute.
        runbook: where the runbook is, as `module:name`.
        given: targets that are not, or not so, in the settings.
    """

    run_directory: Path
    settings: Settings
    runbook: str = RECOVERY
    given: Mapping[str, ConnectionSpec] = field(default_factory=dict[str, ConnectionSpec])

    def encode(self) -> bytes:
        """As JSON, the secrets in it in the clear: for a pipe, never for a file or an argument."""
        plain = self.settings.model_dump(round_trip=True)
        plain |= {
            URL_VARIABLES["production"]: self.settings.database_url,
            URL_VARIABLES["test"]: self.settings.database_url_test,
            KEY_VARIABLE: self.settings.host_api_key,
        }
        return json.dumps(
            {
                "run_directory": self.run_directory,
                "runbook": self.runbook,
                "settings": plain,
                "given": {name: asdict(spec) for name, spec in self.given.items()},
            },
            default=_plain,
        ).encode()

    @classmethod
    def decode(cls, text: bytes) -> Handover:
        told: dict[str, Any] = json.loads(text)
        return cls(
            run_directory=Path(told["run_directory"]),
            settings=Settings(**told["settings"]),
            runbook=told["runbook"],
            given={name: _spec(spec) for name, spec in told["given"].items()},
        )

    def load_runbook(self) -> Runbook:
        """The runbook that `runbook` names.

        Raises:
            ConfigurationError: there is none of that name.
        """
        module, _, name = self.runbook.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"There is no runbook {self.runbook}: {error}.") from error
        if not isinstance(found, Runbook):
            raise ConfigurationError(f"{self.runbook} is no runbook.")
        return found


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case timedelta():
            return f"{value.total_seconds():f}s"
        case Path():
            return str(value)
        case _:
            raise TypeError(f"a {type(value).__name__} in the settings cannot be handed over")


def _spec(told: dict[str, Any]) -> ConnectionSpec:
    password = told["password"]
    changed: dict[str, Any] = {
        "tls": Tls(**told["tls"]),
        "password": SecretStr(password) if password is not None else None,
    }
    return ConnectionSpec(**(told | changed))
