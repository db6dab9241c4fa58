"""The user's own procedure on a real server: read-only, bounded, written only when agreed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigurationError, Refused
from core.runbook.facts import INVESTIGATION_COUNTS, INVESTIGATION_FINGERPRINT
from core.runbook.investigation.record_findings import RESULTS_FILE, record_findings
from core.runbook.rewriting import WRITE
from core.settings import Settings
from core.settings.investigation import InvestigationSettings
from tests.databases import Database
from tests.histories import spec_of
from tests.step_world import StepWorld

PROCEDURE = """# Procedure
```sql
SELECT count(*) AS users FROM users;
DELETE FROM users;
SELECT g FROM generate_series(1, 100000) g;
```
## Template
- users count: ____
"""


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> StepWorld:
    connection = await database.connect()
    await connection.execute("CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2)")
    await connection.close()
    procedure = tmp_path / "procedure.md"
    procedure.write_text(PROCEDURE)
    procedure.chmod(0o640)
    settings = Settings(investigation=InvestigationSettings(procedure=procedure))
    world = StepWorld(tmp_path, settings, {"production": spec_of(database)}, answers=lambda _: WRITE)
    await world.fact(INVESTIGATION_FINGERPRINT, "f" * 64)
    await world.fact(INVESTIGATION_COUNTS, {"users": 2})
    return world


async def test_blocks_are_run_and_the_template_is_filled(world: StepWorld, tmp_path: Path, database: Database) -> None:
    assert await record_findings(world) == "1 block run; the template in procedure.md is filled in"
    results = world.evidence(RESULTS_FILE)
    assert "read-only transaction" in results
    assert "More than 200 rows" in results
    written = tmp_path / "procedure.md"
    assert written.read_text() == PROCEDURE.replace("____", "2")
    assert written.stat().st_mode & 0o777 == 0o640
    assert world.questions[0].details[-2:] == ("-- users count: ____", "+- users count: 2")
    connection = await database.connect()
    assert await connection.fetchval("SELECT count(*) FROM users") == 2
    await connection.close()
    assert "no blank" in await record_findings(world)


async def test_nothing_is_written_without_agreement(world: StepWorld, tmp_path: Path) -> None:
    world.answers = None
    with pytest.raises(Refused):
        await record_findings(world)
    assert (tmp_path / "procedure.md").read_text() == PROCEDURE


async def test_a_procedure_that_is_not_there(world: StepWorld, tmp_path: Path) -> None:
    (tmp_path / "procedure.md").unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await record_findings(world)
