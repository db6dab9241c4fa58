-- name: heap_sizes
SELECT oid, pg_relation_size(oid) AS bytes FROM unnest($1::oid[]) AS tables (oid)
