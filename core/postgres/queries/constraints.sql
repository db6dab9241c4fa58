-- name: constraints
SELECT k.oid, k.conrelid AS relation, k.contypid AS domain, k.conparentid AS parent,
       coalesce(k.conkey, '{}') AS columns,
       k.confrelid AS foreign_relation, coalesce(k.confkey, '{}') AS foreign_columns, k.conindid AS index,
       n.nspname AS schema, coalesce(c.relname, d.typname) AS "table", k.conname AS name, k.contype::text AS kind,
       pg_get_constraintdef(k.oid) AS definition,
       quote_ident(fn.nspname) || '.' || quote_ident(f.relname) AS foreign_table,
       k.condeferrable AS deferrable, k.condeferred AS deferred, k.convalidated AS validated,
       k.connoinherit AS no_inherit, k.conislocal AS is_local, k.coninhcount::int AS inherited
  FROM pg_constraint k
  LEFT JOIN pg_class c ON c.oid = k.conrelid
  LEFT JOIN pg_type d ON d.oid = k.contypid
  JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, d.typnamespace)
  LEFT JOIN pg_class f ON f.oid = k.confrelid
  LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
 WHERE k.oid >= 16384 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: enforcement
SELECT t.tgconstraint AS "constraint",
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS "table", p.proname AS function,
       t.tgenabled::text AS enabled
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE t.tgisinternal AND t.tgconstraint <> 0 AND t.tgenabled <> 'O'
 ORDER BY t.tgconstraint, n.nspname, c.relname, p.proname

-- name: triggers
-- Before version 15 a partition's copy of a trigger is marked as internal, like those behind foreign keys.
SELECT t.oid, t.tgrelid AS relation, t.tgfoid AS function, t.tgparentid AS parent, t.tgattr::int2[] AS columns,
       n.nspname AS schema, c.relname AS "table", t.tgname AS name,
       pg_get_triggerdef(t.oid) AS definition, t.tgenabled::text AS enabled,
       t.tgconstraint <> 0 AS is_constraint, t.tgqual IS NOT NULL AS has_condition
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (NOT t.tgisinternal
        OR (t.tgparentid <> 0
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype = 'f')))
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: rules
SELECT r.oid, r.ev_class AS relation, n.nspname AS schema, c.relname AS "table", r.rulename AS name,
       pg_get_ruledef(r.oid) AS definition, r.ev_enabled::text AS enabled
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.oid >= 16384 AND r.rulename <> '_RETURN'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'

-- name: policies
SELECT p.oid, p.polrelid AS relation, n.nspname AS schema, c.relname AS "table", p.polname AS name,
       p.polcmd::text AS command, p.polpermissive AS permissive,
       ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r)::text END FROM unnest(p.polroles) r ORDER BY 1)
         AS roles,
       pg_get_expr(p.polqual, p.polrelid) AS using, pg_get_expr(p.polwithcheck, p.polrelid) AS "check"
  FROM pg_policy p
  JOIN pg_class c ON c.oid = p.polrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
