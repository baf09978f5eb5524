"""Finds everything of one person by index: what they were in and left, and who was merged into them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _index("ix_membership_ended", "membership", "subscriber_id", "until IS NOT NULL")
    _index("ix_subscriber_merged", "subscriber", "merged_into", "merged_into IS NOT NULL")


def _index(name: str, table: str, column: str, where: str) -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
