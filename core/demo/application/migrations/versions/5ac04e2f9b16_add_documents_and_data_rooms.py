"""add documents and data rooms

Revision ID: 5ac04e2f9b16
Revises: 1b7e93c5d204
Create Date: 2025-03-25 10:47:09
"""

import sqlalchemy as sa
from alembic import op

revision = "5ac04e2f9b16"
down_revision = "1b7e93c5d204"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_rooms",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("created_by", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="data_rooms_created_by_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="data_rooms_organization_id_deal_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="data_rooms_pkey"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36)),
        sa.Column("data_room_id", sa.String(36)),
        sa.Column("uploaded_by", sa.String(36), nullable=False),
        sa.Column("current_version_id", sa.String(36)),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column(
            "search_text",
            sa.Text(),
            sa.Computed("lower(((title || ' '::text) || COALESCE(description, ''::text)))", persisted=True),
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_room_id"], ["data_rooms.id"], name="documents_data_room_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="documents_organization_id_deal_id_fkey",
            ondelete="SET NULL (deal_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="documents_organization_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["uploaded_by"], ["users.id"], name="documents_uploaded_by_fkey", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="documents_pkey"),
        sa.UniqueConstraint("organization_id", "id", name="documents_organization_id_id_key"),
    )
    op.create_index(
        "documents_search_text_idx", "documents", ["search_text"], postgresql_ops={"search_text": "text_pattern_ops"}
    )
    op.create_table(
        "document_versions",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("uploaded_by", sa.String(36), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("storage_path", sa.Text(), nullable=False),
        sa.Column("byte_size", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("byte_size >= 0", name="document_versions_byte_size_check"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="document_versions_document_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by"], ["users.id"], name="document_versions_uploaded_by_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="document_versions_pkey"),
        sa.UniqueConstraint(
            "document_id",
            "version_number",
            name="document_versions_document_id_version_number_key",
            postgresql_include=["uploaded_at"],
            postgresql_nulls_not_distinct=False,
        ),
    )
    op.create_foreign_key(
        "documents_current_version_id_fkey",
        "documents",
        "document_versions",
        ["current_version_id"],
        ["id"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.create_table(
        "document_permissions",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36)),
        sa.Column("team_id", sa.String(36)),
        sa.Column("granted_by", sa.String(36)),
        sa.Column("may_edit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("num_nonnulls(user_id, team_id) = 1", name="document_permissions_user_or_team"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="document_permissions_document_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["granted_by"], ["users.id"], name="document_permissions_granted_by_fkey", ondelete="SET DEFAULT"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name="document_permissions_team_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="document_permissions_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="document_permissions_pkey"),
    )
    op.create_index(
        "document_permissions_user_id_idx",
        "document_permissions",
        ["user_id"],
        postgresql_where=sa.text("(user_id IS NOT NULL)"),
    )
    op.create_table(
        "document_access_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36)),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="document_access_logs_document_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="document_access_logs_user_id_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="document_access_logs_pkey"),
    )
    op.create_index("document_access_logs_document_id_idx", "document_access_logs", ["document_id"])
    op.create_index(
        "document_access_logs_happened_at_idx", "document_access_logs", ["happened_at"], postgresql_using="brin"
    )


def downgrade() -> None:
    op.drop_table("document_access_logs")
    op.drop_table("document_permissions")
    op.drop_constraint("documents_current_version_id_fkey", "documents", type_="foreignkey")
    op.drop_table("document_versions")
    op.drop_table("documents")
    op.drop_table("data_rooms")
