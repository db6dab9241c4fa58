"""add billing schema

Revision ID: 7d31f8b60ec9
Revises: 5ac04e2f9b16
Create Date: 2025-04-08 16:20:55
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d31f8b60ec9"
down_revision = "5ac04e2f9b16"
branch_labels = None
depends_on = None

EMAIL_ADDRESS: sa.types.TypeEngine[str] = postgresql.DOMAIN("email_address", sa.Text(), create_type=False)
SUBSCRIPTION_TIER: sa.types.TypeEngine[str] = postgresql.ENUM(name="subscription_tier", create_type=False)


def upgrade() -> None:
    op.execute("CREATE SCHEMA billing")
    op.execute("CREATE SEQUENCE billing.invoice_number_seq AS bigint START WITH 10001")
    op.create_table(
        "plans",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("tier", SUBSCRIPTION_TIER, nullable=False),
        sa.Column("monthly_price", sa.Numeric(10, 2), nullable=False),
        sa.PrimaryKeyConstraint("id", name="plans_pkey"),
        sa.UniqueConstraint("name", name="plans_name_key"),
        schema="billing",
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("billing_email", EMAIL_ADDRESS, nullable=False),
        sa.Column("vat_number", sa.String(30)),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="customers_organization_id_fkey",
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="customers_pkey"),
        sa.UniqueConstraint("organization_id", name="customers_organization_id_key"),
        schema="billing",
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("customer_id", sa.String(36), nullable=False),
        sa.Column("plan_id", sa.String(36), nullable=False),
        sa.Column("created_by", sa.String(36)),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date()),
        sa.CheckConstraint("ends_on > starts_on", name="subscriptions_ends_after_start"),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="subscriptions_created_by_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing.customers.id"], name="subscriptions_customer_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["billing.plans.id"],
            name="subscriptions_plan_id_fkey",
            onupdate="RESTRICT",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="subscriptions_pkey"),
        schema="billing",
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("customer_id", sa.String(36), nullable=False),
        sa.Column("subscription_id", sa.String(36)),
        sa.Column(
            "number",
            sa.BigInteger(),
            server_default=sa.text("nextval('billing.invoice_number_seq'::regclass)"),
            nullable=False,
        ),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("total", sa.Numeric(12, 2), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["billing.customers.id"], name="invoices_customer_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["billing.subscriptions.id"],
            name="invoices_subscription_id_fkey",
            onupdate="SET NULL",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="invoices_pkey"),
        sa.UniqueConstraint("customer_id", "id", name="invoices_customer_id_id_key"),
        sa.UniqueConstraint("number", name="invoices_number_key"),
        schema="billing",
    )
    op.execute("ALTER SEQUENCE billing.invoice_number_seq OWNED BY billing.invoices.number")
    op.create_index(
        "invoices_unpaid_idx",
        "invoices",
        ["customer_id", "issued_on"],
        schema="billing",
        postgresql_where=sa.text("(paid_at IS NULL)"),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", sa.String(36), nullable=False),
        sa.Column("line_number", sa.SmallInteger(), nullable=False),
        sa.Column("deal_id", sa.String(36)),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(12, 2), nullable=False),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"], name="invoice_lines_deal_id_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing.invoices.id"], name="invoice_lines_invoice_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("invoice_id", "line_number", name="invoice_lines_pkey"),
        schema="billing",
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("customer_id", sa.String(36)),
        sa.Column("invoice_id", sa.String(36)),
        sa.Column("recorded_by", sa.String(36)),
        sa.Column("amount", sa.Numeric(12, 2), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("amount <> 0::numeric", name="payments_amount_check"),
        sa.ForeignKeyConstraint(
            ["customer_id", "invoice_id"],
            ["billing.invoices.customer_id", "billing.invoices.id"],
            name="payments_customer_id_invoice_id_fkey",
            match="FULL",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["recorded_by"], ["users.id"], name="payments_recorded_by_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="payments_pkey"),
        schema="billing",
    )
    op.create_table(
        "usage_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36)),
        sa.Column("metric", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.String(36)),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="usage_events_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="usage_events_user_id_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="usage_events_pkey"),
        schema="billing",
    )
    op.create_index(
        "usage_events_organization_id_idx",
        "usage_events",
        ["organization_id", "metric", "recorded_at"],
        schema="billing",
    )


def downgrade() -> None:
    op.drop_table("usage_events", schema="billing")
    op.drop_table("payments", schema="billing")
    op.drop_table("invoice_lines", schema="billing")
    op.drop_table("invoices", schema="billing")
    op.drop_table("subscriptions", schema="billing")
    op.drop_table("customers", schema="billing")
    op.drop_table("plans", schema="billing")
    op.execute("DROP SCHEMA billing")
