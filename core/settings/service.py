"""The service around the database."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.settings.base import Section


class ServiceSettings(Section):
    health_url: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$")] = ""
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
