INSERT INTO billing.plans (name, tier, monthly_price)
SELECT initcap(tier::text), tier, (ordinality - 1) * 149
FROM unnest(enum_range(NULL::subscription_tier)) WITH ORDINALITY AS t (tier, ordinality);

INSERT INTO billing.customers (organization_id, billing_email, vat_number)
SELECT id, 'accounts' || n || '@example.com', 'GB' || 100000000 + n FROM new_organizations;

INSERT INTO billing.subscriptions (customer_id, plan_id, created_by, starts_on)
SELECT c.id, p.id, o.owner_id, o.created_at::date
FROM billing.customers c
JOIN organizations o ON o.id = c.organization_id
JOIN billing.plans p USING (tier);

INSERT INTO billing.invoices (customer_id, subscription_id, issued_on, total, paid_at)
SELECT s.customer_id, s.id, (date_trunc('month', now()) - month * interval '1 month')::date, p.monthly_price,
       CASE WHEN month > 1 THEN now() - month * interval '1 month' + interval '10 days' END
FROM billing.subscriptions s
JOIN billing.plans p ON p.id = s.plan_id, generate_series(1, 6) AS month;

INSERT INTO billing.invoice_lines (invoice_id, line_number, deal_id, description, amount)
SELECT i.id, 1, NULL, 'Subscription', i.total FROM billing.invoices i
UNION ALL
SELECT i.id, 2, d.id, 'Success fee', 500
FROM (SELECT id, row_number() OVER () AS n FROM billing.invoices) AS i
JOIN new_deals d ON d.n = i.n AND d.n % 5 = 0;

INSERT INTO billing.payments (customer_id, invoice_id, recorded_by, amount, received_at)
SELECT i.customer_id, i.id, NULL, greatest(i.total, 1), i.paid_at FROM billing.invoices i WHERE i.paid_at IS NOT NULL
UNION ALL
SELECT NULL, NULL, owner_id, 25, created_at FROM new_organizations WHERE n % 50 = 1;
