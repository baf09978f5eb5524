"""Who is known: subscribers, their remote keys, the values each source gave, and facts about addresses.

Status is three independent facts (identity.md section 7): an opt-out sits on the address *and* the
record, a bounce on the address, a do-not-email flag on the remote key.
"""

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint, text

from gateway.db.models.base import BigId, Instant, JsonText, brand_ref, id_column, metadata, ref

LIVE_KEYLESS = "merged_into IS NULL AND keyless AND email IS NOT NULL"

subscriber = Table(
    "subscriber", metadata,
    id_column(),
    brand_ref(),
    Column("email", String(254)),  # normalised (ID-7); null when the address was withdrawn
    Column("keyless", Boolean, nullable=False),  # never had a remote key (ID-12): its address is its identity
    ref("source_id", "source"),
    ref("first_source_id", "source"),  # never changes (ID-30)
    Column("orphan", Boolean, nullable=False, server_default=text("false")),
    Column("merged_into", BigId),  # a tombstone of that subscriber (ID-26)
    Column("opted_out_at", Instant),
    Column("opt_out_origin", String(20)),  # link, one-click, form, complaint, admin, api
    Column("last_upload_id", BigId),  # what created or changed it last (ID-27)
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_subscriber_brand_email", "brand_id", "email"),
    Index("ix_subscriber_brand_changed", "brand_id", "changed_at", "id"),
    Index("uq_subscriber_keyless_email", "brand_id", "email", unique=True,
          sqlite_where=text(LIVE_KEYLESS), postgresql_where=text(LIVE_KEYLESS)),
    sqlite_autoincrement=True,
)

remote_key = Table(
    "remote_key", metadata,
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),
    Column("remote_id", String(255), nullable=False),  # compared exactly (ID-6)
    ref("subscriber_id", "subscriber", index=True),
    Column("do_not_email", Boolean, nullable=False, server_default=text("false")),  # ID-45
    Column("flagged_at", Instant),
    Column("ended_at", Instant),  # the link ended (ID-32); the row stays, so that the same key revives the record
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "integration_id", "remote_id"),
    sqlite_autoincrement=True,
)

source_values = Table(
    "source_values", metadata,
    brand_ref(),
    ref("subscriber_id", "subscriber"),
    ref("source_id", "source"),
    Column("document", JsonText, nullable=False),  # {"FirstName": "Ann"}, keys sorted
    Column("changed", JsonText, nullable=False),  # {"FirstName": "2026-..Z"} where it differs from changed_at
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("subscriber_id", "source_id"),
)

field = Table(
    "field", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(100), nullable=False),
    Column("folded", String(100), nullable=False),  # lower case without blanks, "-", "_": how columns find it
    Column("kind", String(20), nullable=False, server_default="text"),  # text, date, boolean, html
    Column("max_length", Integer, nullable=False, server_default="4000"),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "folded"),
    sqlite_autoincrement=True,
)

address_status = Table(
    "address_status", metadata,
    brand_ref(),
    Column("email", String(254), nullable=False),
    Column("opted_out_at", Instant),
    Column("opt_out_origin", String(20)),
    Column("opt_out_reason", String(250)),
    Column("bounced_at", Instant),  # the bounce fact (ID-44): not mailed
    Column("bounce_code", String(20)),
    Column("hard_in_a_row", Integer, nullable=False, server_default="0"),
    Column("soft_in_a_row", Integer, nullable=False, server_default="0"),
    Column("first_soft_at", Instant),
    PrimaryKeyConstraint("brand_id", "email"),
)

interest = Table(
    "interest", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(255), nullable=False),
    Column("description", String(1000)),
    Column("public", Boolean, nullable=False, server_default=text("false")),
    ref("integration_id", "integration", nullable=True),  # set when an integration owns it
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

membership = Table(
    "membership", metadata,
    id_column(),
    brand_ref(),
    ref("subscriber_id", "subscriber"),
    ref("interest_id", "interest"),
    ref("source_id", "source"),
    Column("channel", String(10), nullable=False),  # native, groups, list (ID-38)
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # ended, never deleted
    Index("ix_membership_interest", "interest_id", "until", "subscriber_id"),
    Index("uq_membership_open", "subscriber_id", "interest_id", "source_id", "channel", unique=True,
          sqlite_where=text("until IS NULL"), postgresql_where=text("until IS NULL")),
    sqlite_autoincrement=True,
)

interest_opt_out = Table(
    "interest_opt_out", metadata,
    brand_ref(),
    ref("subscriber_id", "subscriber"),
    ref("interest_id", "interest"),
    Column("left_at", Instant, nullable=False),
    Column("origin", String(20), nullable=False),
    PrimaryKeyConstraint("subscriber_id", "interest_id"),
)
