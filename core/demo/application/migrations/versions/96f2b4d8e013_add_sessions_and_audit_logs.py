"""add sessions and audit logs

Revision ID: 96f2b4d8e013
Revises: 3c9b0f5e2a68
Create Date: 2025-06-17 08:55:02
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "96f2b4d8e013"
down_revision = "3c9b0f5e2a68"
branch_labels = None
depends_on = None

EMAIL_ADDRESS: sa.types.TypeEngine[str] = postgresql.DOMAIN("email_address", sa.Text(), create_type=False)


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("key_digest", postgresql.BYTEA(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["users.organization_id", "users.id"],
            name="api_keys_organization_id_user_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="api_keys_pkey"),
        sa.UniqueConstraint("key_digest", name="api_keys_key_digest_key"),
    )
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("impersonated_by", sa.String(36)),
        sa.Column("user_agent", sa.Text()),
        sa.Column("address", postgresql.INET()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("impersonated_by <> user_id", name="user_sessions_not_impersonated_by_self"),
        sa.ForeignKeyConstraint(["impersonated_by"], ["users.id"], name="user_sessions_impersonated_by_fkey"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="user_sessions_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="user_sessions_pkey"),
    )
    op.create_index("user_sessions_user_id_idx", "user_sessions", ["user_id", sa.text("expires_at DESC")])
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.Column("invited_by", sa.String(36), nullable=False),
        sa.Column("email", EMAIL_ADDRESS, nullable=False),
        sa.Column("token_digest", postgresql.BYTEA(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name="invitations_invited_by_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="invitations_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name="invitations_role_id_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="invitations_pkey"),
        sa.UniqueConstraint("token_digest", name="invitations_token_digest_key"),
    )
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("actor_id", sa.String(36)),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("entity_type", sa.String(40), nullable=False),
        sa.Column("entity_id", sa.String(36), nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="audit_logs_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="audit_logs_pkey"),
    )
    op.create_foreign_key(
        "audit_logs_actor_id_fkey",
        "audit_logs",
        "users",
        ["actor_id"],
        ["id"],
        ondelete="SET NULL",
        postgresql_not_valid=True,
    )
    op.create_index("audit_logs_entity_idx", "audit_logs", ["entity_type", "entity_id"])
    op.create_index(
        "audit_logs_organization_id_idx", "audit_logs", ["organization_id", sa.text("created_at DESC NULLS LAST")]
    )


def downgrade() -> None:
    op.drop_table("audit_logs")
    op.drop_table("invitations")
    op.drop_table("user_sessions")
    op.drop_table("api_keys")
