-- name: indexes_of
SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::regclass

-- name: has_snapshots
SELECT EXISTS (SELECT FROM public.valuation_snapshots)
