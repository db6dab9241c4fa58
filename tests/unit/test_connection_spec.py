from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import UsageError
from core.postgres.connection_spec import ConnectionSpec
from core.redaction import redactor

SENTINEL = "fake-sentinel-pw"


def read(url: str, environment: Mapping[str, str] | None = None, *, allow_password: bool = False) -> ConnectionSpec:
    return ConnectionSpec.from_url(url, environment=environment or {}, allow_password=allow_password)


def plain(spec: ConnectionSpec) -> str | None:
    return spec.password.get_secret_value() if spec.password else None


@pytest.mark.parametrize(
    ("url", "host", "port", "database", "user"),
    [
        ("postgresql://app@db.example/shop", "db.example", 5432, "shop", "app"),
        ("postgres://app@db.example:6000/shop", "db.example", 6000, "shop", "app"),
        ("postgresql+asyncpg://app@db/shop", "db", 5432, "shop", "app"),
        ("postgresql+psycopg2://app@db/shop", "db", 5432, "shop", "app"),
        (" POSTGRESQL://app@db/shop\n", "db", 5432, "shop", "app"),
        ("postgresql://app@[::1]:6000/shop", "::1", 6000, "shop", "app"),
        ("postgresql://app@[::1]/shop", "::1", 5432, "shop", "app"),
        ("postgresql://app@%2Fvar%2FRun/shop", "/var/Run", 5432, "shop", "app"),
        ("postgresql:///shop?host=/run/sock&user=app", "/run/sock", 5432, "shop", "app"),
        ("postgresql+asyncpg://app@/shop?host=/run/sock&port=6000", "/run/sock", 6000, "shop", "app"),
        ("postgresql://a%40b@db/sh%6Fp%2F1", "db", 5432, "shop/1", "a@b"),
        ("postgresql://db/shop?user=app@azure", "db", 5432, "shop", "app@azure"),
        ("postgresql://app@db", "db", 5432, "app", "app"),
        ("host=db port=6000 dbname=shop user=app", "db", 6000, "shop", "app"),
        ("host = db dbname='my shop' user='o\\'neill'", "db", 5432, "my shop", "o'neill"),
        ("dbname=shop hostaddr=10.0.0.1 user=app application_name=x", "10.0.0.1", 5432, "shop", "app"),
    ],
)
def test_urls_and_dsns_are_understood(url: str, host: str, port: int, database: str, user: str) -> None:
    spec = read(url)
    assert (spec.host, spec.port, spec.database, spec.user) == (host, port, database, user)
    assert spec.password is None


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db/x", "prefer"),
        ("postgresql://db/x?sslmode=verify-full", "verify-full"),
        ("postgresql+asyncpg://db/x?ssl=require", "require"),
        ("postgresql://db/x?ssl=true&pool_size=5", "require"),
        ("postgresql://db/x?ssl=False", "disable"),
    ],
)
def test_tls_is_asked_for_in_every_dialect(url: str, mode: str) -> None:
    assert read(url).tls.sslmode == mode


