"""add financial connections

Revision ID: ba1a5bcdb110
Revises: d27a5e90c4b6
Create Date: 2025-09-02 13:08:50
"""

import sqlalchemy as sa
from alembic import op

revision = "ba1a5bcdb110"
down_revision = "d27a5e90c4b6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "financial_connections",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("connected_by", sa.String(36), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("external_tenant_id", sa.UUID(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_synced_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["connected_by"], ["users.id"], name="financial_connections_connected_by_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="financial_connections_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="financial_connections_pkey"),
        sa.UniqueConstraint(
            "provider", "external_tenant_id", name="financial_connections_provider_external_tenant_id_key"
        ),
    )
    op.create_table(
        "financial_statements",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("company_id", sa.String(36), nullable=False),
        sa.Column("connection_id", sa.String(36), nullable=False),
        sa.Column("fiscal_year", sa.SmallInteger(), nullable=False),
        sa.Column("revenue", sa.Numeric(18, 2), nullable=False),
        sa.Column("ebitda", sa.Numeric(18, 2), nullable=False),
        sa.Column("margin", sa.Numeric(9, 4), sa.Computed("(ebitda / NULLIF(revenue, (0)::numeric))", persisted=True)),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["financial_connections.id"],
            name="financial_statements_connection_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "company_id"],
            ["companies.organization_id", "companies.id"],
            name="financial_statements_organization_id_company_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="financial_statements_pkey"),
        sa.UniqueConstraint("company_id", "fiscal_year", name="financial_statements_company_id_fiscal_year_key"),
    )


def downgrade() -> None:
    op.drop_table("financial_statements")
    op.drop_table("financial_connections")
