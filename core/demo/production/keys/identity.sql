-- organizations and users refer to each other: the owner's key waits for COMMIT.
ALTER TABLE organizations
    ADD CONSTRAINT organizations_owner_id_fkey FOREIGN KEY (owner_id)
        REFERENCES users (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT organizations_parent_organization_id_fkey FOREIGN KEY (parent_organization_id)
        REFERENCES organizations (id) ON DELETE SET NULL;

ALTER TABLE users
    ADD CONSTRAINT users_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON UPDATE CASCADE ON DELETE RESTRICT,
    ADD CONSTRAINT users_manager_id_fkey FOREIGN KEY (manager_id)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE roles
    ADD CONSTRAINT roles_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT roles_parent_role_id_fkey FOREIGN KEY (parent_role_id)
        REFERENCES roles (id);

ALTER TABLE role_permissions
    ADD CONSTRAINT role_permissions_role_id_fkey FOREIGN KEY (role_id)
        REFERENCES roles (id) ON DELETE CASCADE,
    ADD CONSTRAINT role_permissions_permission_id_fkey FOREIGN KEY (permission_id)
        REFERENCES permissions (id) ON DELETE RESTRICT;

ALTER TABLE organization_members
    ADD CONSTRAINT organization_members_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT organization_members_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT organization_members_role_id_fkey FOREIGN KEY (role_id)
        REFERENCES roles (id) ON DELETE RESTRICT,
    ADD CONSTRAINT organization_members_invited_by_fkey FOREIGN KEY (invited_by)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE teams
    ADD CONSTRAINT teams_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT teams_organization_id_lead_id_fkey FOREIGN KEY (organization_id, lead_id)
        REFERENCES users (organization_id, id);

ALTER TABLE team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id)
        REFERENCES teams (id) ON DELETE CASCADE,
    ADD CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE;

ALTER TABLE api_keys
    ADD CONSTRAINT api_keys_organization_id_user_id_fkey FOREIGN KEY (organization_id, user_id)
        REFERENCES users (organization_id, id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE user_sessions
    ADD CONSTRAINT user_sessions_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    ADD CONSTRAINT user_sessions_impersonated_by_fkey FOREIGN KEY (impersonated_by)
        REFERENCES users (id);

ALTER TABLE invitations
    ADD CONSTRAINT invitations_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT invitations_role_id_fkey FOREIGN KEY (role_id)
        REFERENCES roles (id) ON DELETE RESTRICT,
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by)
        REFERENCES users (id) ON DELETE CASCADE;

-- Never validated: some actors were deleted before this key existed.
ALTER TABLE audit_logs
    ADD CONSTRAINT audit_logs_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT audit_logs_actor_id_fkey FOREIGN KEY (actor_id)
        REFERENCES users (id) ON DELETE SET NULL NOT VALID;

CREATE UNIQUE INDEX users_lower_email_idx ON users (organization_id, lower(email::text));
CREATE INDEX users_manager_id_idx ON users (manager_id) WHERE manager_id IS NOT NULL;
CREATE INDEX users_short_id_idx ON users ("left"(id::text, 8));
CREATE INDEX organizations_active_idx ON organizations (tier, created_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX organization_members_user_id_idx ON organization_members (user_id) INCLUDE (role_id);
CREATE INDEX user_sessions_user_id_idx ON user_sessions (user_id, expires_at DESC);
CREATE INDEX audit_logs_entity_idx ON audit_logs (entity_type, entity_id);
CREATE INDEX audit_logs_organization_id_idx ON audit_logs (organization_id, created_at DESC NULLS LAST);
