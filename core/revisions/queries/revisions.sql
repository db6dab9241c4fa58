-- name: session_identity
-- Which database this is at this moment, the same for every session of it; then what tells this session from others.
-- It runs in the application's process, by whichever driver: no placeholder, and no percent sign.
SELECT pg_catalog.concat(d.datname, ' (oid ', d.oid, ', port ', pg_catalog.current_setting('port'), ', started ',
                         extract(epoch FROM pg_catalog.pg_postmaster_start_time()), ')') AS identity,
       pg_catalog.pg_backend_pid() AS pid,
       (SELECT extract(epoch FROM a.backend_start)::text FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()) AS started
  FROM pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()

-- name: table_exists
SELECT to_regclass($1)::oid

-- name: blockers
-- Who is in the way of these sessions, with what this role may see of them.
SELECT a.pid, a.usename AS role, a.application_name AS application, a.state, left(a.query, 100) AS query
  FROM pg_stat_activity a
 WHERE a.pid IN (SELECT unnest(pg_blocking_pids(p)) FROM unnest($1::int[]) p)
   AND NOT a.pid = ANY ($1::int[])
 ORDER BY a.pid

-- name: session_is_there
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2)

-- name: end_session
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2

-- name: schemas_of_the_path
SELECT current_schemas(false)

-- name: names_with_a_table
-- What shares the schema's set of names with tables and comes with this one: its indexes, and the sequences that it owns.
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'INDEX' END AS kind, n.nspname AS schema, c.relname AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = $1::text::regclass)
    OR (c.relkind = 'S'
        AND EXISTS (SELECT FROM pg_depend d
                     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                       AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::text::regclass
                       AND d.deptype IN ('a', 'i')))
 ORDER BY 1, 2, 3
