"""add document questions

Revision ID: f867c7e3d51c
Revises: 6e0b92d7c3fa
Create Date: 2025-10-28 11:26:44
"""

import sqlalchemy as sa
from alembic import op

revision = "f867c7e3d51c"
down_revision = "6e0b92d7c3fa"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "document_questions",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("document_id", sa.String(36), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("asked_by", sa.String(36), nullable=False),
        sa.Column("answered_by", sa.String(36)),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="document_questions_document_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="document_questions_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["asked_by"], ["users.id"], name="document_questions_asked_by_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["users.id"], name="document_questions_answered_by_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="document_questions_pkey"),
    )
    op.create_index("document_questions_document_id_idx", "document_questions", ["document_id"])


def downgrade() -> None:
    op.drop_table("document_questions")
