-- Companies, the people in them, and the deals that move through a pipeline.

CREATE TYPE deal_status AS ENUM ('sourced', 'qualified', 'diligence', 'negotiation', 'closed_won', 'closed_lost');

CREATE TABLE companies (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    parent_company_id uuid,
    name text NOT NULL,
    website text,
    sector varchar(60),
    employee_count integer,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT companies_pkey PRIMARY KEY (id),
    CONSTRAINT companies_organization_id_id_key UNIQUE (organization_id, id),
    CONSTRAINT companies_employee_count_check CHECK (employee_count >= 0)
);

CREATE TABLE contacts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    company_id uuid NOT NULL,
    owner_id uuid,
    full_name text NOT NULL,
    email email_address,
    phone varchar(40),
    CONSTRAINT contacts_pkey PRIMARY KEY (id)
);

CREATE TABLE pipelines (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    name varchar(120) NOT NULL,
    is_default boolean DEFAULT false NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pipelines_pkey PRIMARY KEY (id)
);

CREATE TABLE pipeline_stages (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    pipeline_id uuid NOT NULL,
    name varchar(120) NOT NULL,
    position smallint NOT NULL,
    win_probability numeric(4, 3) DEFAULT 0 NOT NULL,
    CONSTRAINT pipeline_stages_pkey PRIMARY KEY (id),
    CONSTRAINT pipeline_stages_pipeline_id_position_key UNIQUE (pipeline_id, position) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT pipeline_stages_win_probability_check CHECK (win_probability BETWEEN 0 AND 1)
);

CREATE TABLE deals (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    pipeline_stage_id uuid NOT NULL,
    target_company_id uuid,
    buyer_company_id uuid,
    owner_id uuid NOT NULL,
    created_by uuid,
    parent_deal_id uuid,
    name text NOT NULL,
    status deal_status DEFAULT 'sourced' NOT NULL,
    currency char(3) DEFAULT 'GBP' NOT NULL,
    enterprise_value numeric(18, 2),
    net_debt numeric(18, 2) DEFAULT 0 NOT NULL,
    equity_value numeric(18, 2) GENERATED ALWAYS AS (enterprise_value - net_debt) STORED,
    expected_close date,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT deals_pkey PRIMARY KEY (id),
    CONSTRAINT deals_organization_id_id_key UNIQUE (organization_id, id),
    CONSTRAINT deals_not_own_parent CHECK (parent_deal_id <> id),
    CONSTRAINT deals_buyer_is_not_target CHECK (buyer_company_id <> target_company_id),
    CONSTRAINT deals_enterprise_value_check CHECK (enterprise_value > 0)
);

CREATE TABLE deal_members (
    organization_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    user_id uuid NOT NULL,
    responsibility varchar(60) DEFAULT 'contributor' NOT NULL,
    CONSTRAINT deal_members_pkey PRIMARY KEY (deal_id, user_id)
);

CREATE TABLE deal_stage_history (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    deal_id uuid NOT NULL,
    from_stage_id uuid,
    to_stage_id uuid NOT NULL,
    changed_by uuid,
    changed_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT deal_stage_history_pkey PRIMARY KEY (id),
    CONSTRAINT deal_stage_history_stage_changed CHECK (from_stage_id IS DISTINCT FROM to_stage_id)
);

CREATE TABLE deal_activities (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    deal_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    kind varchar(40) NOT NULL,
    summary text,
    participant_ids uuid[] DEFAULT '{}' NOT NULL,
    happened_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT deal_activities_pkey PRIMARY KEY (id)
);

CREATE TABLE deal_comments (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    deal_id uuid NOT NULL,
    author_id uuid NOT NULL,
    parent_comment_id uuid,
    body text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT deal_comments_pkey PRIMARY KEY (id)
);
