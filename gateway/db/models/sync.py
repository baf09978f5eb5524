"""What passes between us and an AMS: sync runs and writebacks."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from gateway.db.models.base import BigId, Instant, Json, brand_ref, id_column, metadata, ref

sync_run = Table(
    "sync_run", metadata,
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),
    Column("full_run", Boolean, nullable=False),
    Column("state", String(20), nullable=False),  # running, success, partial, skipped, held, failed (ID-72)
    Column("counters", Json, nullable=False),
    Column("message", Text),
    ref("upload_id", "upload", nullable=True),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Index("ix_sync_run_integration", "integration_id", "id"),
    sqlite_autoincrement=True,
)

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
    Column("kind", String(20), nullable=False),  # unsubscribe, resubscribe, bad_email
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
    sqlite_autoincrement=True,
)