def test_environment_fills_in_and_the_url_wins() -> None:
    environment = {
        "PGHOST": "h",
        "PGPORT": "6001",
        "PGDATABASE": "d",
        "PGUSER": "u",
        "PGPASSWORD": SENTINEL,
        "PGSSLMODE": "require",
        "PGSSLROOTCERT": "/ca.pem",
        "PGOPTIONS": "-c x.y=1",
    }
    spec = read("postgresql://", environment)
    assert (spec.host, spec.port, spec.database, spec.user, plain(spec)) == ("h", 6001, "d", "u", SENTINEL)
    assert (spec.tls.sslmode, spec.tls.sslrootcert, spec.options) == ("require", "/ca.pem", "-c x.y=1")
    assert spec.password_source == "from PGPASSWORD"
    spec = read("postgresql://me@there:1/mine?sslmode=disable", environment)
    assert (spec.host, spec.port, spec.database, spec.user) == ("there", 1, "mine", "me")
    assert spec.tls.sslmode == "disable"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SENTINEL}@db/x",
        f"postgresql+asyncpg://app:{SENTINEL}@db:5432/x?ssl=require",
        f"postgresql://app:a@b{SENTINEL}@db/x",
        f"postgresql://:{SENTINEL}@db/x",
        f"postgresql://app@db/x?password={SENTINEL}",
        f"host=db user=app password='{SENTINEL}'",
    ],
)
def test_password_in_a_url_is_refused_unless_allowed(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(url)
    message = str(refused.value)
    assert SENTINEL not in message
    for way in ("PGPASSWORD", "PGPASSFILE", ".pg_service.conf", "type it"):
        assert way in message
    spec = read(url, allow_password=True)
    assert SENTINEL in (plain(spec) or "")
    assert SENTINEL not in f"{spec} {spec!r}"
    assert SENTINEL not in redactor.redact(f"echoed {plain(spec)}")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SENTINEL}/x@db/y",
        f"postgresql://app:{SENTINEL}?x@db/y",
        f"postgresql://app:{SENTINEL}#x@db/y",
        f"postgresql://app:{SENTINEL} x@db/y",
        f"postgresql://db:{SENTINEL}/y",
        f"postgresql://db:1/y?{SENTINEL}",
        f"postgresql://app:%ff{SENTINEL}@db/y",
        f"{SENTINEL}@db/y",
        f"{SENTINEL}://db/y",
        f"host=db password='{SENTINEL}",
        f"host=db {SENTINEL}",
        "",
        "shop",
        "mysql://app@db/x",
        "jdbc:postgresql://db/x",
        "postgresql://db:0/x",
        "postgresql://db:65536/x",
        "postgresql://db:port/x",
        "postgresql://[::1/x",
        "postgresql://one,two/x",
        "postgresql://db/x?sslmod=require",
        "postgresql://db/x?sslmode=always",
        "postgresql://db/x?require_auth=scram-sha-256",
        "host=db hostaddr=10.0.0.1",
    ],
)
def test_what_cannot_be_used_is_refused_with_advice_and_without_quoting_it(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(url, allow_password=True)
    assert refused.value.advice
    assert SENTINEL not in str(refused.value)


def test_password_file(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(
        "# db:*:*:*:comment\n"
        "other:*:*:*:wrong\n"
        "db:5432:sh\\:op:app:first\\\\\\:one\n"
        "db:*:*:app:second:one\n"
        "localhost:*:*:*:third\n"
    )
    file.chmod(0o600)
    environment = {"PGPASSFILE": str(file)}
    assert plain(read("postgresql://app@db/sh%3Aop", environment)) == "first\\:one"
    assert plain(read("postgresql://app@db:6000/x", environment)) == "second:one"
    assert plain(read("postgresql://x@%2Fsock/x", environment)) == "third"
    assert plain(read("postgresql://x@db/x", environment)) is None
    assert plain(read("postgresql://app@db/x", environment | {"PGPASSWORD": "nearer"})) == "nearer"
    file.chmod(0o640)
    spec = read("postgresql://app@db/x", environment)
    assert plain(spec) is None
    assert "others than its owner may read it" in spec.password_source


def test_password_file_at_home(tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.write_text("*:*:*:*:at-home\n")
    file.chmod(0o600)
    assert plain(read("postgresql://app@db/x", {"HOME": str(tmp_path)})) == "at-home"


def test_service_file(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text(f"[main]\nhost=db\nport=6000\ndbname=shop\nuser=app\npassword={SENTINEL}\nsslmode=require\n")
    environment = {"PGSERVICEFILE": str(file), "PGHOST": "elsewhere"}
    for url in ("service=main", "postgresql://?service=main", "postgresql:///shop?service=main"):
        spec = read(url, environment)
        assert str(spec) == "app@db:6000/shop"
        assert plain(spec) == SENTINEL
        assert spec.tls.sslmode == "require"
        assert spec.password_source == "from the service main"
    assert read("postgresql://me@/other", environment | {"PGSERVICE": "main"}).host == "db"
    with pytest.raises(UsageError, match="'absent' is not in"):
        read("service=absent", environment)
    file.write_text(f"[main]\n{SENTINEL}\n")
    with pytest.raises(UsageError, match="line 2") as refused:
        read("service=main", environment)
    assert SENTINEL not in str(refused.value)


def test_typed_password_and_other_database() -> None:
    spec = read("postgresql://app@db/x").with_password(SecretStr(SENTINEL)).with_database("y")
    assert (str(spec), plain(spec), spec.password_source) == ("app@db:5432/y", SENTINEL, "typed")
