-- name: set_for_transaction
-- Settings that end with the transaction.
SELECT set_config(name, value, true)
FROM unnest($1::text[], $2::text[]) AS settings (name, value)

-- name: known_settings
SELECT name FROM pg_catalog.pg_settings WHERE name = ANY ($1::text[])

-- name: claim
-- The advisory lock of this program: one conversion at a time in a database. It ends with the transaction.
SELECT pg_try_advisory_xact_lock($1::bigint)

-- name: claimed_by
SELECT locks.pid, usename AS role, application_name AS application, client_addr::text AS address
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND locks.objsubid = 1
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (locks.classid::bigint << 32) | locks.objid::bigint = $1::bigint

-- name: transaction_id
SELECT pg_current_xact_id()::text AS xid, pg_backend_pid() AS pid

-- name: transaction_status
SELECT pg_xact_status($1::text::xid8) AS status, pg_is_in_recovery() AS in_recovery

-- name: lock_holders
-- Who holds any lock on these relations; a prepared transaction holds its locks without a session.
SELECT DISTINCT ON (locks.pid, prepared.gid)
  locks.pid,
  coalesce(activity.usename, prepared.owner) AS role,
  activity.application_name AS application,
  activity.state,
  extract(epoch FROM clock_timestamp() - coalesce(activity.xact_start, prepared.prepared))::float8 AS seconds,
  left(activity.query, 100) AS query,
  prepared.gid AS prepared,
  relation.nspname AS schema,
  class.relname AS table
FROM pg_catalog.pg_locks AS locks
JOIN pg_catalog.pg_class AS class ON class.oid = locks.relation
JOIN pg_catalog.pg_namespace AS relation ON relation.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = locks.pid
-- The lock on its own id tells which prepared transaction it is; its virtual transaction is the one that it was begun in.
LEFT JOIN pg_catalog.pg_locks AS own
  ON locks.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
    AND own.virtualtransaction = locks.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS prepared ON prepared.transaction = own.transactionid
WHERE locks.locktype = 'relation' AND locks.granted
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND locks.relation = ANY ($1::oid[])
  AND locks.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY locks.pid, prepared.gid, class.relname

-- name: end_backend
-- Only the very backend that runs this transaction: process ids are used again. The first 64-bit part of an xid8 counts
-- wrap-arounds, which backend_xid leaves out.
SELECT pg_terminate_backend(pid)
FROM pg_catalog.pg_stat_activity
WHERE pid = $1::integer AND backend_xid = xid($2::text::xid8)
