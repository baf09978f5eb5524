"""The embedded job engine: waiting messages, dead messages, the schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job_message",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=60), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_at", INSTANT, nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_message")),
        sa.UniqueConstraint("message_id", name=op.f("uq_job_message_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_message_ready", "job_message", ["queue", "priority", "run_at", "id"], unique=False)
    op.create_table(
        "job_dead",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("queue", sa.String(length=60), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("died_at", INSTANT, nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_dead")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_dead_died_at"), "job_dead", ["died_at"], unique=False)
    op.create_table(
        "job_schedule",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_schedule")),
    )


def downgrade() -> None:
    for table in ("job_schedule", "job_dead", "job_message"):
        op.drop_table(table)
