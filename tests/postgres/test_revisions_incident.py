"""The incident: the version table says f867…, the schema is at ba1a…, and the migrations go on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.demo.alembic import run_alembic
from core.demo.incident import CLAIMED_REVISION, HEAD_REVISION, TRUE_REVISION, Incident
from core.errors import Refused
from core.postgres.connect import identify
from core.postgres.connection_spec import ConnectionSpec
from core.revisions.application import ApplicationProject
from core.revisions.evidence import Status
from core.revisions.locate import Verdict
from core.revisions.replay import read_graph
from core.revisions.report import document, report_lines
from core.revisions.stamp import require_proof, stamp
from core.revisions.survey import Survey, survey
from core.revisions.upgrade import MigrationFailed, Progress, RevisionStarted, upgrade
from core.revisions.version_table import Claim
from tests.sessions import session


async def located(incident: Incident, spec: ConnectionSpec, cache: Path) -> Survey:
    project = ApplicationProject.find(incident.application)
    return await survey(project, spec, scratch=None, log=lambda _: None, cache=cache)


async def test_the_true_revision_is_found_while_another_is_claimed(incident: Incident, tmp_path: Path) -> None:
    found = await located(incident, incident.production, tmp_path)
    location = found.location
    assert location.claim.rows == (CLAIMED_REVISION,)
    assert (location.verdict, location.rows) == (Verdict.PROVED, (TRUE_REVISION,))
    assert [str(pair) for pair in location.key_types] == ["live uuid, migrations want varchar(36)"]
    by_revision = {e.revision: e for e in location.evidence}
    assert by_revision[TRUE_REVISION].status is Status.BUT_KEY_TYPES
    assert by_revision[CLAIMED_REVISION].status is Status.ABSENT
    assert len(location.pending) == 6
    assert location.pending[-1] == HEAD_REVISION
    # The five tables made by hand: four that no revision makes, one that a pending revision will make again.
    unmade = {item.name for item in location.unmade if item.kind == "table"}
    assert unmade == {"valuations", "valuation_scenarios", "valuation_comparables", "valuation_exports"}
    assert [(item.name, revision) for item, revision in location.early if item.kind == "table"] == [
        ("valuation_snapshots", "6e0b92d7c3fa")
    ]
    (collision,) = [o for o in location.obstacles if o.kind == "exists"]
    assert (collision.revision, collision.item.name) == ("6e0b92d7c3fa", "valuation_snapshots")
    # Before the conversion the first pending revision fails, and so does the claimed one's own table.
    keys = {o.sentence for o in location.obstacles if o.kind == "types"}
    assert (
        'foreign key constraint "document_questions_document_id_fkey" cannot be implemented: '
        "document_questions.document_id is varchar(36), documents.id is uuid"
    ) in keys
    assert {(d.table, d.column) for d in location.type_differences} >= {("users", "id"), ("audit_logs", "entity_id")}
    text = report_lines(found)
    assert text[0] == f"The schema is at {TRUE_REVISION}; the version table says {CLAIMED_REVISION}."
    assert document(found)["revisions"] == [TRUE_REVISION]
    with pytest.raises(Refused):
        require_proof(location, [CLAIMED_REVISION])
    require_proof(location, [TRUE_REVISION])


async def test_before_the_conversion_the_migrations_fail_as_they_did(
    incident: Incident, production_copy: ConnectionSpec
) -> None:
    project = ApplicationProject.find(incident.application)
    graph = await read_graph(project, lambda _: None)
    async with session(production_copy) as connection:
        identity = await identify(connection)
    with pytest.raises(MigrationFailed) as failed:
        await upgrade(project, production_copy, identity, graph, log=lambda _: None)
    failure = failed.value.failure
    assert failure.sqlstate == "42804"
    assert "cannot be implemented" in failure.message
    assert "incompatible types: character varying and uuid" in str(failure.detail)
    assert failure.choices[0].startswith("convert the keys first")
    assert failure.claim == Claim((CLAIMED_REVISION,))


async def test_stamped_at_the_true_revision_the_six_migrations_run_one_by_one(
    incident: Incident, empty_database: ConnectionSpec, tmp_path: Path
) -> None:
    """On what the conversion leaves: the schema of ba1a… with varchar(36) keys, under the lie."""
    outcome = await run_alembic(incident.application, empty_database, "upgrade", TRUE_REVISION)
    assert outcome.exit_status == 0, outcome.output
    async with session(empty_database) as connection:
        await connection.execute(f"UPDATE alembic_version SET version_num = '{CLAIMED_REVISION}'")
    found = await located(incident, empty_database, tmp_path)
    assert (found.location.verdict, found.location.rows) == (Verdict.PROVED, (TRUE_REVISION,))
    assert found.location.key_types == found.location.obstacles == found.location.type_differences == ()
    graph = found.replay.graph
    async with session(empty_database) as connection:
        identity = await identify(connection)
        require_proof(found.location, found.location.rows or ())
        stamped = await stamp(
            connection,
            identity,
            graph.version_table,
            old=found.location.claim,
            new=Claim(found.location.rows),
            graph=graph,
        )
    assert str(stamped) == f"alembic_version: {CLAIMED_REVISION} -> {TRUE_REVISION}"
    told: list[Progress] = []
    project = ApplicationProject.find(incident.application)
    done = await upgrade(project, empty_database, identity, graph, log=lambda _: None, report=told.append)
    lines = [str(event) for event in told if isinstance(event, RevisionStarted)]
    assert lines[0] == f"Running upgrade {TRUE_REVISION} -> c3a7b4bbf913, add rbac audit logs"
    assert len(lines) == len(done.revisions) == 6
    assert done.after == Claim((HEAD_REVISION,))
