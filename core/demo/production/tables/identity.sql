-- Organizations (the tenants), their people, roles and sessions.

CREATE TYPE subscription_tier AS ENUM ('trial', 'starter', 'growth', 'enterprise');

CREATE DOMAIN email_address AS text
    CONSTRAINT email_address_check CHECK (VALUE ~ '^[^@[:space:]]+@[^@[:space:]]+$');

CREATE TABLE organizations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    slug varchar(80) NOT NULL,
    tier subscription_tier DEFAULT 'trial' NOT NULL,
    parent_organization_id uuid,
    owner_id uuid,
    settings jsonb DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    deleted_at timestamptz,
    CONSTRAINT organizations_pkey PRIMARY KEY (id),
    CONSTRAINT organizations_slug_key UNIQUE (slug),
    CONSTRAINT organizations_not_own_parent CHECK (parent_organization_id <> id)
);

CREATE TABLE users (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    clerk_user_id varchar(64) NOT NULL,
    email email_address NOT NULL,
    full_name text NOT NULL,
    job_title text,
    manager_id uuid,
    is_active boolean DEFAULT true NOT NULL,
    last_login_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_clerk_user_id_key UNIQUE (clerk_user_id),
    CONSTRAINT users_organization_id_id_key UNIQUE (organization_id, id)
);

CREATE TABLE roles (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    parent_role_id uuid,
    name varchar(60) NOT NULL,
    is_system boolean DEFAULT false NOT NULL,
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT roles_organization_id_name_key UNIQUE (organization_id, name)
);

CREATE TABLE permissions (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    code varchar(80) NOT NULL,
    description text NOT NULL,
    CONSTRAINT permissions_pkey PRIMARY KEY (id),
    CONSTRAINT permissions_code_key UNIQUE (code)
);

CREATE TABLE role_permissions (
    role_id uuid NOT NULL,
    permission_id bigint NOT NULL,
    granted_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (role_id, permission_id)
);

CREATE TABLE organization_members (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role_id uuid NOT NULL,
    invited_by uuid,
    joined_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT organization_members_pkey PRIMARY KEY (organization_id, user_id)
);

CREATE TABLE teams (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    lead_id uuid,
    name varchar(120) NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT teams_pkey PRIMARY KEY (id),
    CONSTRAINT teams_organization_id_name_key UNIQUE (organization_id, name)
);

CREATE TABLE team_members (
    team_id uuid NOT NULL,
    user_id uuid NOT NULL,
    added_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id)
);

CREATE TABLE api_keys (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    label varchar(120) NOT NULL,
    key_digest bytea NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_key_digest_key UNIQUE (key_digest)
);

CREATE TABLE user_sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    impersonated_by uuid,
    user_agent text,
    address inet,
    created_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT user_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT user_sessions_not_impersonated_by_self CHECK (impersonated_by <> user_id)
);

CREATE TABLE invitations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    organization_id uuid NOT NULL,
    role_id uuid NOT NULL,
    invited_by uuid NOT NULL,
    email email_address NOT NULL,
    token_digest bytea NOT NULL,
    accepted_at timestamptz,
    expires_at timestamptz NOT NULL,
    CONSTRAINT invitations_pkey PRIMARY KEY (id),
    CONSTRAINT invitations_token_digest_key UNIQUE (token_digest)
);

CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    organization_id uuid NOT NULL,
    actor_id uuid,
    action varchar(60) NOT NULL,
    entity_type varchar(40) NOT NULL,
    entity_id uuid NOT NULL,
    payload jsonb DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id)
);
