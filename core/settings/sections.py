"""The sections by name."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from core.settings.alembic import AlembicSettings
from core.settings.backup import BackupSettings
from core.settings.console import ConsoleSettings
from core.settings.conversion import CheckSettings, ConversionSettings
from core.settings.documents import DocumentsSettings, ReleaseSettings
from core.settings.hosting import HostingSettings
from core.settings.investigation import InvestigationSettings
from core.settings.monitor import MonitorSettings
from core.settings.run import LimitsSettings, RunSettings
from core.settings.secrets import SecretsSettings
from core.settings.service import ServiceSettings
from core.settings.targets import TargetsSettings
from core.settings.window import WindowSettings

SECTIONS: Mapping[str, type[BaseModel]] = {
    "targets": TargetsSettings,
    "run": RunSettings,
    "conversion": ConversionSettings,
    "check": CheckSettings,
    "limits": LimitsSettings,
    "investigation": InvestigationSettings,
    "backup": BackupSettings,
    "window": WindowSettings,
    "service": ServiceSettings,
    "hosting": HostingSettings,
    "monitor": MonitorSettings,
    "secrets": SecretsSettings,
    "alembic": AlembicSettings,
    "documents": DocumentsSettings,
    "release": ReleaseSettings,
    "console": ConsoleSettings,
}


TOLD = (
    "conversion",
    "check",
    "limits",
    "investigation",
    "backup",
    "window",
    "service",
    "hosting",
    "secrets",
    "alembic",
    "documents",
    "release",
)
"""Sections without secrets that decide which steps there are and when their gates are open."""


def setting_names(model: type[BaseModel] | None = None) -> tuple[str, ...]:
    """Every setting by its dotted name (`conversion.lock_timeout`), in order of definition."""
    found: list[str] = []
    fields = SECTIONS if model is None else {name: field.annotation for name, field in model.model_fields.items()}
    for name, kind in fields.items():
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += [f"{name}.{rest}" for rest in setting_names(kind)]
        else:
            found.append(name)
    return tuple(found)
