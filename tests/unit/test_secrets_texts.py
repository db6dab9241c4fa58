"""Logins in texts and files: only user and password change, and every other character stays."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.secrets.env_files import Change, find_env_files, plan_rewrite, texts, write
from core.secrets.generate import ALPHABET, LENGTH, new_password, new_role_name
from core.secrets.keep import Kept, store
from core.secrets.login import Login
from core.secrets.urls import Elsewhere, replace_login

OLD = Login("app_owner", SecretStr("0ld/pass@w:rd#1"))
NEW = Login("app_owner", SecretStr("NewPassword22"))
OTHER = Login("app_owner_r1", SecretStr("NewPassword22"))
ELSEWHERE = Elsewhere(frozenset({"test.example"}), frozenset({"app_test"}))
ENCODED = "0ld%2Fpass%40w%3Ard%231"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"postgresql://app_owner:{ENCODED}@db.example:5432/app?sslmode=require",
            "postgresql://app_owner:NewPassword22@db.example:5432/app?sslmode=require",
        ),
        (f"postgresql+asyncpg://app_owner:{ENCODED.lower()}@dpg-x-a/app", "postgresql+asyncpg://app_owner:NewPassword22@dpg-x-a/app"),
        ("postgres://app_owner:0ld/pass@w:rd#1@[::1]:5432/app", "postgres://app_owner:NewPassword22@[::1]:5432/app"),
        (f"postgresql://db/app?user=app_owner&password={ENCODED}&x=1", "postgresql://db/app?user=app_owner&password=NewPassword22&x=1"),
        ("host=db user=app_owner password=0ld/pass@w:rd#1 dbname=app", "host=db user=app_owner password=NewPassword22 dbname=app"),
        ("host=db password = '0ld/pass@w:rd#1' dbname=app", "host=db password = NewPassword22 dbname=app"),
        ("0ld/pass@w:rd#1", "NewPassword22"),
        (
            f"primary=postgresql://app_owner:{ENCODED}@a/app,replica=postgresql://app_owner:{ENCODED}@b/app",
            "primary=postgresql://app_owner:NewPassword22@a/app,replica=postgresql://app_owner:NewPassword22@b/app",
        ),
    ],
)  # fmt: skip
def test_only_the_login_changes(before: str, after: str) -> None:
    replaced = replace_login(before, OLD, NEW)
    assert replaced.text == after
    assert replaced.count >= 1
    assert not replaced.left


def test_a_new_user_comes_with_its_password() -> None:
    replaced = replace_login(f"postgresql://app_owner:{ENCODED}@h/app", OLD, OTHER)
    assert replaced.text == "postgresql://app_owner_r1:NewPassword22@h/app"
    assert (
        replace_login("user=app_owner password=0ld/pass@w:rd#1", OLD, OTHER).text
        == "user=app_owner_r1 password=NewPassword22"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://somebody:{ENCODED}@db.example/app",
        "user=somebody password=0ld/pass@w:rd#1",
        f'{{"password": "{ENCODED}"}}',
    ],
)
def test_what_is_not_this_login_stays_and_is_told(text: str) -> None:
    replaced = replace_login(text, OLD, NEW)
    assert (replaced.text, replaced.count, replaced.left) == (text, 0, True)


def test_another_servers_login_of_the_same_name_stays() -> None:
    for text in (
        f"postgresql://app_owner:{ENCODED}@test.example/app",
        f"postgresql://app_owner:{ENCODED}@dpg-x:5432/app_test?a=1",
    ):
        assert replace_login(text, OLD, NEW, elsewhere=ELSEWHERE).text == text


def test_nothing_of_it() -> None:
    replaced = replace_login("redis://cache:6379/0", OLD, NEW)
    assert (replaced.count, replaced.left) == (0, False)


ENV = f"""# the database, DATABASE_URL=postgresql://app_owner:{ENCODED}@db/app
export DATABASE_URL="postgresql+asyncpg://app_owner:{ENCODED}@db:5432/app"  # inside
DB_USER=app_owner
DB_PASSWORD='0ld/pass@w:rd#1'\r
REDIS_URL=redis://:other@cache/0

