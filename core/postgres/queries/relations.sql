-- Every query here runs with search_path = pg_catalog, so that names in definitions are qualified.
-- "-- since N" and "-- before N" at a line's end: the line is for those major versions only (inspect.py).
-- oids from 16384 (FirstNormalObjectId) on are not the system's own; schemas named pg_... are.

-- name: schemas
SELECT n.oid, n.nspname AS name, pg_get_userbyid(n.nspowner) AS owner,
       coalesce(n.nspacl, acldefault('n', n.nspowner))::text AS acl
  FROM pg_namespace n
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: relations
-- Temporary relations of every session are among them, so that whatever stands in the way has a name.
SELECT c.oid, c.reltype AS row_type, coalesce(i.parents, '{}') AS parents, c.reloftype AS of_type,
       c.reltuples AS estimated_rows,
       n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       pg_get_userbyid(c.relowner) AS owner, c.relpersistence::text AS persistence,
       am.amname AS access_method, ts.spcname AS tablespace,
       -- of a table also its toast table's, of a foreign table those for its wrapper
       coalesce(c.reloptions, '{}') || coalesce(ft.ftoptions, '{}')
         || ARRAY(SELECT 'toast.' || o FROM pg_class t, unnest(t.reloptions) o
                   WHERE c.reltoastrelid <> 0 AND t.oid = c.reltoastrelid) AS options,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security,
       c.relreplident::text AS replica_identity, c.relispopulated AS populated,
       CASE WHEN c.relkind IN ('v', 'm') AND c.relpersistence <> 't' THEN pg_get_viewdef(c.oid) END AS definition,
       coalesce(i.names, '{}') AS inherits,
       c.relispartition AS is_partition,
       CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END AS partition_bound,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
       -- each column in the key depends on the table internally, those in expressions too (StorePartitionKey)
       CASE WHEN c.relkind = 'p' THEN
         ARRAY(SELECT a.attname::text FROM pg_attribute a
                WHERE a.attrelid = c.oid
                  AND a.attnum IN (SELECT greatest(d.objsubid, d.refobjsubid) FROM pg_depend d
                                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                                      AND d.deptype = 'i')
                ORDER BY a.attnum)
       ELSE '{}' END AS partition_key_columns,
       CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS typed_as,
       fs.srvname AS foreign_server,
       CASE WHEN c.relkind = 'S' THEN
         format('%s start %s min %s max %s increment %s cache %s%s', format_type(s.seqtypid, NULL), s.seqstart, s.seqmin,
                s.seqmax, s.seqincrement, s.seqcache, CASE WHEN s.seqcycle THEN ' cycle' END)
       END AS sequence,
       own.column_name AS owned_by,
       CASE WHEN c.relkind <> 'c' THEN
         coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))::text
       END AS acl
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_am am ON am.oid = c.relam
  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_foreign_table ft ON ft.ftrelid = c.oid
  LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
  LEFT JOIN pg_sequence s ON s.seqrelid = c.oid
  LEFT JOIN (SELECT h.inhrelid, array_agg(h.inhparent ORDER BY h.inhseqno) AS parents,
                    array_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname) ORDER BY h.inhseqno) AS names
               FROM pg_inherits h
               JOIN pg_class p ON p.oid = h.inhparent
               JOIN pg_namespace pn ON pn.oid = p.relnamespace
              GROUP BY h.inhrelid) i ON i.inhrelid = c.oid
  LEFT JOIN (SELECT d.objid, quote_ident(tn.nspname) || '.' || quote_ident(t.relname) || '.' || quote_ident(a.attname)
                      AS column_name
               FROM pg_sequence q
               JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = q.seqrelid AND d.objsubid = 0
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
               JOIN pg_class t ON t.oid = d.refobjid
               JOIN pg_namespace tn ON tn.oid = t.relnamespace
               JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid) own ON own.objid = c.oid
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
   AND (n.nspname !~ '^pg_' OR n.nspname ~ '^pg_temp_')
   AND n.nspname <> 'information_schema'

-- name: columns
SELECT a.attrelid AS relation, a.attnum, a.atttypid AS type_oid,
       n.nspname AS schema, c.relname AS "table", a.attname AS name,
       (row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))::int AS position,
       format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null,
       -- only a generated column's names columns; for the others the table need not be opened, nor waited for
       pg_get_expr(d.adbin, CASE WHEN a.attgenerated = '' THEN 0 ELSE d.adrelid END) AS "default",
       a.attgenerated::text AS generated, a.attidentity::text AS identity,
       CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN
         (SELECT quote_ident(cn.nspname) || '.' || quote_ident(l.collname)
            FROM pg_collation l JOIN pg_namespace cn ON cn.oid = l.collnamespace WHERE l.oid = a.attcollation)
       END AS collation,
       CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text ELSE '' END AS storage,
       a.attcompression::text AS compression, -- since 14
       coalesce(a.attstattarget, -1)::int AS statistics_target,
       coalesce(a.attoptions, '{}') || coalesce(a.attfdwoptions, '{}') AS options,
       a.attinhcount::int AS inherited, a.attislocal AS is_local,
       a.attacl::text AS acl
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: indexes
SELECT x.indexrelid AS oid, x.indrelid AS relation, coalesce(h.inhparent, 0) AS parent,
       x.indkey::int2[] AS columns, coalesce(k.oid, 0) AS "constraint",
       n.nspname AS schema, t.relname AS "table", c.relname AS name,
       pg_get_indexdef(x.indexrelid) AS definition,
       x.indisunique AS "unique", x.indisprimary AS "primary", x.indisvalid AS valid,
       x.indisclustered AS clustered, x.indisreplident AS replica_identity,
       coalesce(c.reloptions, '{}') AS options, ts.spcname AS tablespace,
       quote_ident(pn.nspname) || '.' || quote_ident(p.relname) AS attached_to,
       coalesce(st.targets, '{}') AS statistics_targets,
       pg_get_userbyid(c.relowner) AS owner
  FROM pg_index x
  JOIN pg_class c ON c.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_inherits h ON h.inhrelid = x.indexrelid
  LEFT JOIN pg_class p ON p.oid = h.inhparent
  LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
  LEFT JOIN (SELECT a.attrelid, array_agg(ARRAY[a.attnum::int, a.attstattarget::int] ORDER BY a.attnum) AS targets
               FROM pg_attribute a
              WHERE a.attrelid >= 16384 AND a.attnum > 0 AND a.attstattarget >= 0
              GROUP BY a.attrelid) st ON st.attrelid = x.indexrelid
 WHERE x.indexrelid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: statistics
SELECT s.oid, s.stxrelid AS relation, s.stxkeys::int2[] AS columns,
       n.nspname AS schema, s.stxname AS name,
       quote_ident(tn.nspname) || '.' || quote_ident(t.relname) AS "table",
       pg_get_statisticsobjdef(s.oid) AS definition, coalesce(s.stxstattarget, -1)::int AS target,
       pg_get_userbyid(s.stxowner) AS owner
  FROM pg_statistic_ext s
  JOIN pg_namespace n ON n.oid = s.stxnamespace
  JOIN pg_class t ON t.oid = s.stxrelid
  JOIN pg_namespace tn ON tn.oid = t.relnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: sizes
-- Of main forks only. To measure a relation is to open it, which waits for whoever holds it in ACCESS EXCLUSIVE mode:
-- those are left out.
SELECT c.oid, pg_relation_size(c.oid) AS own_bytes, coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast_bytes
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 'i')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND c.oid NOT IN (SELECT l.relation FROM pg_locks l
                      WHERE l.mode = 'AccessExclusiveLock' AND l.relation IS NOT NULL
                        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
