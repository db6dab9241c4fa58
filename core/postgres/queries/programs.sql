-- name: functions
-- What belongs to an extension is defined by the extension's version. The constructors of ranges, which come and go with
-- their type, are left out.
SELECT p.oid, p.proargtypes::oid[] AS argument_types,
       coalesce(p.proallargtypes, p.proargtypes::oid[]) AS all_argument_types, p.prorettype AS return_type,
       n.nspname AS schema, p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
       p.prokind::text AS kind, l.lanname AS language,
       CASE WHEN p.prokind <> 'a' AND e.objid IS NULL THEN pg_get_functiondef(p.oid) END AS definition,
       CASE WHEN g.aggfnoid IS NULL THEN p.prosrc ELSE
         format('%s %s(%s, %s, %s) moving(%s, %s, %s, %s) sort %s final %s %s%s of %s and %s size %s %s initially %L %L direct %s',
                g.aggkind, g.aggtransfn::regproc, g.aggfinalfn::regproc, g.aggcombinefn::regproc,
                g.aggserialfn::regproc || '/' || g.aggdeserialfn::regproc,
                g.aggmtransfn::regproc, g.aggminvtransfn::regproc, g.aggmfinalfn::regproc, g.aggmfinalextra,
                g.aggsortop::regoperator, g.aggfinalmodify, g.aggmfinalmodify, g.aggfinalextra,
                format_type(g.aggtranstype, NULL), format_type(nullif(g.aggmtranstype, 0), NULL),
                g.aggtransspace, g.aggmtransspace, g.agginitval, g.aggminitval, g.aggnumdirectargs)
       END AS body,
       p.prosqlbody IS NOT NULL AS is_sql_body, -- since 14
       coalesce(pg_get_function_result(p.oid), '') AS returns,
       p.prorettype = 'trigger'::regtype AS is_trigger,
       coalesce(p.proconfig, '{}') AS config, pg_get_userbyid(p.proowner) AS owner,
       coalesce(p.proacl, acldefault('f', p.proowner))::text AS acl
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
  LEFT JOIN pg_depend e ON e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i')
 WHERE p.oid >= 16384 AND e.deptype IS DISTINCT FROM 'i'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: types
-- Arrays are among them, for their elements' sake; the row types of tables are not.
SELECT t.oid,
       CASE t.typtype WHEN 'd' THEN t.typbasetype WHEN 'r' THEN r.rngsubtype ELSE t.typelem END AS base_type,
       CASE WHEN t.typtype = 'c' THEN t.typrelid ELSE 0 END AS relation, t.typarray AS array_type,
       n.nspname AS schema, t.typname AS name, t.typtype::text AS kind,
       CASE t.typtype
         WHEN 'e' THEN (SELECT string_agg(quote_literal(v.enumlabel), ', ' ORDER BY v.enumsortorder)
                          FROM pg_enum v WHERE v.enumtypid = t.oid)
         WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                          'collate ' || (SELECT quote_ident(cn.nspname) || '.' || quote_ident(l.collname)
                                           FROM pg_collation l JOIN pg_namespace cn ON cn.oid = l.collnamespace
                                          WHERE l.oid = t.typcollation),
                          'default ' || t.typdefault, CASE WHEN t.typnotnull THEN 'not null' END)
         WHEN 'r' THEN concat_ws(' ', format_type(r.rngsubtype, NULL), 'opclass ' ||
                          (SELECT quote_ident(xn.nspname) || '.' || quote_ident(o.opcname)
                             FROM pg_opclass o JOIN pg_namespace xn ON xn.oid = o.opcnamespace WHERE o.oid = r.rngsubopc),
                          'canonical ' || nullif(r.rngcanonical, 0)::regproc, 'diff ' || nullif(r.rngsubdiff, 0)::regproc)
         WHEN 'c' THEN (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ', '
                                          ORDER BY a.attnum)
                          FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
         WHEN 'b' THEN CASE WHEN t.typarray = 0 AND t.typelem <> 0 THEN '' ELSE
                       concat_ws(' ', t.typinput::regproc, t.typoutput::regproc, nullif(t.typreceive, 0)::regproc,
                          nullif(t.typsend, 0)::regproc, 'length ' || t.typlen, 'by value ' || t.typbyval,
                          'align ' || t.typalign::text, 'storage ' || t.typstorage::text,
                          'category ' || t.typcategory::text, 'delimiter ' || t.typdelim::text) END
         ELSE '' END AS definition,
       pg_get_userbyid(t.typowner) AS owner, coalesce(t.typacl, acldefault('T', t.typowner))::text AS acl
  FROM pg_type t
  JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_range r ON r.rngtypid = t.oid
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE t.oid >= 16384 AND (t.typrelid = 0 OR c.relkind = 'c')
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: event_triggers
SELECT e.oid, e.evtname AS name, e.evtevent AS event, coalesce(e.evttags, '{}') AS tags,
       e.evtfoid::regprocedure::text AS function, e.evtenabled::text AS enabled,
       pg_get_userbyid(e.evtowner) AS owner
  FROM pg_event_trigger e

-- name: extensions
SELECT e.oid, e.extname AS name, e.extversion AS version, n.nspname AS schema
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace

-- name: publications
SELECT p.pubname AS name, pg_get_userbyid(p.pubowner) AS owner, p.puballtables AS all_tables,
       concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                 CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
                 CASE p.pubgencols WHEN 's' THEN 'stored generated columns' END, -- since 18
                 CASE WHEN p.pubviaroot THEN 'via partition root' END) AS definition,
       ARRAY(SELECT n.nspname::text FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid -- since 15
              WHERE s.pnpubid = p.oid ORDER BY 1) AS schemas, -- since 15
       p.oid
  FROM pg_publication p

-- name: published_tables
SELECT r.oid, r.prpubid AS publication_oid, r.prrelid AS relation, p.pubname AS publication,
       coalesce(r.prattrs::int2[], '{}') AS columns, -- since 15
       ARRAY(SELECT a.attname::text FROM unnest(r.prattrs) k JOIN pg_attribute a ON a.attrelid = r.prrelid -- since 15
             AND a.attnum = k ORDER BY a.attnum) AS column_names, -- since 15
       pg_get_expr(r.prqual, r.prrelid) AS row_filter, -- since 15
       n.nspname AS schema, c.relname AS "table"
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
  JOIN pg_class c ON c.oid = r.prrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
