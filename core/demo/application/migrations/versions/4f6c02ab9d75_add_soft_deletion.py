"""add soft deletion

Revision ID: 4f6c02ab9d75
Revises: 0c58d7f24a91
Create Date: 2025-07-22 12:05:47
"""

import sqlalchemy as sa
from alembic import op

revision = "4f6c02ab9d75"
down_revision = "0c58d7f24a91"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("organizations", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("deals", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("documents", sa.Column("archived_at", sa.DateTime(timezone=True)))
    op.create_index(
        "organizations_active_idx",
        "organizations",
        ["tier", sa.text("created_at DESC")],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "deals_open_idx",
        "deals",
        ["organization_id", "status", "expected_close"],
        postgresql_where=sa.text("deleted_at IS NULL AND status NOT IN ('closed_won', 'closed_lost')"),
    )
    op.create_index(
        "documents_deal_id_idx",
        "documents",
        ["deal_id"],
        postgresql_include=["title"],
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_column("documents", "archived_at")
    op.drop_column("deals", "deleted_at")
    op.drop_column("organizations", "deleted_at")
