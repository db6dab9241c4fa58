-- name: connection
SELECT clock_timestamp() AS at,
       current_setting('tcp_keepalives_idle')::int AS keepalive,
       coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false) AS encrypted,
       inet_server_addr() IS NOT NULL AS tcp
