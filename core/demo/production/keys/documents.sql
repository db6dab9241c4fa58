ALTER TABLE data_rooms
    ADD CONSTRAINT data_rooms_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT data_rooms_created_by_fkey FOREIGN KEY (created_by)
        REFERENCES users (id) ON DELETE RESTRICT;

-- documents and document_versions refer to each other: the current version's key waits for COMMIT.
ALTER TABLE documents
    ADD CONSTRAINT documents_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE RESTRICT,
    ADD CONSTRAINT documents_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON DELETE SET NULL (deal_id),
    ADD CONSTRAINT documents_data_room_id_fkey FOREIGN KEY (data_room_id)
        REFERENCES data_rooms (id) ON DELETE SET NULL,
    ADD CONSTRAINT documents_uploaded_by_fkey FOREIGN KEY (uploaded_by)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT documents_current_version_id_fkey FOREIGN KEY (current_version_id)
        REFERENCES document_versions (id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE document_versions
    ADD CONSTRAINT document_versions_document_id_fkey FOREIGN KEY (document_id)
        REFERENCES documents (id) ON DELETE CASCADE,
    ADD CONSTRAINT document_versions_uploaded_by_fkey FOREIGN KEY (uploaded_by)
        REFERENCES users (id) ON DELETE RESTRICT;

ALTER TABLE document_permissions
    ADD CONSTRAINT document_permissions_document_id_fkey FOREIGN KEY (document_id)
        REFERENCES documents (id) ON DELETE CASCADE,
    ADD CONSTRAINT document_permissions_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT document_permissions_team_id_fkey FOREIGN KEY (team_id)
        REFERENCES teams (id) ON DELETE CASCADE,
    ADD CONSTRAINT document_permissions_granted_by_fkey FOREIGN KEY (granted_by)
        REFERENCES users (id) ON DELETE SET DEFAULT;

ALTER TABLE document_access_logs
    ADD CONSTRAINT document_access_logs_document_id_fkey FOREIGN KEY (document_id)
        REFERENCES documents (id) ON DELETE CASCADE,
    ADD CONSTRAINT document_access_logs_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE document_annotations
    ADD CONSTRAINT document_annotations_organization_id_document_id_fkey FOREIGN KEY (organization_id, document_id)
        REFERENCES documents (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT document_annotations_version_id_fkey FOREIGN KEY (version_id)
        REFERENCES document_versions (id) ON DELETE SET NULL,
    ADD CONSTRAINT document_annotations_author_id_fkey FOREIGN KEY (author_id)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT document_annotations_parent_annotation_id_fkey FOREIGN KEY (parent_annotation_id)
        REFERENCES document_annotations (id) ON DELETE CASCADE;

ALTER TABLE signature_requests
    ADD CONSTRAINT signature_requests_document_id_fkey FOREIGN KEY (document_id)
        REFERENCES documents (id) ON DELETE CASCADE,
    ADD CONSTRAINT signature_requests_requested_by_fkey FOREIGN KEY (requested_by)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT signature_requests_contact_id_fkey FOREIGN KEY (contact_id)
        REFERENCES contacts (id) ON DELETE SET NULL;

CREATE INDEX documents_deal_id_idx ON documents (deal_id) INCLUDE (title) WHERE archived_at IS NULL;
CREATE INDEX documents_search_text_idx ON documents (search_text text_pattern_ops);
CREATE INDEX document_permissions_user_id_idx ON document_permissions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX document_access_logs_happened_at_idx ON document_access_logs USING brin (happened_at);
CREATE INDEX document_access_logs_document_id_idx ON document_access_logs (document_id);
