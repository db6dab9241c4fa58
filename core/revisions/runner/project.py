"""The application's Alembic project: its configuration, its revisions, its env.py."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, cast

from .connections import application_scheme, database_url

# What env.py tells `configure` about its own connection and way of running; the rest holds for ours, too.
OF_ENV_ALONE = frozenset(
    (
        "connection", "url", "dialect_name", "dialect_opts", "literal_binds", "output_buffer", "starting_rev", "tag",
        "transaction_per_migration", "transactional_ddl", "process_revision_directives",
    )
)  # fmt: skip


class Probed(BaseException):
    """Ends env.py once it has said what it wants; no `except Exception` of its own holds it up."""


class Project:
    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        hidden = {os.path.realpath(path) for path in request["hidden_paths"]}
        sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) not in hidden]
        sys.path.insert(0, os.getcwd())  # as `python -m alembic` does

        from alembic.config import Config
        from alembic.script import ScriptDirectory

        files: dict[str, Any] = {"toml_file": request["toml"]} if request["toml"] else {}
        options = argparse.Namespace(x=list(request["x_arguments"]) or None)
        self.config = Config(request["ini"], ini_section=request["section"], cmd_opts=options, **files)
        # Before the first import of the application's: some settings are read only then.
        self._give_url(request["scheme"] or application_scheme(""))
        if request["script_location"]:
            self._set("script_location", request["script_location"])
        self.script: Any = ScriptDirectory.from_config(self.config)
        self.environment_file = os.path.abspath(os.path.join(self.script.dir, "env.py"))
        self._give_url(request["scheme"] or application_scheme(self.environment_file))

    def _give_url(self, scheme: str) -> None:
        url = database_url(self.request["url"], scheme).render_as_string(hide_password=False)
        os.environ.update(dict.fromkeys(self.request["url_variables"], url), **self.request["libpq"])
        self._set("sqlalchemy.url", url)

    def _set(self, option: str, value: str) -> None:
        self.config.set_main_option(option, value.replace("%", "%%"))

    def environment(self, **options: Any) -> Any:
        from alembic.runtime.environment import EnvironmentContext

        return EnvironmentContext(self.config, self.script, **options)

    def run_env(self, steps: Callable[[Any, Any], Any], **options: Any) -> None:
        with self.environment(fn=steps, **options):
            self.script.run_env()

    def steps_to(self, revision: str, heads: Any) -> list[Any]:
        return list(self.script._upgrade_revs(revision, heads))

    def configured_by_env(self) -> tuple[dict[str, Any], str | None]:
        """What env.py tells `configure`, as far as it holds for a connection of ours; and why it told nothing, or None."""
        from alembic.runtime import environment

        context: Any = cast("Any", environment.EnvironmentContext)
        told: dict[str, Any] = {}
        original = context.configure

        def configure(_self: Any, *_connection: Any, **values: Any) -> None:
            told.update(values)
            raise Probed

        context.configure = configure
        why = None
        try:
            self.run_env(lambda _heads, _context: [], as_sql=True)
        except Probed:
            pass
        except (Exception, SystemExit) as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            context.configure = original
        return {name: value for name, value in told.items() if name not in OF_ENV_ALONE}, why


def as_tuple(value: Any) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def version_table(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "version_table": told.get("version_table") or "alembic_version",
        "version_table_schema": told.get("version_table_schema"),
    }
