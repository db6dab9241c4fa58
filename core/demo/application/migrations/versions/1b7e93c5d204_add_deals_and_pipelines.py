"""add deals and pipelines

Revision ID: 1b7e93c5d204
Revises: 8f2d1c40a7be
Create Date: 2025-03-11 14:03:27
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1b7e93c5d204"
down_revision = "8f2d1c40a7be"
branch_labels = None
depends_on = None

EMAIL_ADDRESS: sa.types.TypeEngine[str] = postgresql.DOMAIN("email_address", sa.Text(), create_type=False)
DEAL_STATUS: sa.types.TypeEngine[str] = postgresql.ENUM(
    "sourced", "qualified", "diligence", "negotiation", "closed_won", "closed_lost", name="deal_status"
)


def upgrade() -> None:
    op.create_table(
        "companies",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("parent_company_id", sa.String(36)),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("website", sa.Text()),
        sa.Column("sector", sa.String(60)),
        sa.Column("employee_count", sa.Integer()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("employee_count >= 0", name="companies_employee_count_check"),
        sa.ForeignKeyConstraint(
            ["organization_id", "parent_company_id"],
            ["companies.organization_id", "companies.id"],
            name="companies_organization_id_parent_company_id_fkey",
            ondelete="SET NULL (parent_company_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="companies_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="companies_pkey"),
        sa.UniqueConstraint("organization_id", "id", name="companies_organization_id_id_key"),
    )
    op.create_index("companies_name_idx", "companies", ["organization_id", sa.text("lower(name)")])
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("company_id", sa.String(36), nullable=False),
        sa.Column("owner_id", sa.String(36)),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("email", EMAIL_ADDRESS),
        sa.Column("phone", sa.String(40)),
        sa.ForeignKeyConstraint(
            ["organization_id", "company_id"],
            ["companies.organization_id", "companies.id"],
            name="contacts_organization_id_company_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="contacts_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="contacts_owner_id_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="contacts_pkey"),
    )
    op.create_table(
        "pipelines",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="pipelines_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pipelines_pkey"),
    )
    op.create_index(
        "pipelines_one_default_idx",
        "pipelines",
        ["organization_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "pipeline_stages",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("pipeline_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("win_probability", sa.Numeric(4, 3), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "win_probability >= 0::numeric AND win_probability <= 1::numeric",
            name="pipeline_stages_win_probability_check",
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_id"], ["pipelines.id"], name="pipeline_stages_pipeline_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pipeline_stages_pkey"),
        sa.UniqueConstraint(
            "pipeline_id",
            "position",
            name="pipeline_stages_pipeline_id_position_key",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
    op.create_table(
        "deals",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("pipeline_stage_id", sa.String(36), nullable=False),
        sa.Column("target_company_id", sa.String(36)),
        sa.Column("buyer_company_id", sa.String(36)),
        sa.Column("owner_id", sa.String(36), nullable=False),
        sa.Column("created_by", sa.String(36)),
        sa.Column("parent_deal_id", sa.String(36)),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", DEAL_STATUS, server_default="sourced", nullable=False),
        sa.Column("currency", sa.CHAR(3), server_default="GBP", nullable=False),
        sa.Column("enterprise_value", sa.Numeric(18, 2)),
        sa.Column("net_debt", sa.Numeric(18, 2), server_default=sa.text("0"), nullable=False),
        sa.Column("equity_value", sa.Numeric(18, 2), sa.Computed("(enterprise_value - net_debt)", persisted=True)),
        sa.Column("expected_close", sa.Date()),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("buyer_company_id <> target_company_id", name="deals_buyer_is_not_target"),
        sa.CheckConstraint("enterprise_value > 0::numeric", name="deals_enterprise_value_check"),
        sa.CheckConstraint("parent_deal_id <> id", name="deals_not_own_parent"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="deals_created_by_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["organization_id", "buyer_company_id"],
            ["companies.organization_id", "companies.id"],
            name="deals_organization_id_buyer_company_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["users.organization_id", "users.id"],
            name="deals_organization_id_owner_id_fkey",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "target_company_id"],
            ["companies.organization_id", "companies.id"],
            name="deals_organization_id_target_company_id_fkey",
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="deals_organization_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["parent_deal_id"], ["deals.id"], name="deals_parent_deal_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["pipeline_stage_id"],
            ["pipeline_stages.id"],
            name="deals_pipeline_stage_id_fkey",
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="deals_pkey"),
        sa.UniqueConstraint("organization_id", "id", name="deals_organization_id_id_key"),
    )
    op.create_index(
        "deals_parent_deal_id_idx",
        "deals",
        ["parent_deal_id"],
        postgresql_where=sa.text("(parent_deal_id IS NOT NULL)"),
    )
    op.create_index("deals_pipeline_stage_id_idx", "deals", ["pipeline_stage_id"])
    op.create_index(
        "deals_sold_by_owner_idx", "deals", ["owner_id"], postgresql_where=sa.text("(owner_id = created_by)")
    )
    op.create_table(
        "deal_members",
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("responsibility", sa.String(60), server_default="contributor", nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="deal_members_organization_id_deal_id_fkey",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="deal_members_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("deal_id", "user_id", name="deal_members_pkey"),
    )
    op.create_table(
        "deal_stage_history",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("from_stage_id", sa.String(36)),
        sa.Column("to_stage_id", sa.String(36), nullable=False),
        sa.Column("changed_by", sa.String(36)),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("from_stage_id IS DISTINCT FROM to_stage_id", name="deal_stage_history_stage_changed"),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["users.id"], name="deal_stage_history_changed_by_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"], name="deal_stage_history_deal_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["from_stage_id"], ["pipeline_stages.id"], name="deal_stage_history_from_stage_id_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["to_stage_id"], ["pipeline_stages.id"], name="deal_stage_history_to_stage_id_fkey", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="deal_stage_history_pkey"),
    )
    op.create_index("deal_stage_history_deal_id_idx", "deal_stage_history", ["deal_id", "changed_at"])
    op.create_table(
        "deal_activities",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("actor_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("summary", sa.Text()),
        sa.Column("participant_ids", postgresql.ARRAY(sa.String(36)), server_default="{}", nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name="deal_activities_actor_id_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="deal_activities_organization_id_deal_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="deal_activities_pkey"),
    )
    op.create_index("deal_activities_deal_id_idx", "deal_activities", ["deal_id", sa.text("happened_at DESC")])
    op.create_table(
        "deal_comments",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("deal_id", sa.String(36), nullable=False),
        sa.Column("author_id", sa.String(36), nullable=False),
        sa.Column("parent_comment_id", sa.String(36)),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name="deal_comments_author_id_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["deal_id"], ["deals.id"], name="deal_comments_deal_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["parent_comment_id"],
            ["deal_comments.id"],
            name="deal_comments_parent_comment_id_fkey",
            ondelete="CASCADE",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id", name="deal_comments_pkey"),
    )
    op.create_index("deal_comments_deal_id_idx", "deal_comments", ["deal_id"], postgresql_using="hash")


def downgrade() -> None:
    op.drop_table("deal_comments")
    op.drop_table("deal_activities")
    op.drop_table("deal_stage_history")
    op.drop_table("deal_members")
    op.drop_table("deals")
    op.drop_table("pipeline_stages")
    op.drop_table("pipelines")
    op.drop_table("contacts")
    op.drop_table("companies")
    op.execute("DROP TYPE deal_status")
