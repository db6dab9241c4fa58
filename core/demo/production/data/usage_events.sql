-- The largest table takes what is left of demo.rows, so that the total is as asked for.
INSERT INTO billing.usage_events (organization_id, user_id, metric, subject_id, quantity, recorded_at)
SELECT d.organization_id, CASE WHEN g % 6 > 0 THEN d.created_by END,
       pg_temp.choose('{document_view,document_upload,export,api_call}'::text[], g, 90), d.id, pg_temp.pick(g, 91, 5),
       pg_temp.moment(g, 92)
FROM (SELECT g, pg_temp.pick_skewed(g, 93, (SELECT count(*) FROM new_documents)) AS n
      FROM generate_series(1, current_setting('demo.rows')::bigint - pg_temp.total_rows()) AS g) AS e
JOIN new_documents d USING (n);
