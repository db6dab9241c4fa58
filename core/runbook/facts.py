"""Names of the facts and evidence files that steps record, gates ask for and other steps read."""

from __future__ import annotations

# Task 2, the investigation of production.
INVESTIGATION_FINGERPRINT = "investigation.fingerprint"
"""Of production's catalog as it was investigated."""
INVESTIGATION_REVISION = "investigation.alembic_version"
"""What alembic_version claims: a list of revisions, empty when the table is; None without the table."""
INVESTIGATION_INDICATORS = "investigation.indicator_tables"
"""By table: whether it exists."""
INVESTIGATION_KEY_TYPE = "investigation.key_type"
"""Type of the key column that tells whether a conversion is needed; None when there is no such column."""
INVESTIGATION_COUNTS = "investigation.row_counts"
"""Rows by table; None for a table that is not there."""
INVESTIGATION_KEYS = "investigation.keys"
"""Root keys and the number of columns that belong to each."""
INVESTIGATION_TOTALS = "investigation.totals"
"""The database's size in bytes, tables, foreign keys, columns to retype, statements, blockers, warnings."""
INVESTIGATION_SECONDS = "investigation.estimated_seconds"

# Task 4, the decision.
DECISION_APPROACH = "decision.approach"
"""`A`, dynamic, `B`, enumerated, or `C`, staged."""
DECISION_PLAN = "decision.plan"
"""Fingerprint of the plan whose script was written."""

AUDIT_TOTALS = "audit.totals"
"""The audit of the user's own script, in a few lines."""
DECISION_SOFT_REFERENCES = "decision.soft_references"
"""The columns that reference without a foreign key and are retyped, in every conversion of the run."""

DECISION_REPAIR_FUNCTIONS = "decision.repair_functions"
"""A JSON list: which functions get the casts that they need, as `ScopeRequest.repair_functions` has them."""

# Task 5, the rehearsal on the test database.
REHEARSAL_PROVED = "rehearsal.proved"
REHEARSAL_OUTCOME = "rehearsal.outcome"
"""`committed` or `rolled_back`."""
REHEARSAL_PROOF = "rehearsal.proof"
"""Depth of its proof: catalog, counts or contents."""
REHEARSAL_SECONDS = "rehearsal.seconds"
"""What it took, the wait for the answer left out."""
REHEARSAL_FOREIGN_KEYS = "rehearsal.foreign_keys"
"""Foreign keys before, dropped and recreated."""
REHEARSAL_FOREIGN_KEYS_NOW = "rehearsal.foreign_keys_now"
REHEARSAL_MISSING = "rehearsal.not_rehearsed"
"""Statements of production's plan that the rehearsal did not have."""

# Task 6, the maintenance window.
WINDOW_CHOSEN = "window.chosen"
"""Its `start` and `end`, ISO 8601, UTC."""
WINDOW_TEAM = "window.team"
"""Who was named for the way back: a list of names."""
ALERT_TESTED = "window.alert_tested"
"""Whether a test alert that was sent has arrived, by a person's word."""

# Tasks 7.1 and 7.2, the last looks at production and its service.
PRODUCTION_FINGERPRINT = "production.fingerprint"
"""Of production's catalog when it was last looked at."""
SESSIONS_OTHERS = "sessions.others"
"""On production: how many of others (`count`) and of the host's own (`host`), and of others by application (`by_name`)."""
MAINTENANCE_PROVED = "maintenance.proved"
"""Whether the service did not serve when it was last asked."""
MAINTENANCE_ANSWER = "maintenance.answer"
"""What it answered, in words."""

# Task 7.3, the conversion of production.
CONVERSION_OUTCOME = "conversion.outcome"
"""`committed`, `rolled_back`, or `UNDONE`."""
UNDONE = "undone"
CONVERSION_UNDOABLE = "conversion.undoable"
"""Whether it could still be undone when that was last looked at."""
CONVERSION_PROVED = "conversion.proved"
CONVERSION_SECONDS = "conversion.seconds"
CONVERSION_TALLIES = "conversion.tallies"

# The application's migrations.
LOCATED = "revisions.located"
"""Where production's schema is in the history: verdict, claimed, revisions, pending, what is in the way."""
STAMPED = "revisions.stamped"
"""By target: the old and the new rows of the version table."""
MIGRATED_TEST = "revisions.migrated_test"
MIGRATED_PRODUCTION = "revisions.migrated_production"
"""The revisions that were applied."""
TABLES_CREATED = "revisions.tables_created"
"""By target: the tables that migrations run by this console have made, as they were seen to appear."""

