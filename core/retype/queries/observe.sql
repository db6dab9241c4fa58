-- name: observe
-- What a second session sees of the one that converts. It names no relation of the conversion: every function that opens
-- one (pg_relation_size, regclass of a name) would wait behind its locks.
SELECT
  pg_database_size(current_database()) AS database_bytes,
  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
  activity.state,
  activity.wait_event_type,
  activity.wait_event,
  indexing.phase AS index_phase,
  coalesce(nullif(indexing.blocks_total, 0), indexing.tuples_total) AS index_total,
  CASE WHEN indexing.blocks_total > 0 THEN indexing.blocks_done ELSE indexing.tuples_done END AS index_done
FROM (SELECT $1::integer AS pid) AS this
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = this.pid
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS indexing ON indexing.pid = this.pid

-- name: waiters
-- Who waits for whom, where the conversion is one of the two. Sessions that wait for nothing are not asked for.
WITH waiting AS MATERIALIZED (
  SELECT DISTINCT pid FROM pg_catalog.pg_locks WHERE NOT granted AND pid IS NOT NULL
), edges AS MATERIALIZED (
  SELECT waiting.pid AS waiter, holder FROM waiting, unnest(pg_blocking_pids(waiting.pid)) AS holder
)
SELECT DISTINCT ON (edges.waiter, edges.holder)
  edges.waiter,
  edges.holder,
  activity.usename AS role,
  activity.application_name AS application,
  activity.state,
  extract(epoch FROM clock_timestamp() - activity.state_change)::float8 AS seconds,
  left(activity.query, 100) AS query
FROM edges
-- The other one of the two.
LEFT JOIN pg_catalog.pg_stat_activity AS activity
  ON activity.pid = CASE WHEN edges.waiter = $1::integer THEN edges.holder ELSE edges.waiter END
WHERE edges.waiter = $1::integer OR edges.holder = $1::integer
