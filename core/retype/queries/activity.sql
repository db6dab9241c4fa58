-- name: activity_backend
SELECT pg_backend_pid()

-- name: activity_roles
SELECT rolname::text AS role,
       pg_has_role(oid, 'USAGE') AS acts_as,
       pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS may_become
FROM pg_roles

-- name: activity_lock_holders
-- Of another role's sessions only pid, role and application are visible without pg_read_all_stats. A worker has no role.
SELECT l.pid,
       a.usename::text AS role,
       coalesce(a.application_name, '') AS application,
       coalesce(a.state, '') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start)), -1)::float8 AS seconds,
       CASE WHEN a.query = '<insufficient privilege>' THEN '' ELSE left(coalesce(a.query, ''), 120) END AS query,
       array_agg(DISTINCT l.relation::oid) AS relations,
       array_agg(DISTINCT l.mode) AS modes,
       min(l.virtualtransaction) AS transaction
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = ANY ($1::oid[])
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1

-- name: activity_prepared_transactions
-- A prepared transaction's locks belong to no session; its lock on its own id tells which virtual transaction they are of.
SELECT p.gid, p.owner::text AS owner, extract(epoch FROM clock_timestamp() - p.prepared)::float8 AS seconds,
       array_agg(DISTINCT l.relation::oid) AS relations
FROM pg_prepared_xacts p
JOIN pg_locks x ON x.locktype = 'transactionid' AND x.transactionid = p.transaction AND x.pid IS NULL
JOIN pg_locks l ON l.virtualtransaction = x.virtualtransaction AND l.pid IS NULL
WHERE p.database = current_database() AND l.locktype = 'relation' AND l.relation = ANY ($1::oid[])
GROUP BY 1, 2, 3
ORDER BY 1

-- name: activity_long_transactions
-- Snapshots that are older than the rewrite see the rewritten tables empty (docs, "Caveats" of MVCC).
SELECT pid, coalesce(usename::text, '') AS role, coalesce(application_name, '') AS application,
       coalesce(state, '') AS state, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds,
       CASE WHEN query = '<insufficient privilege>' THEN '' ELSE left(query, 120) END AS query
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
  AND xact_start < clock_timestamp() - make_interval(secs => $1)
ORDER BY xact_start

-- name: activity_slots
SELECT slot_name::text AS name, active
FROM pg_replication_slots
WHERE slot_type = 'logical' AND database = current_database()
ORDER BY 1

-- name: activity_subscriptions
SELECT s.subname::text AS name, s.subbinary AS binary, array_agg(r.srrelid::oid) AS relations
FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND r.srrelid = ANY ($1::oid[])
GROUP BY 1, 2
ORDER BY 1

-- name: activity_row_security
SELECT t.oid FROM unnest($1::oid[]) AS t (oid) WHERE row_security_active(t.oid) ORDER BY 1

-- name: activity_wraparound
SELECT c.oid FROM pg_class c
WHERE c.oid = ANY ($1::oid[]) AND c.relfrozenxid <> '0'::xid
  AND age(c.relfrozenxid) > current_setting('autovacuum_freeze_max_age')::int
ORDER BY 1

-- name: activity_no_references
SELECT t.oid FROM unnest($1::oid[]) AS t (oid) WHERE NOT has_table_privilege(t.oid, 'REFERENCES') ORDER BY 1

-- name: activity_no_create
SELECT r.rolname::text AS role, n.nspname::text AS schema
FROM unnest($1::text[], $2::text[]) AS w (role, schema)
JOIN pg_roles r ON r.rolname = w.role
JOIN pg_namespace n ON n.nspname = w.schema
WHERE NOT has_schema_privilege(r.oid, n.oid, 'CREATE')
ORDER BY 1, 2

-- name: activity_settings
SELECT name, setting FROM pg_settings
WHERE name IN ('max_locks_per_transaction', 'max_connections', 'max_prepared_transactions', 'max_worker_processes',
               'max_wal_senders', 'autovacuum_max_workers', 'autovacuum_worker_slots')

-- name: activity_collation
SELECT EXISTS (
  SELECT FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
  WHERE quote_ident(n.nspname) || '.' || quote_ident(c.collname) = $1
    AND c.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
) AS known
