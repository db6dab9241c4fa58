"""add pipeline templates

Revision ID: dc2c0f69c1b1
Revises: c3a7b4bbf913
Create Date: 2025-10-01 15:52:39
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "dc2c0f69c1b1"
down_revision = "c3a7b4bbf913"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipeline_templates",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("created_by", sa.String(36)),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("stages", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="pipeline_templates_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="pipeline_templates_created_by_fkey", ondelete="SET NULL"
        ),
        sa.UniqueConstraint("organization_id", "name", name="pipeline_templates_organization_id_name_key"),
        sa.PrimaryKeyConstraint("id", name="pipeline_templates_pkey"),
    )
    op.add_column("pipelines", sa.Column("template_id", sa.String(36)))
    op.create_foreign_key(
        "pipelines_template_id_fkey", "pipelines", "pipeline_templates", ["template_id"], ["id"], ondelete="SET NULL"
    )


def downgrade() -> None:
    op.drop_column("pipelines", "template_id")
    op.drop_table("pipeline_templates")
