-- The five valuation tables that somebody made by hand in a hurry: no revision makes the first four, and a pending one
-- makes another valuation_snapshots.

CREATE TABLE valuations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    created_by uuid,
    method varchar(40) NOT NULL,
    low numeric(18, 2) NOT NULL,
    high numeric(18, 2) NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT valuations_pkey PRIMARY KEY (id),
    CONSTRAINT valuations_range_check CHECK (low <= high)
);

CREATE TABLE valuation_scenarios (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    valuation_id uuid NOT NULL,
    name varchar(80) NOT NULL,
    growth_rate numeric(6, 4) NOT NULL,
    discount_rate numeric(6, 4) NOT NULL,
    CONSTRAINT valuation_scenarios_pkey PRIMARY KEY (id)
);

CREATE TABLE valuation_comparables (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    valuation_id uuid NOT NULL,
    company_id uuid NOT NULL,
    multiple numeric(8, 3) NOT NULL,
    CONSTRAINT valuation_comparables_pkey PRIMARY KEY (id)
);

CREATE TABLE valuation_exports (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    valuation_id uuid NOT NULL,
    requested_by uuid NOT NULL,
    format varchar(10) DEFAULT 'pdf' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT valuation_exports_pkey PRIMARY KEY (id)
);

CREATE TABLE valuation_snapshots (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    valuation_id uuid NOT NULL,
    taken_by uuid,
    deal_id uuid,
    payload jsonb NOT NULL,
    taken_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT valuation_snapshots_pkey PRIMARY KEY (id)
);
