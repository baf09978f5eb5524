"""What passes between us and an AMS: sync runs and writebacks."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, text

from gateway.db.models.base import BigId, Instant, Json, brand_ref, id_column, metadata, ref

sync_run = Table(
    "sync_run", metadata,
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),
    Column("full_run", Boolean, nullable=False),
    Column("state", String(20), nullable=False),  # requested, running, or how it ended (ID-72)
    Column("counters", Json, nullable=False),
    Column("message", Text),
    ref("upload_id", "upload", nullable=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("trigger", String(20)),  # schedule, hand, mailing, folder (ID-66); null: of an earlier version
    Column("requested_by", String(255)),  # who asked for it; null: the schedule
    Column("released_by", String(255)),  # who let go of the brake for it (ID-70)
    Column("samples", Json),  # of a held run, for whoever must decide: some people of each class; gone with the next
    Column("instance_id", BigId),  # the mailing instance before which it ran
    Column("interest_id", BigId),  # set: it read this dynamic group only
    Column("told_at", Instant),  # when the brand's people were told of its end
    Column("telling_until", Instant),  # meanwhile a worker is telling them, if it still lives
    Index("ix_sync_run_integration", "integration_id", "id"),
    sqlite_autoincrement=True,
)

_OF_FIELDS = text("kind = 'field_changed'")

writeback = Table(
    "writeback", metadata,  # written in the transaction of the fact (ID-59)
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),
    ref("event_id", "event"),
    ref("remote_key_id", "remote_key"),
    Column("subscriber_id", BigId, nullable=False),
    Column("remote_id", String(255), nullable=False),
    Column("email", String(254)),
    Column("kind", String(20), nullable=False),  # domain/writeback.KINDS
    Column("payload", Json, nullable=False),
    Column("state", String(20), nullable=False),  # ready, processing, sent, error, failed, expired, closed (ID-60)
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", Instant, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", Instant),
    Column("message", Text),
    Column("occurred_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    UniqueConstraint("event_id", "remote_key_id"),
    Index("ix_writeback_open", "integration_id", "state", "next_at", "id"),
    Index("ix_writeback_key", "remote_key_id", "id"),
    Index("ix_writeback_field", "remote_key_id", "id", sqlite_where=_OF_FIELDS, postgresql_where=_OF_FIELDS),
    sqlite_autoincrement=True,
)
