-- Views on views, and a materialized one that is refreshed concurrently.

CREATE VIEW active_deals AS
SELECT d.id, d.organization_id, d.name, d.status, d.enterprise_value, d.equity_value, d.owner_id, u.full_name AS owner_name,
       s.name AS stage_name, s.win_probability
FROM deals d
JOIN users u ON u.id = d.owner_id
JOIN pipeline_stages s ON s.id = d.pipeline_stage_id
WHERE d.deleted_at IS NULL;

CREATE VIEW pipeline_summary WITH (security_barrier = true) AS
SELECT organization_id, stage_name, count(*) AS deals, sum(enterprise_value * win_probability) AS weighted_value
FROM active_deals
GROUP BY organization_id, stage_name;

CREATE VIEW organization_overview (organization_id, organization, tier, people, open_deals, weighted_value) AS
SELECT o.id, o.name, o.tier, count(DISTINCT m.user_id), coalesce(max(p.deals), 0), coalesce(max(p.weighted_value), 0)
FROM organizations o
LEFT JOIN organization_members m ON m.organization_id = o.id
LEFT JOIN (SELECT organization_id, sum(deals) AS deals, sum(weighted_value) AS weighted_value
           FROM pipeline_summary GROUP BY organization_id) p ON p.organization_id = o.id
WHERE o.deleted_at IS NULL
GROUP BY o.id;

CREATE VIEW document_activity WITH (security_invoker = true) AS
SELECT d.id AS document_id, d.organization_id, d.title, v.version_number AS current_version, count(a.id) AS times_read,
       array_agg(DISTINCT a.user_id) FILTER (WHERE a.user_id IS NOT NULL) AS readers
FROM documents d
LEFT JOIN document_versions v ON v.id = d.current_version_id AND v.document_id = d.id
LEFT JOIN document_access_logs a ON a.document_id = d.id
GROUP BY d.id, v.version_number;

CREATE VIEW billing.open_invoices AS
SELECT i.id, i.number, c.organization_id, o.name AS organization, i.total, i.issued_on
FROM billing.invoices i
JOIN billing.customers c ON c.id = i.customer_id
JOIN public.organizations o ON o.id = c.organization_id
WHERE i.paid_at IS NULL;

-- The log's entity is no key: it is compared as text.
CREATE VIEW deal_audit_trail AS
SELECT l.id, l.created_at, l.action, d.id AS deal_id, d.name, l.payload ->> 'actor_id' AS actor
FROM audit_logs l
JOIN deals d ON d.id::text = l.entity_id::text
WHERE l.entity_type = 'deal';

CREATE MATERIALIZED VIEW organization_statistics AS
SELECT o.id AS organization_id, o.tier, v.people, v.open_deals, v.weighted_value
FROM organizations o
JOIN organization_overview v ON v.organization_id = o.id;

CREATE UNIQUE INDEX organization_statistics_organization_id_idx ON organization_statistics (organization_id);
CREATE INDEX organization_statistics_tier_idx ON organization_statistics (tier) INCLUDE (open_deals);
