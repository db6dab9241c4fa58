"""Task 7: conversion day, in the maintenance window."""

from __future__ import annotations

from datetime import timedelta

from core.runbook.conversion.production import convert_production
from core.runbook.conversion_day.begin_maintenance import begin_maintenance, look_after_start, reconcile_maintenance
from core.runbook.conversion_day.check_production import check_production
from core.runbook.conversion_day.deploy_production import can_run, deploy_production, reconcile_deploy
from core.runbook.conversion_day.end_maintenance import end_maintenance
from core.runbook.conversion_day.probing import has_health_url
from core.runbook.conversion_day.verify_production import verify_production
from core.runbook.escalations import CONVERSION_FAILS, MIGRATIONS_FAIL, SERVICES_DO_NOT_START
from core.runbook.gates import CONVERT_PRODUCTION
from core.runbook.migrations import has_project, stamp_production
from core.runbook.model import Step, StepKind, Task
from core.runbook.ways_back import (
    END_MAINTENANCE,
    LOOK_AT_CHANGES,
    RESTORE_BESIDE,
    ROLL_BACK_DEPLOY,
    SERVE_RESTORED,
    ways_back_from,
)

TASK = Task(
    number=7,
    title="Convert production",
    why="Application code expects another key type than the database has: no new migration can be applied.",
    output="Production converted, migrations applied, services healthy.",
    planned=(timedelta(minutes=30), timedelta(minutes=60)),
    due=timedelta(days=3),
    downtime=True,
    steps=(
        Step(
            "7.1",
            "Check before the conversion (5 min)",
            StepKind.AUTOMATIC,
            (
                "The backup exists: ls -lh backups/backup_*.sql.gz",
                "The credentials are rotated, and the host is the right one: echo $DATABASE_URL | grep -o '@.*:5432'",
                (
                    "No active users, 0 or very few: SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid();"
                ),
                "Names who is connected, compares the schema with the investigation's, and looks at this machine.",
            ),
            action=check_production,
        ),
        Step(
            "7.2",
            "Enable maintenance mode (5 min)",
            StepKind.DESTRUCTIVE,
            (
                "Either stop the backend service at the host: Backend Service, Settings, Stop Service.",
                "Or add MAINTENANCE_MODE=true to its environment and redeploy it.",
                "Verify: curl https://backend.example.com/health must answer 503, or refuse the connection.",
                (
                    "With service.health_url set, the step does what [hosting] lets it do of that (automatic deploys held, "
                    "workers and crons stopped as well), and asks there until it does."
                ),
                "Then it fences the database, ends the sessions of others, and counts who is still connected.",
            ),
            action=begin_maintenance,
            requires=has_health_url,
            reconcile=reconcile_maintenance,
            after_start=look_after_start,
        ),
        Step(
            "7.3",
            "Run the conversion (30-45 min)",
            StepKind.DESTRUCTIVE,
            (
                "Runs the six phases in one transaction and logs every statement.",
                "Phase 1, verify: the keys' current types.",
                "Phase 2, detach: the number of foreign keys dropped, in total and by root key.",
                "Phase 3, retype keys: the primary keys converted.",
                "Phase 4, retype references: the number of columns converted.",
                "Phase 5, reattach: the foreign keys recreated; the number matches phase 2's.",
                "Phase 6, prove: the checks pass.",
                "If ALL checks pass: COMMIT. If ANY fails: ROLLBACK.",
            ),
            action=convert_production,
            gates=CONVERT_PRODUCTION,
        ),
        Step(
            "7.4",
            "Reset alembic_version (5 min)",
            StepKind.DESTRUCTIVE,
            (
                "Use the revision that the investigation found (task 2).",
                "UPDATE alembic_version SET version_num = '[revision]';",
                "Verify: SELECT version_num FROM alembic_version;",
            ),
            action=stamp_production,
            requires=has_project,
        ),
        Step(
            "7.5",
            "Deploy (10-20 min)",
            StepKind.DESTRUCTIVE,
            (
                "Either at the host: Backend Service, Manual Deploy, Deploy latest commit.",
                "Or: git push origin main (triggers the automatic deploy).",
                'Watch the deploy log for the migrations: "Running upgrade [revision] -> [revision], ..."',
                "Expected: ALL migrations succeed, the service starts.",
                "The fence is lifted first. Where [hosting] can deploy, the step does, and follows it to live or failed.",
            ),
            action=deploy_production,
            requires=can_run,
            reconcile=reconcile_deploy,
        ),
        Step(
            "7.6",
            "Verify (10-20 min)",
            StepKind.AUTOMATIC,
            (
                'Health: curl https://backend.example.com/health gives {"status":"healthy","database_configured":true}.',
                "Frontend: curl https://www.example.com/ gives HTTP 200.",
                "Revision: SELECT version_num FROM alembic_version; gives the head.",
                "Key type: \\d users shows id as character varying(36).",
                "New tables: SELECT COUNT(*) FROM folders; is 0 or more (the table exists).",
                (
                    "Smoke tests, if there are any: cd scripts; ./verify_deployment.sh production; "
                    "./run_smoke_tests.sh production"
                ),
                "Health and front page are asked where [service] names them, the tests are run that service.smoke names.",
                "What maintenance hides is looked at again by step 7.7.",
            ),
            action=verify_production,
        ),
        Step(
            "7.7",
            "Disable maintenance mode (5 min)",
            StepKind.DESTRUCTIVE,
            (
                "Reverse step 7.2.",
                "Either start the backend service.",
                "Or remove MAINTENANCE_MODE from its environment and redeploy it.",
                (
                    "With service.health_url set, the step takes back what step 7.2 has set, asks until the service serves, "
                    "and repeats the checks of step 7.6 that maintenance has hidden."
                ),
            ),
            action=end_maintenance,
            requires=has_health_url,
        ),
    ),
    escalations=(CONVERSION_FAILS, MIGRATIONS_FAIL, SERVICES_DO_NOT_START),
    ways_back=(
        END_MAINTENANCE,
        *ways_back_from("7.3", "production"),
        LOOK_AT_CHANGES,
        RESTORE_BESIDE,
        SERVE_RESTORED,
        ROLL_BACK_DEPLOY,
    ),
)
