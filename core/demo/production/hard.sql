-- The harder dependents: expressions that compare a key with something that stays uuid, and objects that block a change
-- of type. Applied only on request.

CREATE POLICY documents_tenant ON documents
    USING (organization_id = current_setting('app.organization_id', true)::uuid);

CREATE POLICY users_self ON users FOR UPDATE
    USING (id = ANY (string_to_array(current_setting('app.user_ids', true), ',')::uuid[]))
    WITH CHECK (organization_id = COALESCE(nullif(current_setting('app.organization_id', true), '')::uuid, organization_id));

CREATE VIEW house_account AS
SELECT id, name, tier FROM organizations WHERE id = '00000000-0000-4000-8000-000000000001'::uuid;

-- A soft reference beside keys: one branch stays uuid.
CREATE VIEW recent_subjects AS
SELECT subject_id, created_at FROM notifications
UNION ALL
SELECT id, created_at FROM deals;

CREATE FUNCTION is_colleague(p_user uuid, p_organization uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users WHERE id = p_user AND organization_id = p_organization);
END
$$;

CREATE FUNCTION check_assignee() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.assignee_id IS NOT NULL AND NOT is_colleague(NEW.assignee_id, NEW.organization_id) THEN
        RAISE EXCEPTION 'the assignee belongs to another organization' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER tasks_check_assignee
    BEFORE INSERT OR UPDATE OF assignee_id ON tasks
    FOR EACH ROW EXECUTE FUNCTION check_assignee();

ALTER TABLE organizations
    ADD CONSTRAINT organizations_house_is_no_child
        CHECK (id <> '00000000-0000-4000-8000-000000000001'::uuid OR parent_organization_id IS NULL);

CREATE INDEX documents_hashed_idx ON documents (uuid_hash(id));
CREATE INDEX tasks_of_house_idx ON tasks (due_on) WHERE organization_id = '00000000-0000-4000-8000-000000000001'::uuid;

ALTER TABLE deals ADD COLUMN reference text GENERATED ALWAYS AS ('D-' || upper(left(id::text, 8))) STORED;

CREATE FUNCTION rename_active_deal() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE deals SET name = NEW.name WHERE id = OLD.id;
    RETURN NEW;
END
$$;

CREATE TRIGGER active_deals_rename
    INSTEAD OF UPDATE ON active_deals
    FOR EACH ROW EXECUTE FUNCTION rename_active_deal();

CREATE RULE pipeline_summary_read_only AS ON DELETE TO pipeline_summary DO INSTEAD NOTHING;

CREATE RULE api_keys_revoke AS ON DELETE TO api_keys WHERE OLD.revoked_at IS NULL
    DO INSTEAD UPDATE api_keys SET revoked_at = now() WHERE id = OLD.id;

CREATE FUNCTION deal_owner(p_deal uuid) RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT u.full_name FROM deals d JOIN users u ON u.id = d.owner_id WHERE d.id = p_deal;
END;

CREATE VIEW deal_owners AS SELECT id, deal_owner(id) AS owner FROM deals;
GRANT SELECT ON deal_owners TO ma_saas_reporting;

CREATE PUBLICATION ma_saas_warehouse FOR TABLE
    deals (id, organization_id, name, status),
    users (id, organization_id, is_active) WHERE (is_active);

ALTER STATISTICS documents_by_deal SET STATISTICS 500;

ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ma_saas_reporting;
