"""Two systems in step: choices, schedules and webhooks of integrations, live fields, groups, what a run was for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
NO = {"nullable": False, "server_default": sa.text("false")}


def upgrade() -> None:
    op.add_column("integration", sa.Column("choices", JSON, nullable=False, server_default=sa.text("'{}'")))
    op.add_column("integration", sa.Column("next_sync_at", INSTANT))
    op.add_column("integration", sa.Column("webhook", sa.Text()))
    op.add_column("field", sa.Column("cache_hours", sa.Integer()))
    op.add_column("field", sa.Column("required", sa.Boolean(), **NO))
    op.add_column("field", sa.Column("on_form", sa.String(10)))
    op.add_column("interest", sa.Column("dynamic", sa.Boolean(), **NO))
    op.add_column("mailing", sa.Column("writes_activity", sa.Boolean(), **NO))
    op.add_column("delivery", sa.Column("tiers", sa.Text()))
    for column in (sa.Column("trigger", sa.String(20)), sa.Column("requested_by", sa.String(255)),
                   sa.Column("released_by", sa.String(255)), sa.Column("samples", JSON),
                   sa.Column("instance_id", BIG), sa.Column("interest_id", BIG),
                   sa.Column("told_at", INSTANT), sa.Column("telling_until", INSTANT)):
        op.add_column("sync_run", column)
    op.create_index("ix_integration_next_sync_at", "integration", ["next_sync_at"])
    op.create_table(
        "cached_value",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("remote_id", sa.String(255), nullable=False),
        sa.Column("field_id", BIG, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("fetched_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("integration_id", "remote_id", "field_id", name=op.f("pk_cached_value")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_cached_value_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_cached_value_integration_id")),
        sa.ForeignKeyConstraint(["field_id"], ["field.id"], name=op.f("fk_cached_value_field_id")))
    op.create_index("ix_cached_value_field_id", "cached_value", ["field_id", "fetched_at"])
    fields = sa.text("kind = 'field_changed'")
    op.create_index("ix_writeback_field", "writeback", ["remote_key_id", "id"], sqlite_where=fields,
                    postgresql_where=fields)
