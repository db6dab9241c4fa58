-- What the reporting role may do: tables, columns, a sequence, functions, and one grant that it may pass on.

GRANT USAGE ON SCHEMA billing TO ma_saas_reporting;

GRANT SELECT ON organizations, deals, documents, pipelines, pipeline_stages, companies TO ma_saas_reporting;
GRANT SELECT (id, organization_id, full_name, job_title), REFERENCES (id) ON users TO ma_saas_reporting;
GRANT SELECT, UPDATE (read_at) ON notifications TO ma_saas_reporting;
GRANT SELECT ON billing.invoices, billing.customers TO ma_saas_reporting;

GRANT SELECT ON active_deals, pipeline_summary, document_activity, billing.open_invoices TO ma_saas_reporting;
GRANT SELECT ON organization_overview TO ma_saas_reporting WITH GRANT OPTION;
GRANT SELECT (organization_id, people, open_deals) ON organization_statistics TO ma_saas_reporting;
GRANT SELECT ON deal_audit_trail TO PUBLIC;

GRANT USAGE ON SEQUENCE billing.invoice_number_seq TO ma_saas_reporting;

REVOKE EXECUTE ON FUNCTION share_document(uuid, uuid, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION share_document(uuid, uuid, boolean) TO ma_saas_reporting;
REVOKE EXECUTE ON FUNCTION organization_deal_count(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organization_deal_count(uuid) TO ma_saas_reporting WITH GRANT OPTION;
