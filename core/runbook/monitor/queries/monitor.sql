-- name: pressure
-- Of another role's sessions the state is visible with pg_read_all_stats only.
SELECT count(*)::int AS sessions,
       (count(*) FILTER (WHERE a.state = 'active'))::int AS active,
       (count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'))::int AS idle_in_transaction
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND coalesce(a.backend_type, 'client backend') = 'client backend'

-- name: lock_waits
-- The wait's begin is a lock's since version 14; before, the query's begin comes nearest.
SELECT a.pid,
       coalesce(a.usename::text, '') AS role,
       coalesce(a.application_name, '') AS application,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(w.since, a.query_start)), -1)::float8 AS seconds,
       pg_catalog.pg_blocking_pids(a.pid) AS blocked_by
  FROM (SELECT l.pid, min((to_jsonb(l) ->> 'waitstart')::timestamptz) AS since
          FROM pg_catalog.pg_locks l
         WHERE NOT l.granted AND l.pid IS NOT NULL
         GROUP BY l.pid) w
  JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
 ORDER BY 4 DESC
 LIMIT 20

-- name: statements_extension
SELECT n.nspname::text AS schema
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'

-- name: worst_queries
-- :view is the extension's. Queries of other roles are hidden without pg_read_all_stats; those of tools that look at the
-- catalog, this program's among them, are no business of the application's.
SELECT s.query,
       sum(s.calls)::bigint AS calls,
       sum(s.total_exec_time)::float8 AS total_ms
  FROM :view s
 WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
   AND s.query ~* '^\s*(select|insert|update|delete|with)\M'
   AND s.query !~* '\m(pg_|information_schema|current_setting|set_config)'
   AND length(s.query) <= 10000
 GROUP BY s.query
 ORDER BY total_ms DESC
 LIMIT $1

-- name: parameters
SELECT cardinality(p.parameter_types) AS count FROM pg_catalog.pg_prepared_statements p WHERE p.name = $1
