-- name: claim_for_session
SELECT pg_try_advisory_lock($1::bigint)
