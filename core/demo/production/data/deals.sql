-- Two companies for every organization, so that each has a buyer and a target; the rest by chance.
CREATE TEMPORARY TABLE new_companies AS
SELECT g.n, gen_random_uuid() AS id, o.id AS organization_id
FROM (SELECT n, CASE WHEN n <= 2 * tenants THEN 1 + n % tenants ELSE pg_temp.pick_skewed(n, 30, tenants) END AS tenant
      FROM (SELECT count(*) AS tenants FROM new_organizations) AS t,
           generate_series(1, greatest(2 * tenants, pg_temp.amount(15))) AS n) AS g
JOIN new_organizations o ON o.n = g.tenant;

CREATE UNIQUE INDEX ON new_companies (n);
ANALYZE new_companies;

CREATE TEMPORARY TABLE portfolio AS
SELECT organization_id, array_agg(id ORDER BY n) AS ids FROM new_companies GROUP BY organization_id;

INSERT INTO companies (id, organization_id, parent_company_id, name, website, sector, employee_count)
SELECT c.id, c.organization_id, CASE WHEN c.id <> p.ids[1] AND pg_temp.chance(c.n, 31) < 0.15 THEN p.ids[1] END,
       pg_temp.choose('{Northgate,Oakfield,Pemberton,Quayside,Redhill,Silverdale,Thornton,Westbrook}'::text[], c.n, 32)
           || ' ' || pg_temp.choose('{Systems,Foods,Logistics,Health,Energy}'::text[], c.n, 33) || ' ' || c.n,
       'https://company' || c.n || '.example.com',
       pg_temp.choose('{technology,consumer,transport,healthcare,energy}'::text[], c.n, 34), pg_temp.pick_skewed(c.n, 35, 5000)
FROM new_companies c
JOIN portfolio p USING (organization_id);

CREATE TEMPORARY TABLE new_contacts AS
SELECT g, gen_random_uuid() AS id, c.organization_id, c.id AS company_id, c.n AS company
FROM (SELECT g, pg_temp.pick(g, 36, (SELECT count(*) FROM new_companies)) AS n
      FROM generate_series(1, pg_temp.amount(20)) AS g) AS s
JOIN new_companies c USING (n);

INSERT INTO contacts (id, organization_id, company_id, owner_id, full_name, email)
SELECT c.id, c.organization_id, c.company_id, CASE WHEN c.g % 4 > 0 THEN pg_temp.choose(s.ids, c.g, 37) END,
       'Contact ' || c.g, 'contact' || c.g || '@example.org'
FROM new_contacts c
JOIN staff s USING (organization_id);

INSERT INTO pipelines (organization_id, name, is_default)
SELECT id, 'Main pipeline', true FROM new_organizations;

INSERT INTO pipeline_stages (pipeline_id, name, position, win_probability)
SELECT p.id, s.name, s.position, s.position * 0.2
FROM pipelines p, unnest('{Sourced,Qualified,Diligence,Negotiation,Closed}'::text[]) WITH ORDINALITY AS s (name, position);

CREATE TEMPORARY TABLE stages AS
SELECT p.organization_id, array_agg(s.id ORDER BY s.position) AS ids
FROM pipelines p JOIN pipeline_stages s ON s.pipeline_id = p.id
GROUP BY p.organization_id;

CREATE TEMPORARY TABLE new_deals AS
SELECT g.n, gen_random_uuid() AS id, s.organization_id, pg_temp.choose(s.ids, g.n, 40) AS owner_id,
       pg_temp.choose(s.ids, g.n, 41) AS created_by, pg_temp.moment(g.n, 42) AS created_at
FROM (SELECT n, pg_temp.pick_skewed(n, 43, (SELECT count(*) FROM new_organizations)) AS tenant
      FROM generate_series(1, pg_temp.amount(35)) AS n) AS g
JOIN new_organizations o ON o.n = g.tenant
JOIN staff s ON s.organization_id = o.id;

CREATE UNIQUE INDEX ON new_deals (n);
ANALYZE new_deals;

INSERT INTO deals (id, organization_id, pipeline_stage_id, target_company_id, buyer_company_id, owner_id, created_by,
                   parent_deal_id, name, status, enterprise_value, net_debt, expected_close, created_at, updated_at, deleted_at)
