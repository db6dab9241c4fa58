-- Row security for every role but the owner. Keys are compared as text or with each other.

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing.invoices ENABLE ROW LEVEL SECURITY;

CREATE POLICY organizations_own ON organizations
    USING (id::text = current_organization());

CREATE POLICY users_colleagues ON users FOR SELECT TO ma_saas_reporting
    USING (organization_id::text = current_setting('app.organization_id', true));

-- The setting is read as a uuid first, so that upper case and garbage are dealt with.
CREATE POLICY deals_tenant ON deals
    USING (organization_id::text = (current_setting('app.organization_id', true)::uuid)::text)
    WITH CHECK (organization_id::text = (current_setting('app.organization_id', true)::uuid)::text);

CREATE POLICY deals_not_deleted ON deals AS RESTRICTIVE FOR DELETE
    USING (deleted_at IS NULL AND owner_id IS NOT NULL);

CREATE POLICY documents_of_visible_deals ON documents FOR SELECT TO ma_saas_reporting
    USING (EXISTS (SELECT FROM deals d WHERE d.id = documents.deal_id AND d.organization_id = documents.organization_id));

CREATE POLICY invoices_own ON billing.invoices FOR SELECT
    USING (customer_id IN (SELECT c.id FROM billing.customers c WHERE c.organization_id::text = current_organization()));