LAST=without a newline"""


def env_file(directory: Path, text: str = ENV, mode: int = 0o640) -> Path:
    path = directory / ".env"
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


def test_an_env_file_keeps_comments_mode_and_line_ends(tmp_path: Path) -> None:
    path = env_file(tmp_path)
    rewrite = plan_rewrite(path, [Change(OLD, NEW)])
    assert rewrite is not None
    assert rewrite.count == 2
    backup = write(rewrite)
    expected = ENV.replace(
        f'"postgresql+asyncpg://app_owner:{ENCODED}', '"postgresql+asyncpg://app_owner:NewPassword22'
    )
    expected = expected.replace("'0ld/pass@w:rd#1'", "'NewPassword22'")
    assert path.read_bytes() == expected.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert backup.parent == tmp_path
    assert backup.read_bytes() == ENV.encode()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert plan_rewrite(path, [Change(OLD, NEW)]) is None
    assert sorted(p.name for p in tmp_path.iterdir()) == [".env", ".env.before-rotation"]


def test_the_difference_shows_no_secret(tmp_path: Path) -> None:
    rewrite = plan_rewrite(env_file(tmp_path), [Change(OLD, NEW)])
    assert rewrite is not None
    shown = "\n".join(texts([rewrite]))
    assert "-export DATABASE_URL=" in shown
    assert "+DB_PASSWORD='***'" in shown
    for secret in (ENCODED, "0ld/pass@w:rd#1", "NewPassword22"):
        assert secret not in shown
        assert secret not in repr(rewrite)


def test_a_new_user_is_named_where_its_password_is(tmp_path: Path) -> None:
    rewrite = plan_rewrite(env_file(tmp_path), [Change(OLD, OTHER)])
    assert rewrite is not None
    assert "DB_USER=app_owner_r1\n" in rewrite.after


def test_a_password_file_is_one_too(tmp_path: Path) -> None:
    path = env_file(tmp_path, "0ld/pass@w:rd#1\n", 0o600)
    rewrite = plan_rewrite(path, [Change(OLD, NEW)])
    assert rewrite is not None
    assert rewrite.after == "NewPassword22\n"


def test_libpqs_password_file_is_one_as_well(tmp_path: Path) -> None:
    text = (
        "# host:port:database:user:password\n"
        "db.example:5432:*:app_owner:0ld/pass@w\\:rd#1\n"
        "*:*:*:somebody:0ld/pass@w\\:rd#1\n"
        "test.example:5432:app:app_owner:0ld/pass@w\\:rd#1\n"
    )
    rewrite = plan_rewrite(env_file(tmp_path, text, 0o600), [Change(OLD, OTHER, ELSEWHERE)])
    assert rewrite is not None
    assert rewrite.after.splitlines()[1] == "db.example:5432:*:app_owner_r1:NewPassword22"
    assert rewrite.count == 1
    assert rewrite.after.splitlines()[2:] == text.splitlines()[2:]


def test_what_is_left_is_told_by_line(tmp_path: Path) -> None:
    rewrite = plan_rewrite(
        env_file(tmp_path, "A=1\nOLD_URL=postgresql://somebody:0ld%2Fpass%40w%3Ard%231@db/app\n"), [Change(OLD, NEW)]
    )
    assert rewrite is not None
    assert (rewrite.count, rewrite.left) == (0, (2,))


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = env_file(tmp_path)
    rewrite = plan_rewrite(path, [Change(OLD, NEW)])
    assert rewrite is not None
    path.write_text("changed\n")
    with pytest.raises(ConfigurationError, match="meanwhile"):
        write(rewrite)
    assert path.read_text() == "changed\n"


def test_an_interrupted_write_finds_its_own_backup(tmp_path: Path) -> None:
    path = env_file(tmp_path)
    rewrite = plan_rewrite(path, [Change(OLD, NEW)])
    assert rewrite is not None
    first = write(rewrite)
    path.write_bytes(ENV.encode())  # as if the replacing had not come about
    assert write(rewrite) == first


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = env_file(tmp_path / "real")
    link = tmp_path / ".env"
    link.symlink_to(real)
    rewrite = plan_rewrite(link, [Change(OLD, NEW)])
    assert rewrite is not None
    write(rewrite)
    assert link.is_symlink()
    assert "NewPassword22" in real.read_text()


def test_env_files_are_found(tmp_path: Path) -> None:
    for name in (".env", "app/.env.local", "app/prod.env", "node_modules/.env", "app/env.py", ".env.before-rotation"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("X=1\n")
    found = {str(path.relative_to(tmp_path)) for path in find_env_files(tmp_path)}
    assert found == {".env", "app/.env.local", "app/prod.env"}


def test_new_passwords_need_no_encoding_anywhere() -> None:
    passwords = {new_password().get_secret_value() for _ in range(50)}
    assert len(passwords) == 50
    assert all(len(p) == LENGTH and set(p) <= set(ALPHABET) for p in passwords)
    assert re.fullmatch(r"[A-Za-z0-9]+", ALPHABET)


def test_a_role_that_succeeds_one_that_has_succeeded() -> None:
    first = new_role_name("App-Owner")
    assert re.fullmatch(r"app_owner_r[0-9a-f]{6}", first)
    second = new_role_name(first)
    assert re.fullmatch(r"app_owner_r[0-9a-f]{6}", second)
    assert second != first
    assert len(new_role_name("x" * 90)) <= 63


def test_what_is_kept_survives_and_goes(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert kept.successor("production") is None
    kept.keep_login(("production", "test"), OLD, NEW)
    kept.keep_api_key(SecretStr("old-key"), SecretStr("new-key"))
    again = Kept(tmp_path)
    assert again.successor("test") == (OLD, NEW)
    assert again.api_key() == (SecretStr("old-key"), SecretStr("new-key"))
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    again.forget_login("production")
    assert not again.empty
    again.forget_api_key()
    assert again.empty
    assert list(tmp_path.iterdir()) == []


def test_a_kept_file_that_others_may_read_or_that_is_none(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.keep_login(("production",), OLD, NEW)
    kept.path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="by others"):
        kept.successor("production")
    kept.path.chmod(0o600)
    kept.path.write_text('{"logins": "NewPassword22"}')
    with pytest.raises(ConfigurationError) as caught:
        kept.successor("production")
    assert "NewPassword22" not in str(caught.value)


async def test_the_store_command_gets_the_secret_and_its_arguments_do_not(tmp_path: Path) -> None:
    script = tmp_path / "store"
    script.write_text('#!/bin/sh\ncat > "$1/stdin"; printf %s "$PGRECAST_VALUE" > "$1/env"; echo "$@" > "$1/argv"\n')
    script.chmod(0o700)
    await store(f"{script} {tmp_path} app/{{name}}", "production.password", NEW.password)
    assert (tmp_path / "stdin").read_text() == "NewPassword22\n"
    assert (tmp_path / "env").read_text() == "NewPassword22"
    assert "NewPassword22" not in (tmp_path / "argv").read_text()
    assert "app/production.password" in (tmp_path / "argv").read_text()


@pytest.mark.parametrize(
    ("command", "what"), [("false", "status 1"), ("/nowhere/store", "cannot be run"), ("'", "cannot be run")]
)
async def test_a_store_command_that_fails(command: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        await store(command, "x", NEW.password)


def test_a_file_owned_by_another_keeps_its_owner(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path = env_file(tmp_path)
    os.chown(path, 12345, 12346)
    rewrite = plan_rewrite(path, [Change(OLD, NEW)])
    assert rewrite is not None
    write(rewrite)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)
