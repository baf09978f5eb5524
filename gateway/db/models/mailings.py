"""What is sent: mailings, their instances, one delivery row per person, and the events that come back."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.db.models.base import BigId, Instant, Json, brand_ref, id_column, metadata, ref

mailing = Table(
    "mailing", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(255), nullable=False),
    Column("subject", Text, nullable=False),
    Column("from_name", String(255)),
    Column("from_address", String(254), nullable=False),
    Column("reply_to", String(254)),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("include_orphans", Boolean, nullable=False, server_default=text("false")),
    Column("track_opens", Boolean, nullable=False, server_default=text("true")),
    Column("track_clicks", Boolean, nullable=False, server_default=text("true")),
    Column("folder", String(255)),
    Column("state", String(20), nullable=False),  # SEND-2: draft, released
    Column("created_by", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_mailing_brand_created", "brand_id", "created_at", "id"),
    sqlite_autoincrement=True,
)

mailing_interest = Table(
    "mailing_interest", metadata,
    brand_ref(),
    ref("mailing_id", "mailing"),
    ref("interest_id", "interest"),
    Column("exclude", Boolean, nullable=False),
    PrimaryKeyConstraint("mailing_id", "interest_id", "exclude"),
)

instance = Table(
    "mailing_instance", metadata,
    id_column(),
    brand_ref(),
    ref("mailing_id", "mailing", index=True),
    Column("state", String(20), nullable=False),  # SEND-3
    Column("reason", String(40)),
    Column("send_at", Instant, nullable=False),
    Column("not_after", Instant),
    Column("created_by", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("frozen_at", Instant),  # when the audience was committed (SEND-7)
    Column("finished_at", Instant),
    Index("ix_mailing_instance_due", "state", "send_at"),
    sqlite_autoincrement=True,
)

link = Table(
    "mailing_link", metadata,  # the instance's frozen table: a click token names a number, never a URL (SEND-46)
    brand_ref(),
    ref("instance_id", "mailing_instance"),
    Column("number", Integer, nullable=False),
    Column("url", Text, nullable=False),
    PrimaryKeyConstraint("instance_id", "number"),
)

delivery = Table(
    "delivery", metadata,
    id_column(),
    brand_ref(),
    ref("instance_id", "mailing_instance"),
    ref("subscriber_id", "subscriber", index=True),
    Column("email", String(254)),
    Column("remote_id", String(255)),
    Column("state", String(20), nullable=False),  # SEND-10
    Column("reason", String(40)),  # SEND-8, for those left out
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("lease_owner", String(64)),
    Column("lease_until", Instant),
    Column("body_started_at", Instant),  # the mark: committed before the body leaves; without an outcome, in doubt
    Column("first_tried_at", Instant),
    Column("next_at", Instant),  # of a deferred one (SEND-33)
    Column("code", String(20)),
    Column("status_text", Text),
    Column("bounce_class", String(10)),  # hard, soft, block, other
    Column("accepted_at", Instant),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("instance_id", "subscriber_id"),
    Index("ix_delivery_work", "instance_id", "state", "id"),
    Index("ix_delivery_brand_changed", "brand_id", "changed_at", "id"),
    sqlite_autoincrement=True,
)

event = Table(
    "event", metadata,  # SEND-49: one normalised event, the raw input kept
    id_column(),
    brand_ref(),
    Column("type", String(20), nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("instance_id", BigId),
    Column("delivery_id", BigId),
    Column("subscriber_id", BigId),
    Column("remote_id", String(255)),
    Column("address", String(254)),
    Column("url", Text),
    Column("link_number", Integer),
    Column("origin", String(20)),
    Column("reason", Text),
    Column("code", String(40)),
    Column("automated", Boolean, nullable=False, server_default=text("false")),
    Column("rule", String(40)),  # which rule marked it automated (SEND-52)
    Column("raw", Json),
    Column("once_key", String(200), nullable=False),  # SEND-50: the same input twice is one event
    UniqueConstraint("brand_id", "once_key"),
    Index("ix_event_feed", "brand_id", "recorded_at", "id"),
    Index("ix_event_instance", "instance_id", "type"),
    Index("ix_event_subscriber", "subscriber_id"),
    sqlite_autoincrement=True,
)
