-- name: role_sessions
-- Client sessions of a role, in every database of the cluster, that began before a moment; this machine's pgrecast apart.
SELECT pid, coalesce(datname, '') AS database, coalesce(application_name, '') AS application,
       coalesce(state, '') AS state, backend_start AS since, coalesce(host(client_addr), '') AS client
  FROM pg_catalog.pg_stat_activity
 WHERE usename = $1
   AND backend_type = 'client backend'
   AND pid <> pg_catalog.pg_backend_pid()
   AND NOT (application_name LIKE 'pgrecast%' AND client_addr IS NOT DISTINCT FROM (
           SELECT own.client_addr FROM pg_catalog.pg_stat_activity own WHERE own.pid = pg_catalog.pg_backend_pid()))
   AND backend_start < $2
 ORDER BY backend_start, pid

-- name: end_session
-- The start tells it from another session that has got the same process id since.
SELECT pg_catalog.pg_terminate_backend(pid) AS ended
  FROM pg_catalog.pg_stat_activity
 WHERE pid = $1 AND backend_start = $2

-- name: out_of_reach
-- Objects of this database, outside the system's schemas, with whose owner's rights the role may not act.
WITH owned(kind, name, owner) AS (
    SELECT 'database', pg_catalog.quote_ident(datname), datdba
      FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
    UNION ALL
    SELECT 'schema', pg_catalog.quote_ident(nspname), nspowner
      FROM pg_catalog.pg_namespace WHERE nspname <> 'public'
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END,
           pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relowner
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'function', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname), p.proowner
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    UNION ALL
    SELECT 'type', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname), t.typowner
      FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND EXISTS (
           SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
)
SELECT kind, name, pg_catalog.pg_get_userbyid(owner) AS owner
  FROM owned
 WHERE NOT pg_catalog.pg_has_role($1::name, owner, 'USAGE')
   AND name !~ '^"?(pg_|information_schema)'
 ORDER BY kind, name
