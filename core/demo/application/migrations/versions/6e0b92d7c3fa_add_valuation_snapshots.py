"""add valuation snapshots

Revision ID: 6e0b92d7c3fa
Revises: a41d6be80f57
Create Date: 2025-10-16 16:07:58
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "6e0b92d7c3fa"
down_revision = "a41d6be80f57"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "valuation_snapshots",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("taken_by", sa.String(36)),
        sa.Column("low", sa.Numeric(18, 2), nullable=False),
        sa.Column("high", sa.Numeric(18, 2), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="valuation_snapshots_organization_id_deal_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["taken_by"], ["users.id"], name="valuation_snapshots_taken_by_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="valuation_snapshots_pkey"),
    )
    op.create_index("valuation_snapshots_deal_id_idx", "valuation_snapshots", ["deal_id", sa.text("taken_at DESC")])


def downgrade() -> None:
    op.drop_table("valuation_snapshots")
