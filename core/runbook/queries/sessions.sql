-- name: other_sessions
-- Of another role's sessions only pid, role, database and application are visible without pg_read_all_stats; a worker of the
-- server's own has no role.
SELECT a.pid,
       a.usename::text AS role,
       a.usename = current_user AND a.application_name LIKE 'pgrecast%' AS own,
       coalesce(a.application_name, '') AS application,
       coalesce(a.state, '') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - a.backend_start), -1)::float8 AS seconds,
       coalesce(host(a.client_addr), '') AS client
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usename IS NOT NULL
   AND coalesce(a.backend_type, 'client backend') IN ('client backend', 'walsender')
 ORDER BY a.backend_start, a.pid
