"""add updated at triggers

Revision ID: 0c58d7f24a91
Revises: 96f2b4d8e013
Create Date: 2025-07-01 17:22:30
"""

from alembic import op

revision = "0c58d7f24a91"
down_revision = "96f2b4d8e013"
branch_labels = None
depends_on = None

# Where the table has a generated column, a condition cannot compare whole rows.
CONDITIONS = {
    "organizations": "OLD.* IS DISTINCT FROM NEW.*",
    "users": "OLD.* IS DISTINCT FROM NEW.*",
    "deals": "NEW.updated_at = OLD.updated_at",
    "documents": "NEW.updated_at = OLD.updated_at",
    "tasks": "OLD.* IS DISTINCT FROM NEW.*",
}


def upgrade() -> None:
    op.execute("""
CREATE FUNCTION set_updated_at() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$
    """)
    for table, condition in CONDITIONS.items():
        op.execute(
            f"CREATE TRIGGER {table}_updated_at BEFORE UPDATE ON {table}"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION set_updated_at()"
        )


def downgrade() -> None:
    for table in CONDITIONS:
        op.execute(f"DROP TRIGGER {table}_updated_at ON {table}")
    op.execute("DROP FUNCTION set_updated_at()")
