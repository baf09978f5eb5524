"""What is sent: mailings, their instances, one delivery row per person, and the events that come back."""

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
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
    Column("state", String(20), nullable=False),  # SEND-2: draft, in_review, approved, released
    Column("created_by", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("reviewed_by", String(255)),  # who approved or rejected it last
    Column("review_note", Text),
    Column("changed_by", String(255)),
    Column("accounting_code", String(50)),  # of its newest publishing through the AAPI
    Column("schedule_choice", Integer),  # what an AAPI caller last asked for: 1 now, 2 later, 4 on hold
    Column("template_id", BigId),
    Column("writes_activity", Boolean, nullable=False, server_default=text("false")),  # written back too (ID-57)
    Index("ix_mailing_brand_created", "brand_id", "created_at", "id"),
    sqlite_autoincrement=True,
)

mailing_story = Table(
    "mailing_story", metadata,  # the parts that an AAPI caller made a mailing of; ``mailing.html`` is what is sent
    id_column(),
    brand_ref(),
    ref("mailing_id", "mailing", index=True),
    Column("story_id", String(50)),  # the caller's own name for it
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("area", String(255)),  # the place in the template (MessageContentArea)
    sqlite_autoincrement=True,
)

mailing_template = Table(
    "mailing_template", metadata,  # HTML around the stories of a mailing
    id_column(),
    brand_ref(),
    Column("name", String(255), nullable=False),
    Column("html", Text, nullable=False),  # {{ content }}, or {{ content:Area }} for each content area
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

mailing_folder = Table(
    "mailing_folder", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(255), nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

accounting_code = Table(
    "accounting_code", metadata,
    id_column(),
    brand_ref(),
    Column("code", String(50), nullable=False),
    Column("description", String(200)),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("brand_id", "code"),
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

mailing_file = Table(
    "mailing_file", metadata,  # attachments, and images that the HTML names by ``cid:``
    id_column(),
    brand_ref(),
    ref("mailing_id", "mailing"),
    Column("position", Integer, nullable=False),
    Column("name", String(255), nullable=False),
    Column("content_type", String(255), nullable=False),
    Column("content_id", String(255)),  # set: inline
    Column("size_bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("mailing_id", "position"),
    sqlite_autoincrement=True,
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
    Column("paused_from", String(20)),  # where a resumed one goes back to (SEND-3)
    Column("audience", String(20)),  # never_received, not_opened, failed; empty: everybody (SEND-4)
    Column("spread_s", Integer),  # to be distributed over so long
    Column("recipients", Integer),  # how many were frozen to be mailed
    Column("token_key", Integer),  # the key that signs its tokens and Message-IDs (SEND-23)
    Column("transport_refusals", Integer, nullable=False, server_default="0"),  # in a row (SEND-36)
    Column("told_reason", String(40)),  # of which reason the brand's people were told
    Column("telling_until", Instant),  # meanwhile a worker is telling them, if it still lives
    Column("is_test", Boolean, nullable=False, server_default=text("false")),  # a test publishing of the AAPI
    Index("ix_mailing_instance_due", "state", "send_at"),
    sqlite_autoincrement=True,
)

instance_interest = Table(
    "instance_interest", metadata,  # whom this publishing goes to; without rows: the interests of its mailing
    brand_ref(),
    ref("instance_id", "mailing_instance"),
    ref("interest_id", "interest", index=True),
    PrimaryKeyConstraint("instance_id", "interest_id"),
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
    Column("first_tried_at", Instant),
    Column("next_at", Instant),  # of a deferred one (SEND-33)
    Column("code", String(20)),
    Column("status_text", Text),
    Column("bounce_class", String(10)),  # hard, soft, block, other
    Column("accepted_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("domain_group", String(253)),  # whose mail servers it goes to (SEND-34)
    Column("tiers", Text),  # where each live field's value came from, never the value (ID-76)
    UniqueConstraint("instance_id", "subscriber_id"),
    Index("ix_delivery_work", "instance_id", "state", "id"),
    Index("ix_delivery_retry", "instance_id", "next_at", sqlite_where=text("state = 'deferred'"),
          postgresql_where=text("state = 'deferred'")),
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
    Column("client_name", String(100)),  # of the mail program or browser that a hit came from
    Column("client_type", String(20)),  # desktop, mobile, web browser, web based email, unknown
    Column("once_key", String(200), nullable=False),  # SEND-50: the same input twice is one event
    UniqueConstraint("brand_id", "once_key"),
    Index("ix_event_feed", "brand_id", "recorded_at", "id"),
    Index("ix_event_instance", "instance_id", "type"),
    Index("ix_event_subscriber", "subscriber_id"),
    Index("ix_event_hits", "delivery_id", sqlite_where=text("type IN ('opened', 'clicked')"),
          postgresql_where=text("type IN ('opened', 'clicked')")),  # the neighbours of a hit (SEND-52)
    # The order of the grids of opens and of bounces: a page far behind is found without its rows
    Index("ix_event_grid_hits", "brand_id", "type", "automated", "instance_id", "address", "occurred_at", "id",
          sqlite_where=text("type IN ('opened', 'clicked')"), postgresql_where=text("type IN ('opened', 'clicked')")),
    Index("ix_event_grid_returns", "brand_id", "instance_id", "id",
          sqlite_where=text("type IN ('bounced', 'complained')"),
          postgresql_where=text("type IN ('bounced', 'complained')")),
    sqlite_autoincrement=True,
)
