-- name: server
-- As settings it tells those that a conversion has to do with; where the session has its own (time-outs),
-- what the database or the role has been given, if anything.
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
       d.datname AS database, d.oid AS database_oid, pg_is_in_recovery() AS in_recovery,
       current_user::text AS role, r.rolsuper AS is_superuser, r.rolcreatedb AS can_create_database,
       r.rolcreaterole AS can_create_role, r.rolbypassrls AS bypasses_row_security,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collation,
       pg_database_size(d.oid) AS database_bytes
  FROM pg_database d
  JOIN pg_roles r ON r.rolname = current_user
 WHERE d.datname = current_database()

-- name: settings
SELECT s.name, s.setting || coalesce(s.unit, '') AS value
  FROM pg_settings s
 WHERE s.name = ANY ($1::text[]) AND (s.source NOT IN ('client', 'session'))
UNION ALL
SELECT v.name, v.value
  FROM (SELECT DISTINCT ON (1) split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
          FROM pg_db_role_setting s
          JOIN pg_roles r ON r.rolname = session_user
         CROSS JOIN LATERAL unnest(s.setconfig) c
         WHERE s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
           AND s.setrole IN (0, r.oid)
         ORDER BY 1, s.setrole <> 0 AND s.setdatabase <> 0 DESC, s.setrole <> 0 DESC) v
  JOIN pg_settings s ON s.name = v.name AND s.source IN ('client', 'session')
 WHERE v.name = ANY ($1::text[])
