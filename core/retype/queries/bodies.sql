-- name: routines
-- Run with search_path = pg_catalog, so that types are qualified as in the catalog that was read.
-- columns: of what comes back; NULL where the caller says them, or where nothing comes back.
SELECT n.nspname AS schema, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
       format_type(p.prorettype, NULL) AS returns, coalesce(p.proargnames, '{}') AS names,
       ARRAY(SELECT format_type(t.oid, NULL)
               FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY t (oid, i) ORDER BY t.i) AS types,
       (SELECT json_agg(json_build_object('type', c.type, 'modifier', c.modifier, 'name', format_type(c.type, NULL),
                                          'full_name', format_type(c.type, c.modifier)) ORDER BY c.i)::text
          FROM (SELECT t.oid AS type, -1 AS modifier, t.i
                  FROM unnest(p.proallargtypes, p.proargmodes) WITH ORDINALITY t (oid, mode, i)
                 WHERE r.typname = 'record' AND t.mode IN ('o', 'b', 't')
                UNION ALL
                SELECT a.atttypid, a.atttypmod, a.attnum FROM pg_attribute a
                 WHERE r.typtype = 'c' AND a.attrelid = r.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL
                SELECT p.prorettype, -1, 1 WHERE r.typtype NOT IN ('c', 'p')) c) AS columns
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  JOIN pg_type r ON r.oid = p.prorettype
 WHERE l.lanname IN ('plpgsql', 'sql') AND p.prokind <> 'a' AND n.nspname NOT IN ('pg_catalog', 'information_schema')

-- name: type_named
-- A type by its name, with a row type's columns.
SELECT format_type(t.oid, NULL) AS type, t.typtype::text AS kind,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS fields
  FROM pg_type t WHERE t.oid = to_regtype($1)::oid

-- name: type_of_column
SELECT format_type(a.atttypid, NULL) AS type
  FROM pg_attribute a
 WHERE a.attrelid = to_regclass($1)::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped

-- name: columns_of
-- Of a table, a view or a row type.
SELECT a.attname::text AS column, a.atttypid AS type, a.atttypmod AS modifier, format_type(a.atttypid, NULL) AS name,
       format_type(a.atttypid, a.atttypmod) AS full_name
  FROM pg_attribute a
 WHERE a.attrelid = to_regclass($1)::oid AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
