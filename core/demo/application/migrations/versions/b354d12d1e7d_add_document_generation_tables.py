"""add document generation tables

Revision ID: b354d12d1e7d
Revises: f867c7e3d51c
Create Date: 2025-11-11 14:59:12
"""

import sqlalchemy as sa
from alembic import op

revision = "b354d12d1e7d"
down_revision = "f867c7e3d51c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Some environments were stamped at f867c7e3d51c without its table, which generated_documents needs.
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
        if_not_exists=True,
    )
    op.create_index("document_questions_document_id_idx", "document_questions", ["document_id"], if_not_exists=True)
    op.create_table(
        "document_templates",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("created_by", sa.String(36)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="document_templates_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="document_templates_created_by_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="document_templates_pkey"),
    )
    op.create_table(
        "generated_documents",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("template_id", sa.String(36), nullable=False),
        sa.Column("document_id", sa.String(36)),
        sa.Column("question_id", sa.String(36)),
        sa.Column("generated_by", sa.String(36), nullable=False),
        sa.Column("generated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="generated_documents_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["document_templates.id"], name="generated_documents_template_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name="generated_documents_document_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["question_id"], ["document_questions.id"], name="generated_documents_question_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["generated_by"], ["users.id"], name="generated_documents_generated_by_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="generated_documents_pkey"),
    )
    op.create_index("generated_documents_template_id_idx", "generated_documents", ["template_id"])


def downgrade() -> None:
    op.drop_table("generated_documents")
    op.drop_table("document_templates")
