-- name: scratch_databases
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, shobj_description(d.oid, 'pg_database') AS comment,
       (SELECT count(*)::int FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend') AS sessions
  FROM pg_database d
 WHERE d.datname LIKE $1::text
 ORDER BY d.datname

-- name: end_own_sessions
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = $1 AND pid <> pg_backend_pid() AND usename = current_user
