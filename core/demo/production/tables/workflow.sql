-- Tasks, notifications, and the accounting systems that financial statements are read from.

CREATE TABLE tasks (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    deal_id uuid,
    assignee_id uuid,
    created_by uuid NOT NULL,
    completed_by uuid,
    parent_task_id uuid,
    title text NOT NULL,
    due_on date,
    completed_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT tasks_pkey PRIMARY KEY (id),
    CONSTRAINT tasks_completed_together CHECK ((completed_at IS NULL) = (completed_by IS NULL))
);

CREATE TABLE task_dependencies (
    task_id uuid NOT NULL,
    depends_on_id uuid NOT NULL,
    CONSTRAINT task_dependencies_pkey PRIMARY KEY (task_id, depends_on_id),
    CONSTRAINT task_dependencies_not_self CHECK (task_id <> depends_on_id)
);

CREATE TABLE notifications (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    subject_type varchar(40) NOT NULL,
    subject_id uuid NOT NULL,
    message text NOT NULL,
    read_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT notifications_pkey PRIMARY KEY (id)
);

CREATE TABLE financial_connections (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    connected_by uuid NOT NULL,
    provider varchar(40) NOT NULL,
    external_tenant_id uuid NOT NULL,
    connected_at timestamptz DEFAULT now() NOT NULL,
    last_synced_at timestamptz,
    CONSTRAINT financial_connections_pkey PRIMARY KEY (id),
    CONSTRAINT financial_connections_provider_external_tenant_id_key UNIQUE (provider, external_tenant_id)
);

CREATE TABLE financial_statements (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    company_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    fiscal_year smallint NOT NULL,
    revenue numeric(18, 2) NOT NULL,
    ebitda numeric(18, 2) NOT NULL,
    margin numeric(9, 4) GENERATED ALWAYS AS (ebitda / NULLIF(revenue, 0)) STORED,
    CONSTRAINT financial_statements_pkey PRIMARY KEY (id),
    CONSTRAINT financial_statements_company_id_fiscal_year_key UNIQUE (company_id, fiscal_year)
);
