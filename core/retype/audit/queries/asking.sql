-- name: harmless_functions
-- PostgreSQL's own functions of which no variant changes anything (docs, "Function Volatility Categories").
SELECT p.proname::text AS name FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
GROUP BY p.proname HAVING bool_and(p.provolatile <> 'v')

-- name: system_relations
SELECT c.relname::text AS name FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
