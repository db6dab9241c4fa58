-- name: sessions_of_roles
SELECT usename, count(*)::int AS sessions FROM pg_stat_activity WHERE usename = ANY ($1::text[]) GROUP BY usename

-- name: end_sessions_of_role
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1
