"""add folders

Revision ID: a41d6be80f57
Revises: dc2c0f69c1b1
Create Date: 2025-10-09 09:33:21
"""

import sqlalchemy as sa
from alembic import op

revision = "a41d6be80f57"
down_revision = "dc2c0f69c1b1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "folders",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36)),
        sa.Column("parent_folder_id", sa.String(36)),
        sa.Column("created_by", sa.String(36)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="folders_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="folders_organization_id_deal_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["parent_folder_id"], ["folders.id"], name="folders_parent_folder_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="folders_created_by_fkey", ondelete="SET NULL"),
        sa.CheckConstraint("parent_folder_id <> id", name="folders_not_own_parent"),
        sa.PrimaryKeyConstraint("id", name="folders_pkey"),
    )
    op.add_column("documents", sa.Column("folder_id", sa.String(36)))
    op.create_foreign_key(
        "documents_folder_id_fkey", "documents", "folders", ["folder_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(
        "documents_folder_id_idx", "documents", ["folder_id"], postgresql_where=sa.text("folder_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("documents", "folder_id")
    op.drop_table("folders")
