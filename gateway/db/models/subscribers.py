"""Who is known: subscribers, their remote keys, the values each source gave, and facts about addresses.

Status is three independent facts (identity.md section 7): an opt-out sits on the address *and* the
record, a bounce on the address, a do-not-email flag on the remote key.
"""

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

from gateway.db.models.base import BigId, Instant, Json, JsonText, brand_ref, id_column, metadata, ref, unchecked

LIVE_KEYLESS = "merged_into IS NULL AND keyless AND email IS NOT NULL"
LIVE_MAIN = "merged_into IS NULL AND is_main AND email IS NOT NULL"

subscriber = Table(
    "subscriber", metadata,
    id_column(),
    unchecked("brand_id"),
    Column("email", String(254)),  # normalised (ID-7); null when the address was withdrawn
    Column("keyless", Boolean, nullable=False),  # never had a remote key (ID-12): its address is its identity
    Column("is_main", Boolean, nullable=False, server_default=text("false")),  # made while One-to-Many was on (ID-4)
    unchecked("source_id"),
    unchecked("first_source_id"),  # never changes (ID-30)
    Column("orphan", Boolean, nullable=False, server_default=text("false")),
    Column("merged_into", BigId),  # a tombstone of that subscriber (ID-26)
    Column("erased_at", Instant),  # its person asked to be forgotten (ID-35): nothing personal is left
    Column("opted_out_at", Instant),
    Column("opt_out_origin", String(20)),  # link, one-click, form, complaint, admin, api
    Column("last_upload_id", BigId),  # what created or changed it last (ID-27)
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_subscriber_brand_email", "brand_id", "email"),
    Index("ix_subscriber_brand_changed", "brand_id", "changed_at", "id"),  # the order of FindSubscribers
    Index("ix_subscriber_merged", "merged_into", sqlite_where=text("merged_into IS NOT NULL"),
          postgresql_where=text("merged_into IS NOT NULL")),
    Index("uq_subscriber_keyless_email", "brand_id", "email", unique=True,
          sqlite_where=text(LIVE_KEYLESS), postgresql_where=text(LIVE_KEYLESS)),
    Index("uq_subscriber_main_email", "brand_id", "email", unique=True,
          sqlite_where=text(LIVE_MAIN), postgresql_where=text(LIVE_MAIN)),
    sqlite_autoincrement=True,
)

remote_key = Table(
    "remote_key", metadata,
    id_column(),
    unchecked("brand_id"),
    unchecked("integration_id"),
    Column("remote_id", String(255), nullable=False),  # compared exactly (ID-6)
    unchecked("subscriber_id", index=True),
    Column("do_not_email", Boolean, nullable=False, server_default=text("false")),  # ID-45
    Column("flagged_at", Instant),
    Column("ended_at", Instant),  # the link ended (ID-32); the row stays, so that the same key revives the record
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "integration_id", "remote_id"),
    sqlite_autoincrement=True,
)

source_values = Table(
    "source_values", metadata,
    unchecked("brand_id"),
    unchecked("subscriber_id"),
    unchecked("source_id"),
    Column("document", JsonText, nullable=False),  # {"FirstName": "Ann"}, keys sorted
    Column("changed", JsonText, nullable=False),  # {"FirstName": "2026-..Z"} where it differs from changed_at
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("subscriber_id", "source_id"),
    sqlite_with_rowid=False,
)

field = Table(
    "field", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(100), nullable=False),
    Column("folded", String(100), nullable=False),  # lower case without blanks, "-", "_": how columns find it
    Column("kind", String(20), nullable=False, server_default="text"),  # text, date, boolean, html, json
    Column("max_length", Integer, nullable=False, server_default="4000"),
    Column("default_value", Text),  # what rendering shows where a person has no value
    Column("category", String(255)),  # set: a demographic of this category
    Column("cache_hours", Integer),  # set: values fetched from an AMS are kept for so long (ID-77)
    Column("required", Boolean, nullable=False, server_default=text("false")),  # who has no value is left out (ID-77)
    Column("on_form", String(10)),  # shown, editable: on the preference form
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "folded"),
    sqlite_autoincrement=True,
)

cached_value = Table(
    "cached_value", metadata,  # what an AMS said of a person, of fields that allow it (ID-77)
    brand_ref(),
    ref("integration_id", "integration"),
    Column("remote_id", String(255), nullable=False),
    ref("field_id", "field"),
    Column("value", Text, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    PrimaryKeyConstraint("integration_id", "remote_id", "field_id"),
    Index("ix_cached_value_field_id", "field_id", "fetched_at"),
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
    Column("external_id", String(255)),  # that integration's GroupId or ListId (PUSH-23, PUSH-24)
    Column("dynamic", Boolean, nullable=False, server_default=text("false")),  # its AMS says who is in it
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    Index("uq_interest_external", "integration_id", "external_id", unique=True,
          sqlite_where=text("external_id IS NOT NULL"), postgresql_where=text("external_id IS NOT NULL")),
    sqlite_autoincrement=True,
)

membership = Table(
    "membership", metadata,
    id_column(),
    unchecked("brand_id"),
    unchecked("subscriber_id"),
    unchecked("interest_id"),
    unchecked("source_id"),
    Column("channel", String(10), nullable=False),  # native, groups, list (ID-38)
    Column("since", Instant, nullable=False),
    Column("until", Instant),  # ended, never deleted
    Column("begins_at", Instant),  # outside these two the membership rests (PUSH-23)
    Column("ends_at", Instant),
    Column("detail", JsonText),  # {"type", "subType", "role", "joined"} of a group
    Index("ix_membership_interest", "interest_id", "until", "subscriber_id"),
    Index("ix_membership_since", "brand_id", "since", "id"),
    Index("ix_membership_until", "brand_id", "until", "id", sqlite_where=text("until IS NOT NULL"),
          postgresql_where=text("until IS NOT NULL")),
    # With uq_membership_open it finds all of a person, and costs nothing while memberships are made
    Index("ix_membership_ended", "subscriber_id", sqlite_where=text("until IS NOT NULL"),
          postgresql_where=text("until IS NOT NULL")),
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

suppression = Table(
    "suppression", metadata,  # who was erased must not come back (ID-35): keyed hashes, nothing readable
    brand_ref(),
    Column("kind", String(10), nullable=False),  # email, key
    Column("hash", String(64), nullable=False),
    Column("erased_at", Instant, nullable=False),
    PrimaryKeyConstraint("brand_id", "kind", "hash"),
)

subscriber_merge = Table(
    "subscriber_merge", metadata,  # one row per tombstone, with what undoing it needs (ID-26)
    id_column(),
    brand_ref(),
    ref("loser_id", "subscriber", index=True),
    ref("survivor_id", "subscriber", index=True),
    Column("rule", String(10), nullable=False),  # ID-17, ID-74
    Column("upload_id", BigId),
    Column("merged_at", Instant, nullable=False),
    Column("undone_at", Instant),
    Column("before", JsonText, nullable=False),  # the survivor and the loser as they were
    sqlite_autoincrement=True,
)

identity_switch = Table(
    "identity_switch", metadata,  # a brand on its way to One-to-Many or back (ID-73..75)
    id_column(),
    brand_ref(),
    Column("state", String(20), nullable=False),  # previewed, running, on, off
    Column("fingerprint", String(64), nullable=False),  # of the state that the preview saw
    Column("counters", Json, nullable=False),
    Column("checkpoint", String(254)),  # the last address that is done
    Column("actor", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Index("ix_identity_switch_brand", "brand_id", "id"),
    sqlite_autoincrement=True,
)
