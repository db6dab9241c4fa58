-- How the test database has drifted from production.

DROP TABLE valuation_comparables;
ALTER TABLE deals ADD COLUMN legacy_reference text;
ALTER TABLE notifications ADD COLUMN channel varchar(20) DEFAULT 'email' NOT NULL;
CREATE INDEX documents_title_idx ON documents (lower(title));
