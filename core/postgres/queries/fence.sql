-- name: fence_database
SELECT d.datname::text AS database,
       pg_has_role(current_user, d.datdba, 'USAGE') AS owned,
       coalesce(array_to_string(d.datacl, ' '), '') AS acl,
       (SELECT split_part(c.setting, '=', 2)
          FROM pg_db_role_setting s, unnest(s.setconfig) AS c (setting)
         WHERE s.setdatabase = d.oid AND s.setrole = 0 AND split_part(c.setting, '=', 1) = 'default_transaction_read_only'
       ) AS read_only
  FROM pg_database d
 WHERE d.datname = current_database()

-- name: fence_grants
-- Who may connect besides the owner; role 0 is PUBLIC. Of a role that does not exist any more nothing is said.
SELECT coalesce(grantee.rolname::text, '') AS role,
       a.is_grantable AS grantable,
       CASE WHEN a.grantor <> d.datdba THEN pg_get_userbyid(a.grantor)::text ELSE '' END AS grantor
  FROM pg_database d
 CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
  LEFT JOIN pg_roles grantee ON grantee.oid = a.grantee
 WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT' AND a.grantee <> d.datdba
   AND (a.grantee = 0 OR grantee.oid IS NOT NULL)
 ORDER BY 1, 3

-- name: end_session
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE pid = $1 AND datname = current_database() AND pid <> pg_backend_pid()
