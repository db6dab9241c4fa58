-- Extended statistics, and settings of tables and columns.

CREATE STATISTICS deals_by_tenant (ndistinct, dependencies) ON organization_id, owner_id, status FROM deals;
CREATE STATISTICS documents_by_deal ON organization_id, deal_id FROM documents;

ALTER TABLE deals ALTER COLUMN organization_id SET STATISTICS 500;
ALTER TABLE document_access_logs ALTER COLUMN document_id SET (n_distinct = -0.5);
ALTER TABLE audit_logs SET (autovacuum_vacuum_scale_factor = 0.05, fillfactor = 95);
ALTER TABLE deals CLUSTER ON deals_pipeline_stage_id_idx;
ALTER TABLE users REPLICA IDENTITY USING INDEX users_organization_id_id_key;
