-- name: namesakes
-- $1 names of databases, $2 names of roles, $3 the comment by which the demo knows its own
SELECT 'database' AS kind, datname::text AS name, coalesce(shobj_description(oid, 'pg_database') = $3, false) AS is_ours
FROM pg_database WHERE datname = ANY ($1::text[])
UNION ALL
SELECT 'role', rolname::text, coalesce(shobj_description(oid, 'pg_authid') = $3, false)
FROM pg_roles WHERE rolname = ANY ($2::text[])

-- name: databases
-- the demo's two ($2), and whatever their owner ($1) has made besides
SELECT datname::text FROM pg_database
WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = $1) OR datname = ANY ($2::text[])

-- name: size
SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'billing'::regnamespace)),
       (SELECT count(*) FROM pg_constraint WHERE contype = 'f'),
       pg_temp.total_rows()