SELECT d.id, d.organization_id, s.ids[stage], p.ids[1], p.ids[pg_temp.pick(d.n, 44, cardinality(p.ids) - 1) + 1],
       d.owner_id, d.created_by, CASE WHEN d.n % 12 = 0 THEN d.previous_id END,
       'Project ' || pg_temp.choose('{Aurora,Beacon,Comet,Dune,Ember,Falcon,Glacier,Horizon}'::text[], d.n, 45) || ' ' || d.n,
       (enum_range(NULL::deal_status))[stage + d.n % 2], 1000000 * pg_temp.pick_skewed(d.n, 46, 500),
       100000 * pg_temp.pick_skewed(d.n, 47, 300), current_date + pg_temp.pick(d.n, 48, 365)::integer,
       d.created_at, d.created_at, CASE WHEN pg_temp.chance(d.n, 49) < 0.02 THEN now() END
FROM (SELECT *, pg_temp.pick_skewed(n, 50, 5) AS stage,
             lag(id) OVER (PARTITION BY organization_id ORDER BY n) AS previous_id
      FROM new_deals) AS d
JOIN stages s USING (organization_id)
JOIN portfolio p USING (organization_id);

INSERT INTO deal_members (organization_id, deal_id, user_id, responsibility)
SELECT organization_id, id, owner_id, 'lead' FROM new_deals
UNION ALL
SELECT organization_id, id, created_by, 'contributor' FROM new_deals WHERE created_by <> owner_id AND n % 2 = 0;

INSERT INTO deal_stage_history (deal_id, from_stage_id, to_stage_id, changed_by, changed_at)
SELECT d.id, s.ids[step - 1], s.ids[step], CASE WHEN d.n % 5 > 0 THEN d.owner_id END, d.created_at + step * interval '9 days'
FROM new_deals d
JOIN stages s USING (organization_id), generate_series(1, 1 + d.n % 2) AS step;

INSERT INTO deal_activities (organization_id, deal_id, actor_id, kind, summary, participant_ids, happened_at)
SELECT d.organization_id, d.id, d.owner_id, pg_temp.choose('{call,meeting,email,note}'::text[], g, 51), 'Activity ' || g,
       ARRAY[d.owner_id, d.created_by], pg_temp.moment(g, 52)
FROM (SELECT g, pg_temp.pick_skewed(g, 53, (SELECT count(*) FROM new_deals)) AS n
      FROM generate_series(1, pg_temp.amount(70)) AS g) AS a
JOIN new_deals d USING (n);

-- Each third comment answers the one before it on the same deal.
CREATE TEMPORARY TABLE new_comments AS
SELECT g, gen_random_uuid() AS id, d.id AS deal_id, d.owner_id, d.created_by
FROM generate_series(1, pg_temp.amount(20)) AS g
JOIN new_deals d ON d.n = pg_temp.pick_skewed(g / 3, 54, (SELECT count(*) FROM new_deals));

INSERT INTO deal_comments (id, deal_id, author_id, parent_comment_id, body)
SELECT c.id, c.deal_id, CASE WHEN c.g % 2 = 0 THEN c.owner_id ELSE c.created_by END, answered.id, 'Comment ' || c.g
FROM new_comments c
LEFT JOIN new_comments answered ON answered.g = c.g - 1 AND answered.deal_id = c.deal_id AND c.g % 3 = 2;

-- A hundredth of the log is by people who were deleted long ago: orphans, behind a key that was never validated.
INSERT INTO audit_logs (organization_id, actor_id, action, entity_type, entity_id, payload, created_at)
SELECT d.organization_id, CASE WHEN g % 100 = 7 THEN gen_random_uuid() WHEN g % 10 > 0 THEN d.owner_id END,
       pg_temp.choose('{created,updated,updated,viewed}'::text[], g, 55), 'deal', d.id,
       jsonb_build_object('deal_id', d.id, 'actor_id', d.owner_id), pg_temp.moment(g, 56)
FROM (SELECT g, pg_temp.pick_skewed(g, 57, (SELECT count(*) FROM new_deals)) AS n
      FROM generate_series(1, pg_temp.amount(80)) AS g) AS a
JOIN new_deals d USING (n);
