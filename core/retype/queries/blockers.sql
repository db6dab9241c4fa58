-- What finds the things that stand in a conversion's way, one query for each kind of blocker, to be run by hand in psql.
-- They need no arguments and list every such thing of the database, whether or not the scope touches it.

-- name: blocker_circular
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS uses
FROM pg_depend AS d
WHERE d.deptype = 'n' AND d.objid >= 16384 AND d.refobjid >= 16384
  AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
  AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)
ORDER BY 1, 2

-- name: blocker_default
SELECT adrelid::regclass AS "table", a.attname AS column, pg_get_expr(d.adbin, d.adrelid) AS "default"
FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.oid >= 16384 AND a.attgenerated = '' AND pg_get_expr(d.adbin, d.adrelid) LIKE '''%'
ORDER BY 1, 2

-- name: blocker_enforcement
SELECT k.conrelid::regclass AS "table", k.conname AS foreign_key, array_agg(t.tgenabled ORDER BY t.tgname) AS states
FROM pg_constraint AS k JOIN pg_trigger AS t ON t.tgconstraint = k.oid
WHERE k.contype = 'f' AND t.tgenabled <> 'O'
GROUP BY 1, 2
ORDER BY 1, 2

-- name: blocker_extension-member
SELECT pg_describe_object(d.classid, d.objid, 0) AS object, e.extname AS extension
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass)
ORDER BY 1

-- name: blocker_foreign-key-half
SELECT k.conrelid::regclass AS "table", k.conname AS foreign_key, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint AS k
WHERE k.contype = 'f'
ORDER BY 1, 2

-- name: blocker_foreign-table
SELECT f.ftrelid::regclass AS foreign_table, s.srvname AS server
FROM pg_foreign_table AS f JOIN pg_foreign_server AS s ON s.oid = f.ftserver
ORDER BY 1

-- name: blocker_generated-column
SELECT a.attrelid::regclass AS "table", a.attname AS column, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attgenerated <> ''
ORDER BY 1, 2

-- name: blocker_generated-key
SELECT a.attrelid::regclass AS "table", a.attname AS column, k.conname AS constraint
FROM pg_attribute AS a JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND a.attnum = ANY (k.conkey)
WHERE a.attgenerated <> '' AND k.contype IN ('p', 'f')
ORDER BY 1, 2

-- name: blocker_inherited-column
SELECT a.attrelid::regclass AS "table", a.attname AS column, i.inhparent::regclass AS parent
FROM pg_inherits AS i
JOIN pg_attribute AS a ON a.attrelid = i.inhrelid AND a.attinhcount > 0 AND NOT a.attisdropped
JOIN pg_attribute AS p ON p.attrelid = i.inhparent AND p.attname = a.attname
ORDER BY 1, 2

-- name: blocker_invalid-index
SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index
FROM pg_index AS i
WHERE NOT i.indisvalid
ORDER BY 1, 2

-- name: blocker_leftover
SELECT c.oid::regclass AS object, c.relkind AS kind
FROM pg_class AS c
WHERE starts_with(c.relname, 'pgrecast_')
ORDER BY 1

-- name: blocker_lock-holder
SELECT l.pid, l.relation::regclass AS "table", l.mode, a.usename AS role, a.application_name, a.state, a.xact_start, a.query
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.relation >= 16384 AND l.granted AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY a.xact_start

-- name: blocker_lock-table
SELECT name, setting FROM pg_settings WHERE name IN ('max_locks_per_transaction', 'max_connections', 'max_prepared_transactions')

-- name: blocker_no-collation
SELECT collnamespace::regnamespace AS schema, collname AS collation
FROM pg_collation
WHERE collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
ORDER BY 1, 2

-- name: blocker_no-create
SELECT n.nspname AS schema, r.rolname AS role
FROM pg_namespace AS n CROSS JOIN pg_roles AS r
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT has_schema_privilege(r.oid, n.oid, 'CREATE')
ORDER BY 1, 2

-- name: blocker_no-references
SELECT c.oid::regclass AS "table"
FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384 AND NOT has_table_privilege(c.oid, 'REFERENCES')
ORDER BY 1

-- name: blocker_not-member
SELECT r.rolname AS role, c.oid::regclass AS owns
FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
WHERE c.oid >= 16384 AND NOT pg_has_role(c.relowner, 'MEMBER')
UNION ALL
SELECT r.rolname, c.oid::regclass
FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantor
WHERE c.oid >= 16384 AND NOT pg_has_role(a.grantor, 'MEMBER')
ORDER BY 1, 2

-- name: blocker_not-null-name
SELECT k.conrelid::regclass AS "table", k.conname AS constraint, p.conrelid::regclass AS parent, p.conname AS of_parent
FROM pg_constraint AS k
JOIN pg_inherits AS i ON i.inhrelid = k.conrelid
JOIN pg_constraint AS p ON p.conrelid = i.inhparent AND p.contype = 'n'
JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
JOIN pg_attribute AS b ON b.attrelid = p.conrelid AND b.attnum = p.conkey[1] AND b.attname = a.attname
WHERE k.contype = 'n' AND k.conname <> p.conname
ORDER BY 1, 2

-- name: blocker_not-owner
SELECT c.oid::regclass::text AS object, c.relkind AS kind, c.relowner::regrole AS owner
FROM pg_class AS c
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
SELECT p.oid::regprocedure::text, p.prokind, p.proowner::regrole
FROM pg_proc AS p
WHERE p.oid >= 16384 AND NOT pg_has_role(p.proowner, 'USAGE')
ORDER BY 3, 1

-- name: blocker_nothing-to-convert
SELECT k.conrelid::regclass AS "table", a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.contype = 'p' AND k.oid >= 16384
ORDER BY 1, a.attnum

-- name: blocker_operator-class
SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index AS i
WHERE i.indrelid >= 16384
  AND (EXISTS (SELECT FROM unnest(i.indclass) AS c JOIN pg_opclass AS o ON o.oid = c WHERE NOT o.opcdefault)
    OR pg_get_indexdef(i.indexrelid) ~ ' COLLATE | USING (gin|spgist) ')
ORDER BY 1, 2

-- name: blocker_other-meaning
SELECT p.oid::regprocedure AS function, p.prosrc AS body
FROM pg_proc AS p
WHERE p.oid >= 16384
ORDER BY 1

-- name: blocker_partition-key
SELECT partrelid::regclass AS "table", pg_get_partkeydef(partrelid) AS partition_key FROM pg_partitioned_table ORDER BY 1

-- name: blocker_pooler
SELECT pg_backend_pid() AS differs_between_transactions, inet_server_addr() AS server, inet_server_port() AS port

-- name: blocker_prepared-transaction
SELECT p.gid, p.owner, p.prepared, l.relation::regclass AS "table", l.mode
FROM pg_prepared_xacts AS p LEFT JOIN pg_locks AS l ON l.virtualtransaction = '-1/' || p.transaction AND l.relation IS NOT NULL
WHERE p.database = current_database()
ORDER BY p.prepared

-- name: blocker_read-replica
SELECT pg_is_in_recovery() AS is_replica

-- name: blocker_refused
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS object, d.refobjid::regclass AS "table", a.attname AS column, d.deptype
FROM pg_depend AS d JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.refobjid >= 16384
ORDER BY 2, 3, 1

-- name: blocker_row-security
SELECT c.oid::regclass AS "table", c.relforcerowsecurity AS forced
FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid)
ORDER BY 1

-- name: blocker_row-type
SELECT a.attrelid::regclass AS "table", a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_type AS e ON e.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END
LEFT JOIN pg_type AS f ON f.oid = e.typelem
WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'f', 'm') AND NOT a.attisdropped AND 'c' IN (t.typtype, e.typtype, f.typtype)
ORDER BY 1, 2

-- name: blocker_temporary
SELECT c.oid::regclass AS object, c.relnamespace::regnamespace AS schema, c.relkind AS kind
FROM pg_class AS c
WHERE c.relpersistence = 't' AND c.relkind IN ('r', 'p', 'v')
ORDER BY 2, 1

-- name: blocker_two-parents
SELECT a.attrelid::regclass AS "table", a.attname AS column, a.attinhcount AS parents
FROM pg_attribute AS a
WHERE a.attinhcount > 1 AND NOT a.attisdropped
ORDER BY 1, 2

-- name: blocker_typed-table
SELECT oid::regclass AS "table", format_type(reloftype, NULL) AS type FROM pg_class WHERE reloftype <> 0 ORDER BY 1

-- name: blocker_unknown-dependent
SELECT d.classid::regclass AS catalog, d.objid AS id, pg_describe_object(d.classid, d.objid, d.objsubid) AS object, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS hangs_on
FROM pg_depend AS d
WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype IN ('n', 'a')
ORDER BY 3, 4

-- name: blocker_unrepaired
SELECT 'view' AS kind, c.oid::regclass::text AS name, pg_get_viewdef(c.oid) AS definition
FROM pg_class AS c WHERE c.relkind IN ('v', 'm') AND c.oid >= 16384
UNION ALL
SELECT 'policy', polname || ' on ' || polrelid::regclass,
  concat_ws(' / ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL
SELECT 'constraint', conname || ' on ' || conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0
UNION ALL
SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384
UNION ALL
SELECT 'trigger', tgname || ' on ' || tgrelid::regclass, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'rule', rulename || ' on ' || ev_class::regclass, pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384
UNION ALL
SELECT 'function', oid::regprocedure::text, prosrc FROM pg_proc WHERE oid >= 16384
ORDER BY 1, 2

-- name: blocker_wraparound-vacuum
SELECT pid, query FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%(to prevent wraparound)%'
