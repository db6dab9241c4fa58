-- What the other files of this folder draw from. The session's setting demo.rows holds the total wanted.

-- The number of rows of a table: its share of the total, in thousandths.
CREATE FUNCTION pg_temp.amount(thousandths numeric) RETURNS integer
    LANGUAGE sql STABLE
    RETURN greatest(1, round(current_setting('demo.rows')::bigint * thousandths / 1000)::integer);

-- A number below 1 that looks random and is the same for the same g and salt: cheaper than random(), and safe to join on.
CREATE FUNCTION pg_temp.chance(g bigint, salt integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (hashint8extended(g, salt) & 2147483647) / 2147483648.0::double precision;

-- One of 1 .. n, each as likely as the others.
CREATE FUNCTION pg_temp.pick(g bigint, salt integer, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 1 + floor(pg_temp.chance(g, salt) * n)::bigint;

-- One of 1 .. n, the low ones far more often: a few large tenants and busy deals, and a long tail.
CREATE FUNCTION pg_temp.pick_skewed(g bigint, salt integer, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 1 + floor(power(pg_temp.chance(g, salt), 2) * n)::bigint;

-- A moment within the last two years.
CREATE FUNCTION pg_temp.moment(g bigint, salt integer) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN date_trunc('second', now()) - pg_temp.chance(g, salt) * interval '730 days';

-- One element of a list of words or ids.
CREATE FUNCTION pg_temp.choose(list anyarray, g bigint, salt integer) RETURNS anyelement
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT list[pg_temp.pick(g, salt, cardinality(list))]';

-- The rows in all of the application's tables.
CREATE FUNCTION pg_temp.total_rows() RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    total bigint := 0;
    rows bigint;
    relation regclass;
BEGIN
    FOR relation IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'billing'::regnamespace)
    LOOP
        EXECUTE format('SELECT count(*) FROM %s', relation) INTO rows;
        total := total + rows;
    END LOOP;
    RETURN total;
END
$$;
