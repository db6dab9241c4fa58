"""Small Alembic projects for tests, written into a folder."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from core.postgres.connection_spec import ConnectionSpec
from core.revisions.application import ApplicationProject
from tests.databases import Database

INI = """\
[alembic]
script_location = migrations
prepend_sys_path = .
path_separator = os
"""

ENV = """\
import asyncio
import os

from alembic import context
from sqlalchemy import make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine

OPTIONS = {}
{before}


def run_with(connection):
    context.configure(connection=connection, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


async def run_online():
    engine = create_async_engine(url(), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_with)
    await engine.dispose()


def url():
    return make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")


{after}
if context.is_offline_mode():
    context.configure(url=url(), literal_binds=True, dialect_opts={{"paramstyle": "named"}}, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
"""

REVISION = '''\
"""{doc}"""
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}
branch_labels = None
depends_on = {depends_on!r}


def upgrade():
{body}
'''


@dataclass(frozen=True)
class R:
    """A revision to be written; `down` is what it follows, a tuple for a merge."""

    id: str
    down: str | tuple[str, ...] | None
    body: str
    depends_on: str | None = None


def write_project(folder: Path, revisions: tuple[R, ...], *, before: str = "", after: str = "") -> ApplicationProject:
    """Write a project.

    Args:
        before: code for env.py that comes before its functions.
        after: code that comes after them, before anything is run.
    """
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    (folder / "alembic.ini").write_text(INI)
    env = ENV.replace("OPTIONS = {}", "OPTIONS = {{}}").format(
        before=textwrap.dedent(before), after=textwrap.dedent(after)
    )
    (folder / "migrations" / "env.py").write_text(env)
    for revision in revisions:
        body = textwrap.indent(textwrap.dedent(revision.body).strip() or "pass", "    ")
        text = REVISION.format(
            doc=f"revision {revision.id}",
            id=revision.id,
            down=revision.down,
            depends_on=revision.depends_on,
            body=body,
        )
        (versions / f"{revision.id}.py").write_text(text)
    return ApplicationProject.find(folder)


def spec_of(database: Database) -> ConnectionSpec:
    return ConnectionSpec(database.host, database.port, database.name, database.owner, database.password)


# A history with everything in it: two branches and their merge, data only, CONCURRENTLY, an enum that grows.
BRANCHED = (
    R(
        "a1",
        None,
        """
        op.create_table("accounts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
        op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        """,
    ),
    R(
        "b2",
        "a1",
        """
        op.add_column("accounts", sa.Column("email", sa.String(80), nullable=False, server_default="none"))
        op.create_index("accounts_email_idx", "accounts", ["email"])
        op.create_check_constraint("accounts_email_check", "accounts", "email <> ''")
        """,
    ),
    R(
        "c3",
        "b2",
        """
        op.create_table(
            "invoices",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("account_id", sa.Integer, sa.ForeignKey("accounts.id"), nullable=False),
        )
        """,
    ),
    R(
        "d3",
        "b2",
        """
        op.create_table("tickets", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.Text))
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY tickets_title_idx ON tickets (title)")
        """,
    ),
    R("e4", ("c3", "d3"), ""),
    R("f5", "e4", 'op.execute("UPDATE accounts SET name = upper(name)")'),
    R(
        "g6",
        "f5",
        """
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE mood ADD VALUE 'happy'")
        op.create_table("payments", sa.Column("id", sa.Integer, primary_key=True), sa.Column("amount", sa.Numeric))
        op.alter_column("accounts", "email", type_=sa.String(200))
        """,
    ),
    R(
        "h7",
        "g6",
        """
        op.execute("CREATE VIEW paid AS SELECT id, amount FROM payments WHERE amount > 0")
        op.create_foreign_key("tickets_id_fkey", "tickets", "accounts", ["id"], ["id"])
        """,
    ),
)
