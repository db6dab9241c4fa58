-- name: available_extensions
SELECT name FROM pg_catalog.pg_available_extensions

-- name: extension_stubs
-- Statements that make something of the same name and signature for what extensions bring, in the order in which they must
-- run: types stored as text, functions that do nothing, operators, casts, aggregates, operator classes. For an empty database only.
WITH member AS (
  SELECT e.extname, d.classid, d.objid
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
   WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = ANY ($1::text[])
), base_type AS (
  SELECT m.extname, t.oid, quote_ident(n.nspname) AS schema, t.oid::regtype::text AS name, t.typcategory
    FROM member m JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
    JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typtype = 'b' AND t.typcategory <> 'A'
), routine AS (
  SELECT m.extname, p.*, quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS name,
         quote_ident(n.nspname) AS schema, pg_get_function_arguments(p.oid) AS arguments,
         pg_get_function_result(p.oid) AS result
    FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
    JOIN pg_namespace n ON n.oid = p.pronamespace
)
SELECT extname AS extension, step, sql FROM (
  SELECT extname, 1 AS step, oid, unnest(ARRAY[
           format('CREATE TYPE %s', name),
           format('CREATE FUNCTION %s.pgrecast_in_%s(cstring, oid, integer) RETURNS %s LANGUAGE internal IMMUTABLE STRICT AS %L',
                  schema, oid, name, 'textin'),
           format('CREATE FUNCTION %s.pgrecast_out_%s(%s) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS %L',
                  schema, oid, name, 'textout'),
           -- takes whatever modifiers there are, and gives a number
           format('CREATE FUNCTION %s.pgrecast_modifiers_%s(cstring[]) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS %L',
                  schema, oid, 'array_ndims'),
           format('CREATE TYPE %s (INPUT = %s.pgrecast_in_%s, OUTPUT = %2$s.pgrecast_out_%3$s, '
                  'TYPMOD_IN = %2$s.pgrecast_modifiers_%3$s, LIKE = text, CATEGORY = %L)', name, schema, oid, typcategory)
         ]) AS sql
    FROM base_type
  UNION ALL
  SELECT extname, 2, oid,
         format('CREATE %s %s(%s) %s LANGUAGE plpgsql %s %s AS %L', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
                name, arguments, CASE WHEN prokind = 'f' THEN 'RETURNS ' || result END,
                CASE WHEN prokind = 'f' THEN CASE provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' END END,
                CASE WHEN prokind = 'f' AND proisstrict THEN 'STRICT' END,
                CASE WHEN prokind = 'p' OR proretset OR proallargtypes IS NOT NULL OR prorettype = 'void'::regtype
                     THEN 'BEGIN RETURN; END' ELSE 'BEGIN RETURN NULL; END' END)
    FROM routine WHERE prokind IN ('f', 'p')
  UNION ALL
  SELECT m.extname, 3, o.oid,
         format('CREATE OPERATOR %I.%s (FUNCTION = %s%s, RIGHTARG = %s)', n.nspname, o.oprname, o.oprcode::regproc,
                CASE WHEN o.oprleft <> 0 THEN ', LEFTARG = ' || o.oprleft::regtype END, o.oprright::regtype)
    FROM member m JOIN pg_operator o ON m.classid = 'pg_operator'::regclass AND o.oid = m.objid
    JOIN pg_namespace n ON n.oid = o.oprnamespace
  UNION ALL
  SELECT m.extname, 4, c.oid,
         format('CREATE CAST (%s AS %s) %s %s', c.castsource::regtype, c.casttarget::regtype,
                CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT'
                                  ELSE 'WITHOUT FUNCTION' END,
                CASE c.castcontext WHEN 'i' THEN 'AS IMPLICIT' WHEN 'a' THEN 'AS ASSIGNMENT' END)
    FROM member m JOIN pg_cast c ON m.classid = 'pg_cast'::regclass AND c.oid = m.objid
  UNION ALL
  SELECT extname, 5, oid, unnest(ARRAY[
           format('CREATE FUNCTION %s.pgrecast_step_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', schema, oid,
                  concat_ws(', ', prorettype::regtype, nullif(pg_get_function_identity_arguments(oid), '')),
                  prorettype::regtype, 'BEGIN RETURN NULL; END'),
           format('CREATE AGGREGATE %s(%s) (SFUNC = %s.pgrecast_step_%s, STYPE = %s)', name,
                  coalesce(nullif(pg_get_function_identity_arguments(oid), ''), '*'), schema, oid, prorettype::regtype)])
    FROM routine WHERE prokind = 'a'
  UNION ALL
  -- For GROUP BY, DISTINCT and the like a type must have an equality, which such a class names.
  SELECT m.extname, 6, c.oid,
         format('CREATE OPERATOR CLASS %I.%I %s FOR TYPE %s USING %I AS %s%s', n.nspname, c.opcname,
                CASE WHEN c.opcdefault THEN 'DEFAULT' END, c.opcintype::regtype, a.amname,
                (SELECT string_agg(format('OPERATOR %s %s', o.amopstrategy, o.amopopr::regoperator), ', ')
                   FROM pg_amop o WHERE o.amopfamily = c.opcfamily AND o.amoplefttype = c.opcintype
                                    AND o.amoprighttype = c.opcintype),
                (SELECT string_agg(format(', FUNCTION %s %s', p.amprocnum, p.amproc::regprocedure), '')
                   FROM pg_amproc p WHERE p.amprocfamily = c.opcfamily AND p.amproclefttype = c.opcintype
                                      AND p.amprocrighttype = c.opcintype))
    FROM member m JOIN pg_opclass c ON m.classid = 'pg_opclass'::regclass AND c.oid = m.objid
    JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am a ON a.oid = c.opcmethod
   WHERE a.amname IN ('btree', 'hash')
) stub
ORDER BY step, oid
