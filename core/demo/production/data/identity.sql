CREATE TEMPORARY TABLE new_organizations AS
SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS owner_id, pg_temp.moment(n, 1) AS created_at
FROM generate_series(1, pg_temp.amount(2.5)) AS n;

CREATE UNIQUE INDEX ON new_organizations (n);
ANALYZE new_organizations;

INSERT INTO organizations (id, name, slug, tier, parent_organization_id, owner_id, settings, created_at, updated_at, deleted_at)
SELECT o.id,
       pg_temp.choose('{Alder,Birch,Cedar,Dunmore,Elm,Fairfax,Granite,Harbour,Ironbridge,Juniper}'::text[], o.n, 2)
           || ' ' || pg_temp.choose('{Advisory,Capital,Partners,Equity,Holdings}'::text[], o.n, 3) || ' ' || o.n,
       'org-' || o.n,
       pg_temp.choose('{trial,starter,starter,growth,growth,enterprise}'::subscription_tier[], o.n, 4),
       parent.id, o.owner_id,
       jsonb_build_object('default_owner_id', o.owner_id, 'currency', 'GBP'),
       o.created_at, o.created_at,
       CASE WHEN pg_temp.chance(o.n, 5) < 0.03 THEN now() END
FROM new_organizations o
LEFT JOIN new_organizations parent ON parent.n = o.n / 2 AND pg_temp.chance(o.n, 6) < 0.1;

-- Every organization has its owner; the rest of the people crowd in the larger ones.
CREATE TEMPORARY TABLE new_users AS
SELECT g.n, CASE WHEN owns THEN o.owner_id ELSE gen_random_uuid() END AS id, o.id AS organization_id, o.owner_id, owns
FROM (SELECT n, n <= tenants AS owns, CASE WHEN n <= tenants THEN n ELSE pg_temp.pick_skewed(n, 10, tenants) END AS tenant
      FROM (SELECT count(*) AS tenants FROM new_organizations) AS t,
           generate_series(1, greatest(tenants, pg_temp.amount(25))) AS n) AS g
JOIN new_organizations o ON o.n = g.tenant;

CREATE UNIQUE INDEX ON new_users (n);
ANALYZE new_users;

INSERT INTO users (id, organization_id, clerk_user_id, email, full_name, job_title, manager_id, is_active, last_login_at)
SELECT id, organization_id, 'user_' || md5(n::text), 'person' || n || '@example.com',
       pg_temp.choose('{Ada,Ben,Chloe,Dev,Esme,Femi,Grace,Hugo,Isla,Jonas}'::text[], n, 11) || ' '
           || pg_temp.choose('{Archer,Brown,Clarke,Dawson,Evans,Foster,Gray,Hughes}'::text[], n, 12),
       pg_temp.choose('{Analyst,Associate,Director,Partner}'::text[], n, 13),
       CASE WHEN NOT owns THEN owner_id END, pg_temp.chance(n, 14) < 0.9, pg_temp.moment(n, 15)
FROM new_users;

-- The people of each organization, for choosing a colleague.
CREATE TEMPORARY TABLE staff AS
SELECT organization_id, array_agg(id) AS ids FROM new_users GROUP BY organization_id;

CREATE UNIQUE INDEX ON staff (organization_id);
ANALYZE staff;

INSERT INTO roles (organization_id, name, is_system)
SELECT o.id, r.name, r.name = 'admin'
FROM new_organizations o, unnest('{admin,advisor,viewer}'::text[]) AS r (name);

UPDATE roles SET parent_role_id = admin.id
FROM roles admin
WHERE admin.organization_id = roles.organization_id AND admin.name = 'admin' AND roles.name = 'advisor';

INSERT INTO permissions (code, description)
SELECT resource || ':' || verb, 'May ' || verb || ' ' || resource
FROM unnest('{deals,documents,valuations,billing}'::text[]) AS resource, unnest('{read,write,share}'::text[]) AS verb;

INSERT INTO role_permissions (role_id, permission_id)
SELECT r.id, p.id
FROM roles r
JOIN permissions p ON CASE r.name WHEN 'admin' THEN p.id <= 8 WHEN 'advisor' THEN p.id <= 3 ELSE p.code = 'deals:read' END;

INSERT INTO organization_members (organization_id, user_id, role_id, invited_by)
SELECT u.organization_id, u.id, r.id, CASE WHEN NOT u.owns THEN u.owner_id END
FROM new_users u
JOIN roles r ON r.organization_id = u.organization_id
    AND r.name = CASE WHEN u.owns THEN 'admin' WHEN u.n % 3 = 0 THEN 'viewer' ELSE 'advisor' END;

INSERT INTO teams (organization_id, lead_id, name)
SELECT o.id, o.owner_id, t.name
FROM new_organizations o, unnest('{Origination,Execution}'::text[]) AS t (name);

INSERT INTO team_members (team_id, user_id)
SELECT t.id, u.id
FROM new_users u
JOIN teams t ON t.organization_id = u.organization_id
    AND t.name = CASE WHEN u.n % 2 = 0 THEN 'Origination' ELSE 'Execution' END
WHERE pg_temp.chance(u.n, 16) < 0.8;

INSERT INTO api_keys (organization_id, user_id, label, key_digest, revoked_at)
SELECT u.organization_id, u.id, 'Key ' || u.n, sha256(u.id::text::bytea), CASE WHEN u.n % 4 = 0 THEN now() END
FROM new_users u
WHERE u.n <= pg_temp.amount(5);

INSERT INTO user_sessions (user_id, impersonated_by, user_agent, address, created_at, expires_at)
SELECT u.id, CASE WHEN NOT u.owns AND pg_temp.chance(g, 17) < 0.02 THEN u.owner_id END,
       'Mozilla/5.0', '192.0.2.0'::inet + pg_temp.pick(g, 18, 250), at, at + interval '14 days'
FROM (SELECT g, pg_temp.pick_skewed(g, 19, (SELECT count(*) FROM new_users)) AS n, pg_temp.moment(g, 20) AS at
      FROM generate_series(1, pg_temp.amount(45)) AS g) AS s
JOIN new_users u USING (n);

INSERT INTO invitations (organization_id, role_id, invited_by, email, token_digest, accepted_at, expires_at)
SELECT o.id, r.id, o.owner_id, 'invited' || g || '@example.com', sha256(('invitation ' || g)::bytea),
       CASE WHEN g % 3 = 0 THEN now() END, now() + interval '7 days'
FROM (SELECT g, pg_temp.pick(g, 21, (SELECT count(*) FROM new_organizations)) AS n
      FROM generate_series(1, pg_temp.amount(5)) AS g) AS i
JOIN new_organizations o USING (n)
JOIN roles r ON r.organization_id = o.id AND r.name = 'viewer';
