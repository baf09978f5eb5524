"""The sending core: pauses, chosen audiences and throttles; files of a mailing; inbound mail; keys that sign."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _instances()
    _deliveries()
    _files()
    _buckets()
    _inbound()
    _dkim()
    _hits()


def _instances() -> None:
    for column in (sa.Column("paused_from", sa.String(20)), sa.Column("audience", sa.String(20)),
                   sa.Column("spread_s", sa.Integer()), sa.Column("recipients", sa.Integer()),
                   sa.Column("token_key", sa.Integer()),
                   sa.Column("transport_refusals", sa.Integer(), nullable=False, server_default="0"),
                   sa.Column("told_reason", sa.String(40)), sa.Column("telling_until", INSTANT)):
        op.add_column("mailing_instance", column)
    op.add_column("mailing", sa.Column("reviewed_by", sa.String(255)))
    op.add_column("mailing", sa.Column("review_note", sa.Text()))


def _deliveries() -> None:
    op.add_column("delivery", sa.Column("domain_group", sa.String(253)))
    place = "strpos" if op.get_bind().dialect.name == "postgresql" else "instr"
    t = sa.table("delivery", *map(sa.column, ("email", "state", "domain_group")))
    op.execute(sa.update(t).where(t.c.email.is_not(None), t.c.state.in_(("queued", "claimed", "deferred", "in_doubt")))
               .values(domain_group=sa.func.substr(t.c.email, getattr(sa.func, place)(t.c.email, "@") + 1)))
    _claims()
    deferred = sa.text("state = 'deferred'")
    op.create_index("ix_delivery_retry", "delivery", ["instance_id", "next_at"], sqlite_where=deferred,
                    postgresql_where=deferred)


def _claims() -> None:
    """What a worker had in hand when the old version was stopped: begun messages are in doubt, the others wait."""
    t = sa.table("delivery", *map(sa.column, ("state", "body_started_at", "lease_owner", "lease_until")))
    state = sa.case((t.c.body_started_at.is_(None), "queued"), else_="in_doubt")
    op.execute(sa.update(t).where(t.c.state == "claimed").values(state=state, lease_owner=None, lease_until=None))
    op.drop_column("delivery", "body_started_at")


def _files() -> None:
    op.create_table(
        "mailing_file",
        sa.Column("id", BIG, primary_key=True, autoincrement=True),
        sa.Column("brand_id", BIG, nullable=False), sa.Column("mailing_id", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False), sa.Column("name", sa.String(255), nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False), sa.Column("content_id", sa.String(255)),
        sa.Column("size_bytes", sa.Integer(), nullable=False), sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing_file")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_mailing_file_brand_id")),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_mailing_file_mailing_id")),
        sa.UniqueConstraint("mailing_id", "position", name=op.f("uq_mailing_file_mailing_id_position")),
        sqlite_autoincrement=True)


def _buckets() -> None:
    op.create_table(
        "rate_bucket",
        sa.Column("name", sa.String(300), nullable=False), sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("rate", sa.Float()), sa.Column("filled_at", INSTANT, nullable=False),
        sa.Column("slowed_at", INSTANT),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_bucket")))


def _inbound() -> None:
    op.create_table(
        "inbound_mail",
        sa.Column("id", BIG, primary_key=True, autoincrement=True),
        sa.Column("brand_id", BIG), sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("came_by", sa.String(20), nullable=False), sa.Column("envelope_from", sa.String(320)),
        sa.Column("envelope_to", sa.String(320)), sa.Column("once_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False), sa.Column("kind", sa.String(20)),
        sa.Column("reason", sa.String(300)), sa.Column("delivery_id", BIG),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("changed_at", INSTANT, nullable=False), sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_mail")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_inbound_mail_brand_id")),
        sa.UniqueConstraint("once_key", name=op.f("uq_inbound_mail_once_key")),
        sqlite_autoincrement=True)
    op.create_index("ix_inbound_mail_state", "inbound_mail", ["state", "id"])
    op.create_index("ix_inbound_mail_delivery", "inbound_mail", ["delivery_id"])


def _dkim() -> None:
    op.create_table(
        "dkim_key",
        sa.Column("id", BIG, primary_key=True, autoincrement=True),
        sa.Column("brand_id", BIG, nullable=False), sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("selector", sa.String(63), nullable=False), sa.Column("algorithm", sa.String(10), nullable=False),
        sa.Column("private_key", sa.Text(), nullable=False), sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False), sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dkim_key")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_dkim_key_brand_id")),
        sa.UniqueConstraint("brand_id", "domain", "selector", name=op.f("uq_dkim_key_brand_id_domain_selector")),
        sqlite_autoincrement=True)


def _hits() -> None:
    hits = sa.text("type IN ('opened', 'clicked')")
    op.create_index("ix_event_hits", "event", ["delivery_id"], sqlite_where=hits, postgresql_where=hits)
