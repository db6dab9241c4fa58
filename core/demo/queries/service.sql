-- name: schema_of_users
-- Reads the table itself, too: while it is locked, the application is not healthy.
SELECT format_type(atttypid, atttypmod) AS key_type,
       (SELECT array_agg(name) FROM unnest($1::text[]) AS name WHERE to_regclass('public.' || name) IS NULL) AS missing,
       (SELECT count(*) FROM (SELECT FROM public.users LIMIT 1) AS one) AS users
FROM pg_attribute
WHERE attrelid = 'public.users'::regclass AND attname = 'id'

-- name: latest_deal
SELECT d.id::text, d.name, o.name AS organization
FROM public.deals d JOIN public.organizations o ON o.id = d.organization_id
WHERE d.deleted_at IS NULL
LIMIT 1
