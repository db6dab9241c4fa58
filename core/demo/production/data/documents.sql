CREATE TEMPORARY TABLE new_data_rooms AS
SELECT n, gen_random_uuid() AS id, id AS deal_id, organization_id, owner_id FROM new_deals WHERE n % 8 = 0;

INSERT INTO data_rooms (id, organization_id, deal_id, created_by, name)
SELECT id, organization_id, deal_id, owner_id, 'Data room ' || n FROM new_data_rooms;

CREATE TEMPORARY TABLE new_documents AS
SELECT g AS n, gen_random_uuid() AS id, gen_random_uuid() AS version_id, d.organization_id, d.id AS deal_id, d.owner_id,
       d.created_by, d.n AS deal
FROM generate_series(1, pg_temp.amount(40)) AS g
JOIN new_deals d ON d.n = pg_temp.pick_skewed(g, 70, (SELECT count(*) FROM new_deals));

CREATE UNIQUE INDEX ON new_documents (n);
ANALYZE new_documents;

INSERT INTO documents (id, organization_id, deal_id, data_room_id, uploaded_by, current_version_id, title, description, archived_at)
SELECT d.id, d.organization_id, d.deal_id, r.id, d.owner_id, d.version_id,
       pg_temp.choose('{Information memorandum,NDA,Term sheet,Accounts,Lease,Board minutes}'::text[], d.n, 71) || ' ' || d.n,
       CASE WHEN d.n % 2 = 0 THEN 'Draft for review' END, CASE WHEN d.n % 20 = 0 THEN now() END
FROM new_documents d
LEFT JOIN new_data_rooms r ON r.n = d.deal;

-- The current version of each, and an earlier one of every fourth.
INSERT INTO document_versions (id, document_id, uploaded_by, version_number, storage_path, byte_size)
SELECT version_id, id, owner_id, 2, 'documents/' || n || '/2', 1000 * pg_temp.pick_skewed(n, 72, 9000) FROM new_documents
UNION ALL
SELECT gen_random_uuid(), id, created_by, 1, 'documents/' || n || '/1', 1000 * pg_temp.pick_skewed(n, 73, 9000)
FROM new_documents WHERE n % 4 = 0;

INSERT INTO document_permissions (document_id, user_id, team_id, granted_by, may_edit)
SELECT d.id, CASE WHEN d.n % 3 > 0 THEN d.created_by END, CASE WHEN d.n % 3 = 0 THEN t.id END, d.owner_id, d.n % 2 = 0
FROM new_documents d
JOIN teams t ON t.organization_id = d.organization_id AND t.name = 'Execution'
WHERE d.n % 5 < 3;

INSERT INTO document_access_logs (document_id, user_id, action, happened_at)
SELECT d.id, CASE WHEN g % 20 > 0 THEN d.created_by END, pg_temp.choose('{viewed,viewed,downloaded}'::text[], g, 74),
       now() - (pg_temp.amount(60) - g) * interval '40 seconds'
FROM (SELECT g, pg_temp.pick_skewed(g, 75, (SELECT count(*) FROM new_documents)) AS n
      FROM generate_series(1, pg_temp.amount(60)) AS g) AS a
JOIN new_documents d USING (n);

CREATE TEMPORARY TABLE new_annotations AS
SELECT g, gen_random_uuid() AS id, d.id AS document_id, d.version_id, d.organization_id, d.owner_id
FROM generate_series(1, pg_temp.amount(15)) AS g
JOIN new_documents d ON d.n = pg_temp.pick_skewed(g / 2, 76, (SELECT count(*) FROM new_documents));

INSERT INTO document_annotations (id, organization_id, document_id, version_id, author_id, parent_annotation_id, page, body)
SELECT a.id, a.organization_id, a.document_id, a.version_id, a.owner_id, answered.id, pg_temp.pick(a.g, 77, 40), 'Note ' || a.g
FROM new_annotations a
LEFT JOIN new_annotations answered ON answered.g = a.g - 1 AND answered.document_id = a.document_id AND a.g % 2 = 1;

INSERT INTO signature_requests (document_id, requested_by, contact_id, signed_at)
SELECT d.id, d.owner_id, c.id, CASE WHEN d.n % 2 = 0 THEN now() END
FROM new_documents d
LEFT JOIN new_contacts c ON c.g = d.n
WHERE d.n <= pg_temp.amount(5);
