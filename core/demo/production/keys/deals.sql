ALTER TABLE companies
    ADD CONSTRAINT companies_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT companies_organization_id_parent_company_id_fkey FOREIGN KEY (organization_id, parent_company_id)
        REFERENCES companies (organization_id, id) ON DELETE SET NULL (parent_company_id);

ALTER TABLE contacts
    ADD CONSTRAINT contacts_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE,
    ADD CONSTRAINT contacts_organization_id_company_id_fkey FOREIGN KEY (organization_id, company_id)
        REFERENCES companies (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT contacts_owner_id_fkey FOREIGN KEY (owner_id)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE pipelines
    ADD CONSTRAINT pipelines_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE CASCADE;

ALTER TABLE pipeline_stages
    ADD CONSTRAINT pipeline_stages_pipeline_id_fkey FOREIGN KEY (pipeline_id)
        REFERENCES pipelines (id) ON DELETE CASCADE;

ALTER TABLE deals
    ADD CONSTRAINT deals_organization_id_fkey FOREIGN KEY (organization_id)
        REFERENCES organizations (id) ON DELETE RESTRICT,
    ADD CONSTRAINT deals_pipeline_stage_id_fkey FOREIGN KEY (pipeline_stage_id)
        REFERENCES pipeline_stages (id) ON UPDATE CASCADE ON DELETE RESTRICT,
    ADD CONSTRAINT deals_organization_id_target_company_id_fkey FOREIGN KEY (organization_id, target_company_id)
        REFERENCES companies (organization_id, id) ON DELETE RESTRICT,
    ADD CONSTRAINT deals_organization_id_buyer_company_id_fkey FOREIGN KEY (organization_id, buyer_company_id)
        REFERENCES companies (organization_id, id),
    ADD CONSTRAINT deals_organization_id_owner_id_fkey FOREIGN KEY (organization_id, owner_id)
        REFERENCES users (organization_id, id) DEFERRABLE,
    ADD CONSTRAINT deals_created_by_fkey FOREIGN KEY (created_by)
        REFERENCES users (id) ON DELETE SET NULL,
    ADD CONSTRAINT deals_parent_deal_id_fkey FOREIGN KEY (parent_deal_id)
        REFERENCES deals (id) ON DELETE SET NULL;

ALTER TABLE deal_members
    ADD CONSTRAINT deal_members_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON UPDATE CASCADE ON DELETE CASCADE,
    ADD CONSTRAINT deal_members_user_id_fkey FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE;

ALTER TABLE deal_stage_history
    ADD CONSTRAINT deal_stage_history_deal_id_fkey FOREIGN KEY (deal_id)
        REFERENCES deals (id) ON DELETE CASCADE,
    ADD CONSTRAINT deal_stage_history_from_stage_id_fkey FOREIGN KEY (from_stage_id)
        REFERENCES pipeline_stages (id) ON DELETE SET NULL,
    ADD CONSTRAINT deal_stage_history_to_stage_id_fkey FOREIGN KEY (to_stage_id)
        REFERENCES pipeline_stages (id) ON DELETE RESTRICT,
    ADD CONSTRAINT deal_stage_history_changed_by_fkey FOREIGN KEY (changed_by)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE deal_activities
    ADD CONSTRAINT deal_activities_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT deal_activities_actor_id_fkey FOREIGN KEY (actor_id)
        REFERENCES users (id) ON DELETE RESTRICT;

ALTER TABLE deal_comments
    ADD CONSTRAINT deal_comments_deal_id_fkey FOREIGN KEY (deal_id)
        REFERENCES deals (id) ON DELETE CASCADE,
    ADD CONSTRAINT deal_comments_author_id_fkey FOREIGN KEY (author_id)
        REFERENCES users (id) ON DELETE RESTRICT,
    ADD CONSTRAINT deal_comments_parent_comment_id_fkey FOREIGN KEY (parent_comment_id)
        REFERENCES deal_comments (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;

CREATE INDEX companies_name_idx ON companies (organization_id, lower(name));
CREATE INDEX deals_open_idx ON deals (organization_id, status, expected_close)
    WHERE deleted_at IS NULL AND status NOT IN ('closed_won', 'closed_lost');
CREATE INDEX deals_parent_deal_id_idx ON deals (parent_deal_id) WHERE parent_deal_id IS NOT NULL;
CREATE INDEX deals_sold_by_owner_idx ON deals (owner_id) WHERE owner_id = created_by;
CREATE INDEX deals_pipeline_stage_id_idx ON deals (pipeline_stage_id);
CREATE UNIQUE INDEX pipelines_one_default_idx ON pipelines (organization_id) WHERE is_default;
CREATE INDEX deal_stage_history_deal_id_idx ON deal_stage_history (deal_id, changed_at);
CREATE INDEX deal_activities_deal_id_idx ON deal_activities (deal_id, happened_at DESC);
CREATE INDEX deal_comments_deal_id_idx ON deal_comments USING hash (deal_id);
