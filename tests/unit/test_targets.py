"""From a configured target to its connection, and from the settings to what is converted."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError, UsageError
from core.postgres.targets import connection_spec
from core.retype.model import ScopeRequest, TypePair
from core.runbook.conversion.convert import execution_options, scope_request
from core.settings import Settings

SECRET = "obviously-fake-Qx72"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "DATABASE_URL_TEST", "PGPASSWORD", "PGPASSFILE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def settings(**production: object) -> Settings:
    return Settings.load(None, {"targets": {"production": production}})


def test_configured_target(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET)
    file.chmod(0o600)
    spec = connection_spec(settings(url="postgresql://me@db.example:6432/app", password_file=file), "production")
    assert str(spec) == "me@db.example:6432/app"
    assert spec.password is not None
    assert spec.password.get_secret_value() == SECRET
    assert "[targets.production]" in spec.password_source


def test_password_in_a_configured_url_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\[targets\.production\]") as caught:
        connection_spec(settings(url=f"postgresql://me:{SECRET}@db.example/app"), "production")
    assert SECRET not in str(caught.value)


def test_password_in_the_environments_url_is_welcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_TEST", f"postgresql+asyncpg://me:{SECRET}@db.example/app_test")
    spec = connection_spec(Settings.load(), "test")
    assert (spec.database, spec.source) == ("app_test", "DATABASE_URL_TEST")
    assert spec.password is not None
    assert SECRET not in repr(spec)


def test_password_command_goes_before_the_environments_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:another-fake@db.example/app")
    spec = connection_spec(settings(password_command=f"echo {SECRET}"), "production")
    assert spec.password is not None
    assert spec.password.get_secret_value() == SECRET


def test_target_that_nobody_configured() -> None:
    with pytest.raises(ConfigurationError, match="No test database is configured"):
        connection_spec(Settings.load(), "test")


def test_what_is_converted() -> None:
    wanted = Settings.load(None, {"conversion": {"to_type": "VARCHAR(40)", "roots": ["users.id"], "exclude": ["a.b"]}})
    assert scope_request(wanted) == ScopeRequest(
        TypePair("uuid", "character varying(40)"),
        roots=("users.id",),
        exclude=("a.b",),
        soft_references="ask",
        repair_functions=("ask",),
    )
    with pytest.raises(UsageError, match="jsonb"):
        scope_request(Settings.load(None, {"conversion": {"to_type": "jsonb"}}))


def test_how_it_is_run() -> None:
    options = execution_options(
        Settings.load(None, {"conversion": {"proof": "counts", "lock_timeout": "1.5s", "lock_attempts": 3}})
    )
    assert (options.proof, options.lock_timeout_ms, options.lock_attempts) == ("counts", 1500, 3)
