"""Where to connect, as whom and how: read from a URL or DSN, a service file and libpq's environment variables.

Source of names and precedence: PostgreSQL documentation, chapter libpq, "Connection Strings" and "Environment Variables".
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from pydantic import SecretStr

from core.errors import UsageError
from core.postgres.libpq_files import find_password, read_service
from core.redaction import redactor

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

_ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
}
# Other names by which drivers and frameworks take the same.
_ALIASES = {"database": "dbname", "username": "user", "hostaddr": "host"}
# What tunes a driver or a pool and neither decides where the connection goes nor how safe it is.
_IGNORED = frozenset(
    """
    application_name fallback_application_name client_encoding connect_timeout keepalives keepalives_idle
    keepalives_interval keepalives_count tcp_user_timeout target_session_attrs load_balance_hosts channel_binding
    gssencmode gssdelegation krbsrvname gsslib sslsni sslcompression sslcertmode
    timeout command_timeout statement_cache_size max_cached_statement_lifetime max_cacheable_statement_size
    async_fallback prepared_statement_cache_size prepared_statement_name_func
    pool_size max_overflow pool_timeout pool_recycle pool_pre_ping schema pgbouncer connection_limit socket_timeout
    """.split()  # noqa: SIM905 - one word to a line would bury them
)
_SOCKET_DIRECTORIES = ("/run/postgresql", "/var/run/postgresql", "/tmp")  # noqa: S108 - where servers put their sockets
_SCHEME = re.compile(r"(?:postgres|postgresql)(?:\+[a-z0-9_]+)?", re.IGNORECASE)
_PAIR = re.compile(r"\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'(?=\s|\Z)|((?:[^\s'\\]|\\.)*)(?=\s|\Z))", re.DOTALL)

HOW_TO_LOG_IN = (
    "set PGPASSWORD, name a password file by PGPASSFILE (or use ~/.pgpass: lines host:port:database:user:password, "
    "mode 0600), name a connection service (?service=NAME, ~/.pg_service.conf), or type it when asked"
)


@dataclass(frozen=True, slots=True)
class Tls:
    """libpq's parameters of the same names; file names are paths, None is libpq's default."""

    sslmode: str = "prefer"
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslcrl: str | None = None
    sslnegotiation: str | None = None
    ssl_min_protocol_version: str | None = None
    ssl_max_protocol_version: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """Where to connect, as whom and how.

    Attributes:
        host: a name, an address, or the directory (absolute) of a unix socket.
        source: where this came from, for messages: "DATABASE_URL", say.
        password_source: where the password came from, or why the place where it might be was not used.
        options: command-line options for the server (libpq's `options`), which some hosts use for routing.
    """

    host: str
    port: int
    database: str
    user: str
    password: SecretStr | None = None
    tls: Tls = field(default_factory=Tls)
    options: str | None = None
    source: str = ""
    password_source: str = ""

    def __post_init__(self) -> None:
        redactor.add(self.password)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}/{self.database}"

    def with_password(self, password: SecretStr, source: str = "typed") -> ConnectionSpec:
        return replace(self, password=password, password_source=source)

    def with_database(self, database: str) -> ConnectionSpec:
        return replace(self, database=database)

    @classmethod
    def from_url(
        cls,
        url: str | SecretStr,
        *,
        environment: Mapping[str, str],
        allow_password: bool,
        source: str = "the URL",
    ) -> ConnectionSpec:
        """Read a URL (`postgresql://…`, any SQLAlchemy driver) or a DSN (`host=… dbname=…`, `service=…`).

        What it leaves out comes from its service, then from the environment, then from libpq's defaults.

        Args:
            url: the URL or DSN.
            environment: usually os.environ.
            allow_password: whether a password in it is welcome; if not, it is refused.
            source: what to call it in messages.

        Raises:
            UsageError: it cannot be understood, or holds a password where none is allowed. The message holds none.
        """
        text = (url.get_secret_value() if isinstance(url, SecretStr) else url).strip()
        given = _parse_url(text, source) if "://" in text else _parse_pairs(text, source)
        if secret := given.get("password"):
            redactor.add(SecretStr(secret))
            if not allow_password:
                raise UsageError(
                    f"There is a password in {source}; from there it would get into process lists, histories and logs.",
                    advice=f"Take it out, and {HOW_TO_LOG_IN}.",
                )
        return _complete(given, environment, source)


def _complete(given: dict[str, str], environment: Mapping[str, str], source: str) -> ConnectionSpec:
    """Fill in what was not given: from the service, the environment, libpq's defaults, the password file."""
    from_environment = {name: value for name, variable in _ENVIRONMENT.items() if (value := environment.get(variable))}
    service = given.pop("service", None) or from_environment.pop("service", None)
    from_service = _known(read_service(service, environment), f"the service {service}") if service else {}
    passwords = [
        ("in " + source, given.get("password")),
        (f"from the service {service}", from_service.get("password")),
        ("from PGPASSWORD", from_environment.get("password")),
    ]
    values = {**from_environment, **from_service, **given}
    port = _port(values.get("port", "5432"), source)
    host = values.get("host") or _default_host(port)
    if "," in host:
        raise _unusable(source, "names several hosts", "Name one: the primary, on which the work is to be done.")
    user = values.get("user") or _login_name()
    database = values.get("dbname") or user
    password_source, plain = next(((where, value) for where, value in passwords if value), ("", None))
    password = SecretStr(plain) if plain else None
    if password is None:
        found = find_password(values.get("passfile"), environment, host=host, port=port, database=database, user=user)
        password = found.password
        if password is not None:
            password_source = f"from {found.file}"
        elif found.ignored_because:
            password_source = f"{found.file} was not used: {found.ignored_because}"
    return ConnectionSpec(
        host=host,
        port=port,
        database=database,
        user=user,
        password=password,
        tls=_tls(values, source),
        options=values.get("options"),
        source=source,
        password_source=password_source,
    )


def _parse_url(url: str, source: str) -> dict[str, str]:
    """Take a URL apart. No message quotes a part of it that could belong to a password."""
    scheme, _, rest = url.partition("://")
    if scheme.lower().startswith("jdbc:"):
        raise _unusable(source, "is a JDBC URL", "Write postgresql://USER@HOST:PORT/DATABASE.")
    if not _SCHEME.fullmatch(scheme):
        raise _unusable(source, "does not begin with postgresql://", "Only PostgreSQL is understood.")
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    if "#" in rest or re.search(r"[\0-\x20]", rest) or ("@" not in authority and "@" in path + query.partition("=")[0]):
        raise _unusable(
            source,
            "cannot be taken apart",
            "Percent-encode what has a meaning in URLs, in the user's name or password above all: "
            "@ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25, a space as %20.",
        )
    login, _, address = authority.rpartition("@")
    user, _, password = login.partition(":")
    if address.startswith("["):
        host, bracket, port = address[1:].partition("]")
        port = port.removeprefix(":") if bracket else "?"
    else:
        host, _, port = address.partition(":")
    parameters = {"host": host, "port": port, "dbname": path, "user": user, "password": password}
    try:
        decoded = {name: unquote(value, errors="strict") for name, value in parameters.items() if value}
        for pair in filter(None, query.split("&")):
            name, _, value = pair.partition("=")
            decoded[unquote(name, errors="strict")] = unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise _unusable(source, "has a percent-encoding that is not UTF-8", "Encode it again.") from None
    return _known(decoded, source)


def _parse_pairs(text: str, source: str) -> dict[str, str]:
    """Take apart a DSN of the form `host=localhost dbname='my db'`."""
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            break
        pairs[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2] if pair[2] is not None else pair[3])
        position = pair.end()
    if not pairs or text[position:].strip():
        what = "is empty" if not text else "is neither a URL nor a list of name=value"
        raise _unusable(source, what, "Write postgresql://USER@HOST:PORT/DATABASE, or host=… dbname=… user=….")
    return _known(pairs, source)


