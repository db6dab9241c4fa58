"""add rbac audit logs

Revision ID: c3a7b4bbf913
Revises: ba1a5bcdb110
Create Date: 2025-09-23 10:18:04
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c3a7b4bbf913"
down_revision = "ba1a5bcdb110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rbac_audit_logs",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("actor_id", sa.String(36)),
        sa.Column("target_user_id", sa.String(36)),
        sa.Column("role_id", sa.String(36)),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("before", postgresql.JSONB()),
        sa.Column("after", postgresql.JSONB()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="rbac_audit_logs_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name="rbac_audit_logs_actor_id_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["target_user_id"], ["users.id"], name="rbac_audit_logs_target_user_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name="rbac_audit_logs_role_id_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="rbac_audit_logs_pkey"),
    )
    op.create_index(
        "rbac_audit_logs_organization_id_idx", "rbac_audit_logs", ["organization_id", sa.text("created_at DESC")]
    )


def downgrade() -> None:
    op.drop_table("rbac_audit_logs")
