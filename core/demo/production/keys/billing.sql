ALTER TABLE billing.customers
    ADD CONSTRAINT customers_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON UPDATE CASCADE ON DELETE RESTRICT;

ALTER TABLE billing.subscriptions
    ADD CONSTRAINT subscriptions_customer_id_fkey FOREIGN KEY (customer_id)
        REFERENCES billing.customers (id) ON DELETE CASCADE,
    ADD CONSTRAINT subscriptions_plan_id_fkey FOREIGN KEY (plan_id)
        REFERENCES billing.plans (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    ADD CONSTRAINT subscriptions_created_by_fkey FOREIGN KEY (created_by)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE billing.invoices
    ADD CONSTRAINT invoices_customer_id_fkey FOREIGN KEY (customer_id)
        REFERENCES billing.customers (id) ON DELETE RESTRICT,
    ADD CONSTRAINT invoices_subscription_id_fkey FOREIGN KEY (subscription_id)
        REFERENCES billing.subscriptions (id) ON UPDATE SET NULL ON DELETE SET NULL;

ALTER TABLE billing.invoice_lines
    ADD CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id)
        REFERENCES billing.invoices (id) ON DELETE CASCADE,
    ADD CONSTRAINT invoice_lines_deal_id_fkey FOREIGN KEY (deal_id)
        REFERENCES deals (id) ON DELETE SET NULL;

ALTER TABLE billing.payments
    ADD CONSTRAINT payments_customer_id_invoice_id_fkey FOREIGN KEY (customer_id, invoice_id)
        REFERENCES billing.invoices (customer_id, id) MATCH FULL ON DELETE RESTRICT,
    ADD CONSTRAINT payments_recorded_by_fkey FOREIGN KEY (recorded_by)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE billing.usage_events
    ADD CONSTRAINT usage_events_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT usage_events_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE SET NULL;

CREATE INDEX invoices_unpaid_idx ON billing.invoices (customer_id, issued_on) WHERE paid_at IS NULL;
CREATE INDEX usage_events_organization_id_idx ON billing.usage_events (organization_id, metric, recorded_at);
