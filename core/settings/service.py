"""The service around the database."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from core.settings.base import Duration, Section

Url = Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")]


def _field_and_value(text: str) -> str:
    if re.fullmatch(r"[^=\s][^=]*=.*", text.strip()) is None:
        raise ValueError('write a field of the answer and its value: "status=healthy"')
    return text.strip()


class ServiceSettings(Section):
    health_url: Url = ""
    """Where the service around production answers; maintenance is proved by asking there. A person's tick when empty."""
    host_roles: tuple[str, ...] = (
        "rdsadmin",
        "rds*",
        "cloudsql*",
        "alloydb*",
        "azuresu",
        "azure_*",
        "cloud_admin",
        "supabase_admin",
        "_aiven",
        "_dodb",
    )
    """Roles under which the database's host itself connects, as patterns; their sessions are not others'."""
    fence: Literal["none", "connect", "read_only"] = "connect"
    """How the database is kept from others during maintenance: nothing is set; whoever is not its owner may not connect; or
    new sessions are READ ONLY by default as well, which binds an application that logs in as the owner."""
    health_fields: tuple[Annotated[str, AfterValidator(_field_and_value)], ...] = (
        "status=healthy",
        "database_configured=true",
    )
    """Fields that the answer at health_url must have after the deploy, `name=value`, the value as JSON writes it or bare."""
    frontend_url: Url = ""
    """The front page, which must answer 200 after the deploy; not asked when empty."""
    smoke: tuple[str, ...] = ()
    """Command lines that try the service after the deploy, run without a shell; status 0 is success."""
    smoke_directory: Path | None = None
    """Where they run; where the engine was started when not set."""
    smoke_timeout: Duration = timedelta(minutes=10)
    """How long each may take."""
    contacts: tuple[str, ...] = ()
    """Whom to call when a step of conversion day fails."""

    @property
    def expected_fields(self) -> dict[str, Any]:
        """`health_fields` by name, the values as JSON has them."""
        found = (entry.partition("=") for entry in self.health_fields)
        return {name.strip(): _value(text.strip()) for name, _, text in found}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
