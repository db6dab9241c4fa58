-- name: script_state
-- What belongs to the relations that the script is about: a row for each thing. `exact` is to be the same afterwards;
-- `spelling` holds what may be spelt otherwise once the types have changed. Under search_path = pg_catalog.
WITH touched (name) AS (
  VALUES
    {relations}
), relation AS (
  SELECT t.name, c.* FROM touched t JOIN pg_class c ON c.oid = to_regclass(t.name)
)
SELECT r.name AS rel, 'relation' AS item,
       concat_ws('|', r.relkind, pg_get_userbyid(r.relowner), r.relrowsecurity, r.relforcerowsecurity,
                 array_to_string(r.reloptions, ','), obj_description(r.oid, 'pg_class'),
                 {grants of coalesce(r.relacl, acldefault('r', r.relowner))}) AS exact,
       CASE WHEN r.relkind IN ('v', 'm') THEN pg_get_viewdef(r.oid) ELSE '' END AS spelling
FROM relation r
UNION ALL
SELECT r.name, concat('column ', a.attname),
       concat_ws('|', row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attnotnull, a.attgenerated,
                 a.attidentity, coalesce(a.attstattarget, -1),
                 array_to_string(a.attoptions || a.attfdwoptions, ','), col_description(a.attrelid, a.attnum),
                 {grants of a.attacl}),
       concat_ws('|', format_type(a.atttypid, a.atttypmod),
                 pg_get_expr(d.adbin, CASE WHEN a.attgenerated = '' THEN 0 ELSE d.adrelid END))
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT r.name, concat('constraint ', k.conname),
       concat_ws('|', k.contype, k.convalidated, k.condeferrable, k.condeferred, obj_description(k.oid, 'pg_constraint')),
       pg_get_constraintdef(k.oid)
FROM relation r
JOIN pg_constraint k ON k.conrelid = r.oid AND (k.contype <> 'f' OR k.conparentid = 0)
UNION ALL
SELECT r.name, concat('index ', c.relname),
       concat_ws('|', x.indisunique, x.indisvalid, x.indisclustered, x.indisreplident, array_to_string(c.reloptions, ','),
                 obj_description(c.oid, 'pg_class')),
       pg_get_indexdef(x.indexrelid)
FROM relation r
JOIN pg_index x ON x.indrelid = r.oid
JOIN pg_class c ON c.oid = x.indexrelid
UNION ALL
SELECT r.name, concat('trigger ', t.tgname), concat_ws('|', t.tgenabled, obj_description(t.oid, 'pg_trigger')),
       pg_get_triggerdef(t.oid)
FROM relation r
JOIN pg_trigger t ON t.tgrelid = r.oid AND (NOT t.tgisinternal OR (t.tgparentid <> 0
     AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype = 'f')))
UNION ALL
SELECT r.name, concat('rule ', w.rulename), concat_ws('|', w.ev_enabled, obj_description(w.oid, 'pg_rewrite')),
       pg_get_ruledef(w.oid)
FROM relation r
JOIN pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
UNION ALL
SELECT r.name, concat('policy ', p.polname),
       concat_ws('|', p.polcmd, p.polpermissive,
                 (SELECT string_agg(o.name, ',' ORDER BY convert_to(o.name, 'UTF8'))
                  FROM (SELECT CASE u WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(u)::text END FROM unnest(p.polroles) u) o (name)),
                 obj_description(p.oid, 'pg_policy')),
       concat_ws('|', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM relation r
JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT r.name, concat('statistics object ', s.stxname),
       concat_ws('|', pg_get_userbyid(s.stxowner), coalesce(s.stxstattarget, -1), obj_description(s.oid, 'pg_statistic_ext')),
       pg_get_statisticsobjdef(s.oid)
FROM relation r
JOIN pg_statistic_ext s ON s.stxrelid = r.oid
UNION ALL
SELECT f.name, 'function',
       concat_ws('|', pg_get_userbyid(p.proowner), obj_description(p.oid, 'pg_proc'),
                 {grants of coalesce(p.proacl, acldefault('f', p.proowner))}),
       pg_get_functiondef(p.oid)
FROM (
  VALUES
    {functions}
) f (name, nspname, proname, arguments)
JOIN pg_namespace n ON n.nspname = f.nspname
JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = f.proname
              AND pg_get_function_identity_arguments(p.oid) = f.arguments

-- name: script_grants
(SELECT string_agg(o.line, ',' ORDER BY convert_to(o.line, 'UTF8'))
 FROM (SELECT concat_ws(':', CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END,
                        pg_get_userbyid(g.grantor), g.privilege_type, g.is_grantable)
       FROM aclexplode({acl}) g) o (line))
