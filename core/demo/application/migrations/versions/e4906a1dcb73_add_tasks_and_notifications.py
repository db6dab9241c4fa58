"""add tasks and notifications

Revision ID: e4906a1dcb73
Revises: 7d31f8b60ec9
Create Date: 2025-04-29 11:31:18
"""

import sqlalchemy as sa
from alembic import op

revision = "e4906a1dcb73"
down_revision = "7d31f8b60ec9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("deal_id", sa.String(36)),
        sa.Column("assignee_id", sa.String(36)),
        sa.Column("created_by", sa.String(36), nullable=False),
        sa.Column("completed_by", sa.String(36)),
        sa.Column("parent_task_id", sa.String(36)),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date()),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(completed_at IS NULL) = (completed_by IS NULL)", name="tasks_completed_together"),
        sa.ForeignKeyConstraint(["assignee_id"], ["users.id"], name="tasks_assignee_id_fkey", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["completed_by"], ["users.id"], name="tasks_completed_by_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="tasks_created_by_fkey", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["organization_id", "deal_id"],
            ["deals.organization_id", "deals.id"],
            name="tasks_organization_id_deal_id_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="tasks_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["parent_task_id"], ["tasks.id"], name="tasks_parent_task_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="tasks_pkey"),
    )
    op.create_index("tasks_deal_id_idx", "tasks", ["deal_id"])
    op.create_index(
        "tasks_open_idx", "tasks", ["assignee_id", "due_on"], postgresql_where=sa.text("(completed_at IS NULL)")
    )
    op.create_table(
        "task_dependencies",
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("depends_on_id", sa.String(36), nullable=False),
        sa.CheckConstraint("task_id <> depends_on_id", name="task_dependencies_not_self"),
        sa.ForeignKeyConstraint(
            ["depends_on_id"], ["tasks.id"], name="task_dependencies_depends_on_id_fkey", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="task_dependencies_task_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "depends_on_id", name="task_dependencies_pkey"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(36), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("subject_type", sa.String(40), nullable=False),
        sa.Column("subject_id", sa.String(36), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="notifications_organization_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="notifications_user_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="notifications_pkey"),
    )
    op.create_index("notifications_subject_idx", "notifications", ["subject_type", "subject_id"])
    op.create_index(
        "notifications_unread_idx",
        "notifications",
        ["user_id", sa.text("created_at DESC")],
        postgresql_where=sa.text("(read_at IS NULL)"),
    )


def downgrade() -> None:
    op.drop_table("notifications")
    op.drop_table("task_dependencies")
    op.drop_table("tasks")
