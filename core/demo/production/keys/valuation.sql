ALTER TABLE valuations
    ADD CONSTRAINT valuations_organization_id_deal_id_fkey FOREIGN KEY (organization_id, deal_id)
        REFERENCES deals (organization_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT valuations_created_by_fkey FOREIGN KEY (created_by)
        REFERENCES users (id) ON DELETE SET NULL;

ALTER TABLE valuation_scenarios
    ADD CONSTRAINT valuation_scenarios_valuation_id_fkey FOREIGN KEY (valuation_id)
        REFERENCES valuations (id) ON DELETE CASCADE;

ALTER TABLE valuation_comparables
    ADD CONSTRAINT valuation_comparables_valuation_id_fkey FOREIGN KEY (valuation_id)
        REFERENCES valuations (id) ON DELETE CASCADE,
    ADD CONSTRAINT valuation_comparables_company_id_fkey FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT;

ALTER TABLE valuation_exports
    ADD CONSTRAINT valuation_exports_valuation_id_fkey FOREIGN KEY (valuation_id)
        REFERENCES valuations (id) ON DELETE CASCADE,
    ADD CONSTRAINT valuation_exports_requested_by_fkey FOREIGN KEY (requested_by)
        REFERENCES users (id) ON DELETE RESTRICT;

ALTER TABLE valuation_snapshots
    ADD CONSTRAINT valuation_snapshots_valuation_id_fkey FOREIGN KEY (valuation_id)
        REFERENCES valuations (id) ON DELETE CASCADE,
    ADD CONSTRAINT valuation_snapshots_taken_by_fkey FOREIGN KEY (taken_by)
        REFERENCES users (id) ON DELETE SET NULL,
    ADD CONSTRAINT valuation_snapshots_deal_id_fkey FOREIGN KEY (deal_id)
        REFERENCES deals (id) ON DELETE CASCADE;

CREATE INDEX valuations_deal_id_idx ON valuations (deal_id, created_at DESC);
