-- valuation_snapshots stays empty: nothing writes to it yet.

CREATE TEMPORARY TABLE new_valuations AS
SELECT n, gen_random_uuid() AS id, id AS deal_id, organization_id, owner_id FROM new_deals WHERE n % 20 = 0;

INSERT INTO valuations (id, organization_id, deal_id, created_by, method, low, high)
SELECT id, organization_id, deal_id, owner_id, pg_temp.choose('{dcf,multiples,precedent}'::text[], n, 80),
       1000000 * pg_temp.pick(n, 81, 20), 1000000 * (20 + pg_temp.pick(n, 82, 20))
FROM new_valuations;

INSERT INTO valuation_scenarios (valuation_id, name, growth_rate, discount_rate)
SELECT v.id, s.name, s.growth, 0.11
FROM new_valuations v, (VALUES ('Base', 0.03), ('Upside', 0.06), ('Downside', -0.02)) AS s (name, growth);

INSERT INTO valuation_comparables (valuation_id, company_id, multiple)
SELECT v.id, company_id, 4 + pg_temp.chance(v.n, 83) * 8
FROM new_valuations v
JOIN portfolio p USING (organization_id), unnest(p.ids[1:2]) AS company_id;

INSERT INTO valuation_exports (valuation_id, requested_by)
SELECT id, owner_id FROM new_valuations WHERE n % 40 = 0;
