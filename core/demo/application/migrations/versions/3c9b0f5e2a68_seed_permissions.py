"""seed permissions

Revision ID: 3c9b0f5e2a68
Revises: e4906a1dcb73
Create Date: 2025-05-20 09:40:13
"""

from alembic import op

revision = "3c9b0f5e2a68"
down_revision = "e4906a1dcb73"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        INSERT INTO permissions (code, description)
        SELECT resource || ':' || verb, 'May ' || verb || ' ' || resource
        FROM unnest('{deals,documents,valuations,billing}'::text[]) AS resource, unnest('{read,write,share}'::text[]) AS verb
    """)


def downgrade() -> None:
    op.execute("DELETE FROM permissions")
