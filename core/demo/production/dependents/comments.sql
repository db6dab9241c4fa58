-- A comment on every kind of object.

COMMENT ON SCHEMA billing IS 'What the tenants pay';
COMMENT ON TYPE subscription_tier IS 'What an organization has subscribed to';
COMMENT ON DOMAIN email_address IS 'Looks like an address; nobody has written to it';
COMMENT ON TABLE organizations IS 'The tenants';
COMMENT ON COLUMN organizations.owner_id IS 'Who signs for the tenant; set in the same transaction as its first user';
COMMENT ON COLUMN audit_logs.entity_id IS 'Any entity''s id: no foreign key';
COMMENT ON CONSTRAINT audit_logs_actor_id_fkey ON audit_logs IS 'Not valid: old actors are gone';
COMMENT ON CONSTRAINT deals_pkey ON deals IS 'The deal''s own number';
COMMENT ON CONSTRAINT deals_not_own_parent ON deals IS 'A deal is not part of itself';
COMMENT ON CONSTRAINT organizations_owner_id_fkey ON organizations IS 'Deferred: the two tables refer to each other';
COMMENT ON INDEX deals_open_idx IS 'For the board';
COMMENT ON SEQUENCE billing.invoice_number_seq IS 'Without gaps only in theory';
COMMENT ON VIEW active_deals IS 'Deals on the board';
COMMENT ON COLUMN active_deals.owner_id IS 'Whose deal it is';
COMMENT ON MATERIALIZED VIEW organization_statistics IS 'Refreshed every night';
COMMENT ON INDEX organization_statistics_organization_id_idx IS 'Needed to refresh concurrently';
COMMENT ON FUNCTION organization_deal_count(uuid) IS 'Deals that are not deleted';
COMMENT ON FUNCTION write_audit_log() IS 'The trigger''s argument names the kind of entity';
COMMENT ON TRIGGER deals_stage_changed ON deals IS 'Keeps the stage history';
COMMENT ON POLICY deals_tenant ON deals IS 'One tenant never sees another''s deals';
COMMENT ON STATISTICS deals_by_tenant IS 'An owner belongs to one tenant';
