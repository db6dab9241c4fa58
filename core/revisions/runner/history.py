"""The history without a database: the graph of revisions, and their SQL."""

from __future__ import annotations

import io
import os
from typing import Any

from .channel import Channel
from .project import Project, as_tuple, version_table


def show_graph(project: Project, channel: Channel) -> None:
    import alembic
    import sqlalchemy

    script = project.script
    told, why = project.configured_by_env()
    for revision in script.walk_revisions():
        needed = [found for name in as_tuple(revision.dependencies) for found in script.get_revisions(name)]
        channel.emit(
            "revision",
            revision=revision.revision,
            down=as_tuple(revision.down_revision),
            depends_on=[found.revision for found in needed],
            labels=sorted(revision.branch_labels or ()),
            doc=(revision.doc or "").strip().split("\n")[0],
            path=os.path.abspath(revision.path),
        )
    channel.emit(
        "history",
        environment_file=project.environment_file,
        alembic=alembic.__version__,
        sqlalchemy=sqlalchemy.__version__,
        untold=why,
        **version_table(told),
    )


def preview(project: Project, channel: Channel) -> None:
    """The SQL of each revision in offline mode, where its code can do without a database."""
    told, _ = project.configured_by_env()
    for target in project.request["revisions"]:
        revision = project.script.get_revision(target)
        before = as_tuple(revision.down_revision) + as_tuple(revision.dependencies)

        def steps(_heads: Any, _context: Any, target: str = target, before: tuple[str, ...] = before) -> list[Any]:
            return [step for step in project.steps_to(target, before) if step.revision.revision == target]

        output = io.StringIO()
        why = None
        try:
            with project.environment(fn=steps, as_sql=True, starting_rev=before or None) as environment:
                environment.configure(
                    dialect_name="postgresql", dialect_opts={"paramstyle": "named"}, literal_binds=True,
                    output_buffer=output, **told,
                )  # fmt: skip
                with environment.begin_transaction():
                    environment.run_migrations()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        channel.emit("preview", revision=target, sql=None if why else output.getvalue(), why=why)
