CREATE TEMPORARY TABLE new_tasks AS
SELECT g, gen_random_uuid() AS id, d.id AS deal_id, d.organization_id, d.owner_id, d.created_by
FROM generate_series(1, pg_temp.amount(30)) AS g
JOIN new_deals d ON d.n = pg_temp.pick_skewed(g / 4, 60, (SELECT count(*) FROM new_deals));

CREATE UNIQUE INDEX ON new_tasks (g);
ANALYZE new_tasks;

INSERT INTO tasks (id, organization_id, deal_id, assignee_id, created_by, completed_by, parent_task_id, title, due_on, completed_at)
SELECT t.id, t.organization_id, t.deal_id, CASE WHEN t.g % 5 > 0 THEN t.owner_id END, t.created_by,
       CASE WHEN t.g % 3 = 0 THEN t.owner_id END, CASE WHEN t.g % 4 > 0 THEN parent.id END, 'Task ' || t.g,
       current_date + pg_temp.pick(t.g, 61, 120)::integer - 60, CASE WHEN t.g % 3 = 0 THEN now() END
FROM new_tasks t
LEFT JOIN new_tasks parent ON parent.g = t.g - t.g % 4;

INSERT INTO task_dependencies (task_id, depends_on_id)
SELECT t.id, before.id
FROM new_tasks t
JOIN new_tasks before ON before.g = t.g - 1 AND before.deal_id = t.deal_id
WHERE t.g % 4 = 2;

INSERT INTO notifications (organization_id, user_id, subject_type, subject_id, message, read_at, created_at)
SELECT t.organization_id, t.owner_id, 'task', t.id, 'A task is waiting', CASE WHEN n.g % 3 > 0 THEN now() END, pg_temp.moment(n.g, 62)
FROM (SELECT g, pg_temp.pick(g, 63, (SELECT count(*) FROM new_tasks)) AS task
      FROM generate_series(1, pg_temp.amount(45)) AS g) AS n
JOIN new_tasks t ON t.g = n.task;

INSERT INTO financial_connections (organization_id, connected_by, provider, external_tenant_id)
SELECT id, owner_id, pg_temp.choose('{xero,quickbooks,sage}'::text[], n, 64), gen_random_uuid()
FROM new_organizations;

INSERT INTO financial_statements (organization_id, company_id, connection_id, fiscal_year, revenue, ebitda)
SELECT c.organization_id, c.id, f.id, year, 100000 * pg_temp.pick_skewed(c.n, 65, 900), 10000 * pg_temp.pick_skewed(c.n, 66, 900)
FROM new_companies c
JOIN financial_connections f USING (organization_id), generate_series(2023, 2024) AS year
WHERE c.n % 2 = 0;
