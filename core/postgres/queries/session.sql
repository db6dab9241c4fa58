-- name: settled
SELECT pg_catalog.version() AS version,
       pg_catalog.current_setting('default_transaction_read_only') AS read_only

-- name: identity
SELECT d.oid AS database_oid,
       d.datname AS database,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_read_control,
       coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), 'local') || ':' || pg_catalog.current_setting('port') AS address,
       pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at
  FROM pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()

-- name: system_identifier
SELECT system_identifier FROM pg_catalog.pg_control_system()

-- name: set_locally
-- Set settings for the rest of the transaction, and give what they were before.
SELECT b.name, b.value
  FROM (SELECT w.name, w.value AS wanted, pg_catalog.current_setting(w.name) AS value
          FROM unnest($1::text[], $2::text[]) w (name, value)
        OFFSET 0) b
 WHERE pg_catalog.set_config(b.name, b.wanted, true) IS NOT NULL

-- name: for_client_programs
SELECT pg_catalog.current_setting('server_version_num')::int AS version_num,
       coalesce((SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()), false) AS encrypted
