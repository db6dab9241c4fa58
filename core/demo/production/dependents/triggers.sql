CREATE TRIGGER deals_stage_changed
    AFTER UPDATE OF pipeline_stage_id ON deals
    FOR EACH ROW WHEN (OLD.pipeline_stage_id IS DISTINCT FROM NEW.pipeline_stage_id)
    EXECUTE FUNCTION record_stage_change();

CREATE TRIGGER deals_audited
    AFTER INSERT OR UPDATE OF owner_id, status ON deals
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('deal');

CREATE TRIGGER documents_audited
    AFTER INSERT OR UPDATE ON documents
    FOR EACH ROW WHEN (NEW.archived_at IS NULL)
    EXECUTE FUNCTION write_audit_log('document');

CREATE CONSTRAINT TRIGGER documents_version_audited
    AFTER UPDATE OF current_version_id ON documents
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.current_version_id <> OLD.current_version_id)
    EXECUTE FUNCTION write_audit_log('document');

-- Switched off since the last import, and to stay so.
CREATE TRIGGER users_audited
    AFTER UPDATE OF organization_id, manager_id ON users
    FOR EACH ROW EXECUTE FUNCTION write_audit_log('user');

ALTER TABLE users DISABLE TRIGGER users_audited;
