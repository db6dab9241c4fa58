ALTER TABLE tasks
    ADD CONSTRAINT tasks_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT tasks_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT tasks_assignee_id_fkey FOREIGN KEY (assignee_id)
        REFERENCES users (id) ON DELETE SET NULL,
    ADD CONSTRAINT tasks_created_by_fkey FOREIGN KEY (created_by)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT tasks_completed_by_fkey FOREIGN KEY (completed_by)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT tasks_parent_task_id_fkey FOREIGN KEY (parent_task_id)
        REFERENCES tasks (id) ON DELETE CASCADE;

ALTER TABLE task_dependencies
    ADD CONSTRAINT task_dependencies_task_id_fkey FOREIGN KEY (task_id)
        REFERENCES tasks (id) ON DELETE CASCADE,
    ADD CONSTRAINT task_dependencies_depends_on_id_fkey FOREIGN KEY (depends_on_id)
        REFERENCES tasks (id) ON DELETE RESTRICT;

ALTER TABLE notifications
    ADD CONSTRAINT notifications_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT notifications_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE;

ALTER TABLE financial_connections
    ADD CONSTRAINT financial_connections_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT financial_connections_connected_by_fkey FOREIGN KEY (connected_by)
        REFERENCES users (id) ON DELETE RESTRICT;

ALTER TABLE financial_statements
    ADD CONSTRAINT financial_statements_organization_id_company_id_fkey FOREIGN KEY (organization_id, company_id)
        REFERENCES companies (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT financial_statements_connection_id_fkey FOREIGN KEY (connection_id)
        REFERENCES financial_connections (id) ON DELETE CASCADE;

CREATE INDEX tasks_open_idx ON tasks (assignee_id, due_on) WHERE completed_at IS NULL;
CREATE INDEX tasks_deal_id_idx ON tasks (deal_id);
CREATE INDEX notifications_unread_idx ON notifications (user_id, created_at DESC) WHERE read_at IS NULL;
CREATE INDEX notifications_subject_idx ON notifications (subject_type, subject_id);
