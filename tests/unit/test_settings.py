"""Settings: their order, their example, and the sentence that each mistake gets."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from core.errors import ConfigurationError
from core.settings import Settings
from core.settings.sections import setting_names

SECRET = "obviously-fake-Zk81"
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("PGRECAST_", "DATABASE_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return path


def refusal(path: Path | None, **given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(path, given)
    assert caught.value.exit_status == 2
    assert caught.value.__cause__ is None
    return str(caught.value)


def uncommented(text: str) -> str:
    return re.sub(r"^#(?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_example_holds_every_setting_and_no_other(tmp_path: Path) -> None:
    text = uncommented(EXAMPLE.read_text())
    Settings.load(write(tmp_path, text))

    def names(value: Any, name: str = "") -> set[str]:
        if not isinstance(value, dict):
            return {name}
        table = cast("dict[str, Any]", value)
        return {found for key in table for found in names(table[key], f"{name}.{key}".lstrip("."))}

    def without_target(found: set[str]) -> set[str]:
        # The two targets have the same settings, and each shows another way to give the password.
        return {re.sub(r"^targets\.(production|test)\.", "targets.*.", name) for name in found}

    assert without_target(names(tomllib.loads(text))) == without_target(set(setting_names()))


def test_example_shows_the_defaults(tmp_path: Path) -> None:
    values = tomllib.loads(uncommented(EXAMPLE.read_text()))
    shown = Settings.load(write(tmp_path, uncommented(EXAMPLE.read_text())))
    default = Settings.load()
    assert shown.limits == default.limits
    plain_monitor = {"alert_command": "", "ignore_patterns": ()}
    assert shown.monitor.model_copy(update=plain_monitor) == default.monitor
    assert shown.investigation.model_copy(update={"procedure": None}) == default.investigation
    examples = ("roots", "include", "exclude", "accept")  # empty by default, so that the example shows something
    assert set(examples) <= set(values["conversion"])
    plain = {**dict.fromkeys(examples, ()), "script": None}
    assert shown.conversion.model_copy(update=plain) == default.conversion


def test_everything_in_the_example_is_commented() -> None:
    assert tomllib.loads(EXAMPLE.read_text()) == {}


def test_command_line_goes_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(
        tmp_path,
        '[conversion]\nlock_timeout = "1s"\nlock_attempts = 1\nto_type = "text"\n[run]\noperator = "from file"\n',
    )
    monkeypatch.setenv("PGRECAST_CONVERSION__LOCK_TIMEOUT", "2s")
    monkeypatch.setenv("PGRECAST_CONVERSION__LOCK_ATTEMPTS", "2")
    monkeypatch.setenv("PGRECAST_CONVERSION__ROOTS", '["users.id"]')
    settings = Settings.load(path, {"conversion": {"lock_attempts": 3}})
    assert settings.conversion.lock_attempts == 3
    assert settings.conversion.lock_timeout == timedelta(seconds=2)
    assert settings.conversion.to_type == "text"
    assert settings.conversion.roots == ("users.id",)
    assert settings.run.operator_name == "from file"


def test_default_file_is_read_and_may_be_absent(tmp_path: Path) -> None:
    assert Settings.load().conversion.lock_attempts == 5
    default = tmp_path / "config" / "pgrecast" / "config.toml"
    default.parent.mkdir(parents=True)
    default.write_text("[conversion]\nlock_attempts = 9\n")
    assert Settings.load().conversion.lock_attempts == 9


def test_a_file_that_the_user_named_must_be_there(tmp_path: Path) -> None:
    assert str(tmp_path / "absent.toml") in refusal(tmp_path / "absent.toml")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


def test_toml_mistake_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, '[run]\noperator = "open\n')
    text = refusal(path)
    assert str(path) in text
    assert "line 2" in text


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ("[convertion]\nlock_attempts = 1\n", "convertion", "conversion"),
        ("[conversion]\nlock_attemps = 1\n", "conversion.lock_attemps", "conversion.lock_attempts"),
        ("[targets.prodution]\nurl = 'x'\n", "targets.prodution", "targets.production.url"),
        ("[targets.production]\npassword = 'x'\n", "targets.production.password", "targets.production.password_"),
        ("DATABASE_URL = 'x'\n", "DATABASE_URL", ""),
    ],
)
def test_misspelt_name_in_the_file(tmp_path: Path, text: str, wrong: str, right: str) -> None:
    said = refusal(write(tmp_path, text))
    assert wrong in said
    assert right in said


@pytest.mark.parametrize(
    ("variable", "right"),
    [
        ("PGRECAST_CONVERTION__LOCK_ATTEMPTS", "PGRECAST_CONVERSION__LOCK_ATTEMPTS"),
        ("PGRECAST_CONVERSION_LOCK_ATTEMPTS", "PGRECAST_CONVERSION__LOCK_ATTEMPTS"),
        ("PGRECAST_CONVERSION__LOCK_ATTEMPS", "conversion.lock_attempts"),
        ("PGRECAST_OPERATOR", "PGRECAST_RUN__OPERATOR"),
        ("PGRECAST_CONVERSION", "PGRECAST_CONVERSION__"),
    ],
)
def test_misspelt_name_in_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str, right: str) -> None:
    monkeypatch.setenv(variable, "3")
    assert right in refusal(None)


def test_variables_of_other_rooms_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGRECAST_POSTGRES_BIN", "/some/bin")
    Settings.load()


@pytest.mark.parametrize(
    "text",
    [
        f"[conversion]\nlock_attempts = '{SECRET}'\n",
        f"[conversion]\nlock_timeout = '{SECRET}'\n",
        f"[conversion]\nproof = '{SECRET}'\n",
        f"[targets.production]\nurl = ['postgresql://me:{SECRET}@db.example/app']\n",
        f"[targets.production]\npassword = '{SECRET}'\n",
    ],
)
def test_no_error_repeats_a_value(tmp_path: Path, text: str) -> None:
    assert SECRET not in refusal(write(tmp_path, text))


def test_list_in_the_environment_that_is_not_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGRECAST_CONVERSION__ROOTS", f"users.id,{SECRET}")
    said = refusal(None)
    assert "JSON" in said
    assert SECRET not in said


@pytest.mark.parametrize("value", ['"5"', "5", '"5 weeks"', '"-5s"', '"0s"'])
def test_span_of_time_needs_a_unit_and_more_than_nothing(tmp_path: Path, value: str) -> None:
    assert "limits.read" in refusal(write(tmp_path, f"[limits]\nread = {value}\n"))


@pytest.mark.parametrize(("value", "seconds"), [("90s", 90), ("1.5min", 90), ("2h", 7200), ("1d", 86400)])
def test_span_of_time(tmp_path: Path, value: str, seconds: int) -> None:
    settings = Settings.load(write(tmp_path, f'[limits]\nread = "{value}"\n'))
    assert settings.limits.read == timedelta(seconds=seconds)


def test_urls_of_the_environment_stand_in_and_stay_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:{SECRET}@db.example/app")
    monkeypatch.setenv("DATABASE_URL_TEST", "postgresql://me@db.example/app_test")
    monkeypatch.setenv("PGRECAST_TARGETS__PRODUCTION__PASSWORD_FILE", "~/some.file")
    settings = Settings.load(write(tmp_path, f'[targets.test]\nurl = "postgresql://me:{SECRET}@other.example/t"\n'))
    assert settings.url("production").get_secret_value() == f"postgresql://me:{SECRET}@db.example/app"
    assert settings.url("test").get_secret_value() == f"postgresql://me:{SECRET}@other.example/t"
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_target_that_nobody_configured(tmp_path: Path) -> None:
    settings = Settings.load()
    assert not settings.has_target("test")
    with pytest.raises(ConfigurationError, match=r"\[targets\.test\].*DATABASE_URL_TEST"):
        settings.url("test")


def test_password_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\nsecond line\n")
    file.chmod(0o600)
    target = Settings.load(None, {"targets": {"test": {"password_file": file}}}).targets.test
    password = target.read_password("test")
    assert password is not None
    assert password.get_secret_value() == SECRET

    file.chmod(0o640)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    with pytest.raises(ConfigurationError, match="chmod 600"):
        target.read_password("test")
    file.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        target.read_password("test")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"sh -c 'echo {SECRET}; echo more'", None),
        (f"echo {SECRET}; exit 1", None),  # no shell: all of it are echo's arguments
        (f"sh -c 'echo {SECRET} >&2; exit 3'", "status 3"),
        ("/no/such/program", "No such file"),
        ("sh -c 'unclosed", "not a command line"),
        ("true", "gave nothing"),
    ],
)
def test_password_command(command: str, said: str | None) -> None:
    target = Settings.load(None, {"targets": {"test": {"password_command": command}}}).targets.test
    if said is None:
        password = target.read_password("test")
        assert password is not None
        assert password.get_secret_value().startswith(SECRET)
        assert SECRET not in repr(password)
    else:
        with pytest.raises(ConfigurationError, match=said) as caught:
            target.read_password("test")
        assert SECRET not in str(caught.value)


def test_password_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.settings.passwords.PASSWORD_TIMEOUT", 0.2)
    target = Settings.load(None, {"targets": {"test": {"password_command": "sleep 60"}}}).targets.test
    with pytest.raises(ConfigurationError, match="did not end"):
        target.read_password("test")


def test_two_ways_to_a_password(tmp_path: Path) -> None:
    path = write(tmp_path, "[targets.test]\npassword_file = 'a'\npassword_command = 'b'\n")
    assert "exclude each other" in refusal(path)


def test_no_password_configured() -> None:
    assert Settings.load().targets.test.read_password("test") is None


def test_operator_is_the_login_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "robin")
    assert Settings.load().run.operator_name == "robin"


def test_runs_lie_in_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings.load().run.root == tmp_path / "pgrecast" / "runs"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/invalid")
    assert Settings.load().run.root == Path.home() / ".local" / "state" / "pgrecast" / "runs"


def test_what_an_engine_tells_of_its_settings_is_read_as_it_was_meant() -> None:
    told = Settings.model_validate(
        {
            "conversion": {"roots": ["users.id"], "lock_timeout": "7s"},
            "investigation": {"max_age": "90min"},
            "window": {"days": ["monday"], "start": "23:30"},
            "alembic": {"project": "/srv/app"},
        }
    )
    assert Settings().as_told(json.loads(json.dumps(told.told()))) == told


@pytest.mark.parametrize("told", [None, "", [], {}, {"limits": {"no_such_limit": 1}}, {"limits": None}, {"other": {}}])
def test_what_cannot_be_read_of_it_changes_nothing(told: object) -> None:
    assert Settings().as_told(told) == Settings()


def test_an_engine_tells_no_secret_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:{SECRET}@db.example/app")
    settings = Settings.load(None, {"targets": {"test": {"password_command": f"echo {SECRET}"}}})
    assert SECRET not in json.dumps(settings.told())