# Task 1, the rotation.
ROTATION_SCANNED = "rotation.scanned"
"""What the scan for secrets found: `findings`, `known`, `files`, `lines`."""
ROTATION_KEY = "rotation.api_key"
"""The API key: whether its successor is proved `alive`, and it itself proved `dead`."""
ROTATION_LOGINS = "rotation.logins"
"""By target, how far its login's rotation has come (`core.runbook.rotation.Progress`)."""
ROTATION_FILES = "rotation.files"
"""Local files that hold the new logins."""
CREDENTIALS_ROTATED = "credentials.rotated"
"""Whether every credential that was leaked is proved dead, and its successor proved alive."""

# Task 3, the backup.
BACKUP_TAKEN = "backup.taken"
"""The backup in hand: its `path`, `kind` (dump, export or adopted), `taken_at` (ISO 8601, UTC), `bytes`."""
BACKUP_VERIFIED = "backup.verified"
"""The same once it is verified, with the `depth` that was reached; None again as soon as a check fails."""
RESTORE_SECONDS = "backup.restore_seconds"
"""How long a restore of it took."""

# Tasks 7.2 and 7.4 to 7.7.
MAINTENANCE_HELD = "maintenance.held"
"""What the run has changed at the host for the time of maintenance and has yet to take back (`core.runbook.held_at_host`);
None when nothing is."""
FENCE_UP = "fence.up"
"""The fence around production, with the statements that lift it (`core.postgres.fence.Fence`), recorded before it is raised;
None when it is lifted."""
DEPLOY_STARTED = "deploy.started"
"""The deploy that was asked for: `id` (None while the host has not told), `commit`, `since` (ISO 8601, UTC)."""
REHEARSED_COMMIT = "revisions.rehearsed_commit"
"""The commit of the application's project with which the migrations were rehearsed; None where it is no git work tree."""
DOWNTIME_BEGAN = "downtime.began"
"""When maintenance was proved on, ISO 8601, UTC."""
DOWNTIME_SECONDS = "downtime.seconds"
"""From maintenance proved on to the service proved to serve again."""
DEPLOYED = "deploy.finished"
"""The deploy that was followed to its end: `id`, `state`, `commit`."""
HEALTH_VERIFIED = "health.verified"
"""The checks after the deploy: by name whether it held, None where it could not be made."""

# Task 8.
MONITORED = "monitor.result"
"""What the watch has found so far: `seconds`, `probes`, `failed`, `lines`, `errors`, `violations`, `orphans` (rows), `keys`,
`keys_checked`, `counts` by table, and each part in `words`."""
MONITOR_VIOLATIONS = "monitor.violations"
"""Violations in the logs and rows that reference nothing, as step 8.7 found them: `logs` (None: not read), `orphans`."""
MONITOR_COUNTS = "monitor.counts"
"""Rows by table, as step 8.8 counted them."""

# Task 9.
DOCUMENTS_WRITTEN = "documents.written"
"""Paths of the documents that were brought up to date."""
CHECKLISTS_WAITING = "checklists.waiting"
"""Lines of the project's checklists whose box does not say what the run says, as `core.runbook.checklists.Line` has them."""
CHECKLISTS_TICKED = "checklists.ticked"
"""Lines that this run has ticked, in the same form: they are unticked with their step."""

# Task 10.
RELEASE_COMMANDS = "release.commands"
"""By step, its commands as they were last run: `command`, `status`, `seconds`."""

# Evidence files.
PLAN_FILE = "plan.json"
SCRIPT_FILE = "conversion.sql"
FOREIGN_KEYS_FILE = "foreign-keys.csv"
CROSS_CHECK_FILE = "cross-check.txt"
DROPPED_FILE = "dropped.md"
AUDIT_FILE = "audit.md"
PROOF_FILE = "proof.json"
REHEARSAL_FILE = "rehearsal.json"
REPORT_FILE = "report.md"
LOCATION_FILE = "revision.md"
PREVIEW_FILE = "migrations.sql"
UNDO_FILE = "undo.json.gz"
"""What the undo of a conversion is planned from."""
UNDO_SCRIPT_FILE = "undo.sql"
RUN_REPORT_FILE = "run-report.md"
"""What the whole run has come to, and who did what when."""
CALENDAR_FILE = "window.ics"
STAKEHOLDERS_FILE = "message-stakeholders.txt"
ROLLBACK_TEAM_FILE = "message-rollback-team.txt"
QUERIES_FILE = "queries.json"
"""The worst queries and their plans, as they were before the conversion."""
WATCH_FILE = "watch.md"
