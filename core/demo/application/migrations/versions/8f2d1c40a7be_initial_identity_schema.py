"""initial identity schema

Revision ID: 8f2d1c40a7be
Revises:
Create Date: 2025-03-04 09:12:41
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8f2d1c40a7be"
down_revision = None
branch_labels = None
depends_on = None

EMAIL_ADDRESS: sa.types.TypeEngine[str] = postgresql.DOMAIN("email_address", sa.Text(), create_type=False)
SUBSCRIPTION_TIER: sa.types.TypeEngine[str] = postgresql.ENUM(
    "trial", "starter", "growth", "enterprise", name="subscription_tier"
)


def upgrade() -> None:
    op.execute("""CREATE DOMAIN email_address AS text
        CONSTRAINT email_address_check CHECK (VALUE ~ '^[^@[:space:]]+@[^@[:space:]]+$')""")
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slug", sa.String(80), nullable=False),
        sa.Column("tier", SUBSCRIPTION_TIER, server_default="trial", nullable=False),
        sa.Column("parent_organization_id", sa.String(36)),
        sa.Column("owner_id", sa.String(36)),
        sa.Column("settings", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("parent_organization_id <> id", name="organizations_not_own_parent"),
        sa.ForeignKeyConstraint(
            ["parent_organization_id"],
            ["organizations.id"],
            name="organizations_parent_organization_id_fkey",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="organizations_pkey"),
        sa.UniqueConstraint("slug", name="organizations_slug_key"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("clerk_user_id", sa.String(64), nullable=False),
        sa.Column("email", EMAIL_ADDRESS, nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("job_title", sa.Text()),
        sa.Column("manager_id", sa.String(36)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["manager_id"], ["users.id"], name="users_manager_id_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="users_organization_id_fkey",
            onupdate="CASCADE",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
        sa.UniqueConstraint("clerk_user_id", name="users_clerk_user_id_key"),
        sa.UniqueConstraint("organization_id", "id", name="users_organization_id_id_key"),
    )
    op.create_foreign_key(
        "organizations_owner_id_fkey",
        "organizations",
        "users",
        ["owner_id"],
        ["id"],
        ondelete="SET NULL",
        deferrable=True,
        initially="DEFERRED",
    )
    op.create_index("users_lower_email_idx", "users", ["organization_id", sa.text("lower(email::text)")], unique=True)
    op.create_index(
        "users_manager_id_idx", "users", ["manager_id"], postgresql_where=sa.text("(manager_id IS NOT NULL)")
    )
    op.create_index("users_short_id_idx", "users", [sa.text('"left"(id::text, 8)')])
    op.create_table(
        "roles",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("parent_role_id", sa.String(36)),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("is_system", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="roles_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["parent_role_id"], ["roles.id"], name="roles_parent_role_id_fkey"),
        sa.PrimaryKeyConstraint("id", name="roles_pkey"),
        sa.UniqueConstraint("organization_id", "name", name="roles_organization_id_name_key"),
    )
    op.create_table(
        "permissions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="permissions_pkey"),
        sa.UniqueConstraint("code", name="permissions_code_key"),
    )
    op.create_table(
        "role_permissions",
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.Column("permission_id", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["permission_id"], ["permissions.id"], name="role_permissions_permission_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["role_id"], ["roles.id"], name="role_permissions_role_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("role_id", "permission_id", name="role_permissions_pkey"),
    )
    op.create_table(
        "organization_members",
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("role_id", sa.String(36), nullable=False),
        sa.Column("invited_by", sa.String(36)),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["invited_by"], ["users.id"], name="organization_members_invited_by_fkey", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name="organization_members_organization_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["roles.id"], name="organization_members_role_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="organization_members_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name="organization_members_pkey"),
    )
    op.create_index(
        "organization_members_user_id_idx", "organization_members", ["user_id"], postgresql_include=["role_id"]
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("lead_id", sa.String(36)),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "lead_id"],
            ["users.organization_id", "users.id"],
            name="teams_organization_id_lead_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="teams_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="teams_pkey"),
        sa.UniqueConstraint("organization_id", "name", name="teams_organization_id_name_key"),
    )
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="team_members_team_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="team_members_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team_id", "user_id", name="team_members_pkey"),
    )


def downgrade() -> None:
    op.drop_table("team_members")
    op.drop_table("teams")
    op.drop_table("organization_members")
    op.drop_table("role_permissions")
    op.drop_table("permissions")
    op.drop_table("roles")
    op.drop_constraint("organizations_owner_id_fkey", "organizations", type_="foreignkey")
    op.drop_table("users")
    op.drop_table("organizations")
    op.execute("DROP DOMAIN email_address")
    op.execute("DROP TYPE subscription_tier")
