-- What the tenants pay: a schema of its own, with keys into public.

CREATE SCHEMA billing;

CREATE SEQUENCE billing.invoice_number_seq AS bigint START WITH 10001;

CREATE TABLE billing.plans (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name varchar(60) NOT NULL,
    tier subscription_tier NOT NULL,
    monthly_price numeric(10, 2) NOT NULL,
    CONSTRAINT plans_pkey PRIMARY KEY (id),
    CONSTRAINT plans_name_key UNIQUE (name)
);

CREATE TABLE billing.customers (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    billing_email email_address NOT NULL,
    vat_number varchar(30),
    CONSTRAINT customers_pkey PRIMARY KEY (id),
    CONSTRAINT customers_organization_id_key UNIQUE (organization_id)
);

CREATE TABLE billing.subscriptions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    customer_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    created_by uuid,
    starts_on date NOT NULL,
    ends_on date,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
    CONSTRAINT subscriptions_ends_after_start CHECK (ends_on > starts_on)
);

CREATE TABLE billing.invoices (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    customer_id uuid NOT NULL,
    subscription_id uuid,
    number bigint DEFAULT nextval('billing.invoice_number_seq') NOT NULL,
    issued_on date NOT NULL,
    total numeric(12, 2) NOT NULL,
    paid_at timestamptz,
    CONSTRAINT invoices_pkey PRIMARY KEY (id),
    CONSTRAINT invoices_number_key UNIQUE (number),
    CONSTRAINT invoices_customer_id_id_key UNIQUE (customer_id, id)
);

ALTER SEQUENCE billing.invoice_number_seq OWNED BY billing.invoices.number;

CREATE TABLE billing.invoice_lines (
    invoice_id uuid NOT NULL,
    line_number smallint NOT NULL,
    deal_id uuid,
    description text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, line_number)
);

CREATE TABLE billing.payments (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    customer_id uuid,
    invoice_id uuid,
    recorded_by uuid,
    amount numeric(12, 2) NOT NULL,
    received_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_amount_check CHECK (amount <> 0)
);

CREATE TABLE billing.usage_events (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid,
    metric varchar(40) NOT NULL,
    subject_id uuid,
    quantity integer DEFAULT 1 NOT NULL,
    recorded_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT usage_events_pkey PRIMARY KEY (id)
);