def _known(parameters: Mapping[str, str], source: str) -> dict[str, str]:
    """Translate aliases, leave out what does not matter here, and refuse what is not known."""
    known: dict[str, str] = {}
    for given_name, value in parameters.items():
        name = _ALIASES.get(given_name, given_name)
        if given_name == "hostaddr" and parameters.get("host"):
            raise _unusable(source, "has both host and hostaddr", "Leave one of them out.")
        if name == "ssl":
            known["sslmode"] = {"true": "require", "1": "require", "false": "disable"}.get(value.lower(), value)
        elif name in _ENVIRONMENT:
            known[name] = value
        elif name not in _IGNORED:
            shown = f"the parameter {name!r}" if re.fullmatch(r"[a-z_]{1,40}", name) else "a parameter"
            raise _unusable(source, f"has {shown}, which is not known here", "Correct its name, or leave it out.")
    return {name: value for name, value in known.items() if value}


def _tls(values: Mapping[str, str], source: str) -> Tls:
    mode = values.get("sslmode", "prefer")
    if mode not in SSL_MODES:
        raise _unusable(source, "asks for an sslmode that does not exist", f"One of: {', '.join(SSL_MODES)}.")
    names = [name for name in _ENVIRONMENT if name.startswith("ssl") and name != "sslmode"]
    return Tls(sslmode=mode, **{name: values[name] for name in names if name in values})


def _port(text: str, source: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536):
        raise _unusable(
            source,
            "has no number from 1 to 65535 where the port should be",
            "Write postgresql://USER@HOST:PORT/DATABASE; in a user's name or password, percent-encode : / @ ? # and %.",
        )
    return int(text)


def _default_host(port: int) -> str:
    """libpq's default is the socket directory that it was built with; several are usual."""
    for directory in _SOCKET_DIRECTORIES:
        if Path(directory, f".s.PGSQL.{port}").exists():
            return directory
    return "localhost"


def _login_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise UsageError("No user is named, and this system account has no name.", advice="Name the user.") from None


def _unusable(source: str, what: str, advice: str) -> UsageError:
    return UsageError(f"{source[0].upper()}{source[1:]} {what}.", advice=advice)
