"""add annotations and signatures

Revision ID: d27a5e90c4b6
Revises: 4f6c02ab9d75
Create Date: 2025-08-12 15:44:36
"""

import sqlalchemy as sa
from alembic import op

revision = "d27a5e90c4b6"
down_revision = "4f6c02ab9d75"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document_annotations",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("version_id", sa.String(36)),
        sa.Column("author_id", sa.String(36), nullable=False),
        sa.Column("parent_annotation_id", sa.String(36)),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("page > 0", name="document_annotations_page_check"),
        sa.ForeignKeyConstraint(
            ["author_id"], ["users.id"], name="document_annotations_author_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "document_id"],
            ["documents.organization_id", "documents.id"],
            name="document_annotations_organization_id_document_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["parent_annotation_id"],
            ["document_annotations.id"],
            name="document_annotations_parent_annotation_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["document_versions.id"], name="document_annotations_version_id_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="document_annotations_pkey"),
    )
    op.create_table(
        "signature_requests",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("requested_by", sa.String(36), nullable=False),
        sa.Column("contact_id", sa.String(36)),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name="signature_requests_contact_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="signature_requests_document_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name="signature_requests_requested_by_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="signature_requests_pkey"),
    )


def downgrade() -> None:
    op.drop_table("signature_requests")
    op.drop_table("document_annotations")
