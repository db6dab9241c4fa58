-- name: moment
-- What the transaction's snapshot shows, as far as a moment can be named.
SELECT pg_catalog.transaction_timestamp() AS taken_at,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_insert_lsn() END::text AS lsn

-- name: wal_since
-- Bytes of write-ahead log since a position, of the whole cluster.
SELECT pg_catalog.pg_wal_lsn_diff(
         CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_insert_lsn() END, $1::text::pg_lsn)::bigint AS bytes

-- name: table_sizes
-- Tables with what is kept beside them for their long values, without indexes: what a dump has to read.
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_table_size(c.oid) AS bytes, c.reltuples::float8 AS rows
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'

-- name: sequence_values
-- Not bound to a snapshot: a sequence's value is what it is now.
SELECT schemaname AS schema, sequencename AS name, last_value FROM pg_catalog.pg_sequences

-- name: large_objects
SELECT count(*) FROM pg_catalog.pg_largeobject_metadata

-- name: copies_under_way
-- Tables that sessions of this application name copy at this moment.
SELECT p.relid::regclass::text AS shown, n.nspname AS schema, c.relname AS name, p.tuples_processed AS rows, p.bytes_processed AS bytes
  FROM pg_catalog.pg_stat_progress_copy p
  JOIN pg_catalog.pg_stat_activity a USING (pid)
  JOIN pg_catalog.pg_class c ON c.oid = p.relid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE a.application_name = $1

-- name: end_sessions_named
SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
 WHERE application_name = $1 AND pid <> pg_catalog.pg_backend_pid() AND usename = current_user

-- name: extensions_available
SELECT name FROM pg_catalog.pg_available_extensions

-- name: roles_there
SELECT rolname AS name FROM pg_catalog.pg_roles

-- name: is_encrypted
SELECT coalesce((SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_catalog.pg_backend_pid()), false)

-- name: database_made_like
-- How a database was made, whatever the version calls it.
SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS "collate", d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale
  FROM pg_catalog.pg_database d WHERE d.datname = current_database()

-- name: database_settings
SELECT s.setrole::regrole::text AS role, s.setrole <> 0 AS of_role, unnest(s.setconfig) AS setting
  FROM pg_catalog.pg_db_role_setting s
 WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())

-- name: database_grants
SELECT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee) END AS grantee, a.privilege_type AS privilege,
       a.is_grantable AS grantable
  FROM pg_catalog.pg_database d, aclexplode(d.datacl) a
 WHERE d.datname = current_database()

-- name: database_named
SELECT d.oid, shobj_description(d.oid, 'pg_database') AS comment FROM pg_catalog.pg_database d WHERE d.datname = $1

-- name: end_own_sessions_on
SELECT count(pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
 WHERE datname = ANY ($1::text[]) AND pid <> pg_backend_pid() AND usename = current_user

-- name: sessions_on
SELECT datname AS database, usename AS role, application_name AS application
  FROM pg_catalog.pg_stat_activity
 WHERE datname = ANY ($1::text[]) AND pid <> pg_backend_pid()
   -- of other roles' sessions it is not told
   AND coalesce(backend_type, 'client backend') = 'client backend'
