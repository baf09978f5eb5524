"""What arrived: uploads and bulk jobs, the decisions taken about records, and remembered answers."""

from sqlalchemy import (
    BigInteger,
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

from gateway.db.models.base import BigId, Instant, Json, brand_ref, id_column, metadata, ref, unchecked

upload = Table(
    "upload", metadata,
    id_column(),
    brand_ref(),
    Column("door", String(10), nullable=False),  # soap, push, sync, cli
    Column("actor", String(255), nullable=False),  # "user:apiuser", "key:12", "sync:crm"
    ref("integration_id", "integration"),
    Column("label", String(255), nullable=False, server_default=""),
    Column("options", Json, nullable=False),  # mode, interests, emptyValue, dryRun, detail, columns, delimiter
    Column("state", String(30), nullable=False),  # PUSH-65..71; a synchronous call is finished at once
    Column("media_type", String(100)),
    Column("encoding", String(20)),
    Column("spool_name", String(100)),  # file below <data>/spool; null once it is gone
    Column("size_bytes", BigInteger, nullable=False, server_default="0"),
    Column("sha256", String(64)),
    Column("counters", Json, nullable=False),  # received, created, ... failed, byCode, warnings
    Column("rows_done", BigInteger, nullable=False, server_default="0"),  # the checkpoint (PUSH-63)
    Column("bytes_done", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_until", Instant),
    Column("lease_owner", String(64)),
    Column("message", Text),
    Column("notified_at", Instant),  # when everybody was told of its end; at once where there is nobody (PUSH-50)
    Column("rejects_name", String(100)),  # the failed rows, a file below <data>/spool (PUSH-33)
    Column("request_id", String(64)),
    Column("queued_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Index("ix_upload_brand_id", "brand_id", "id"),
    Index("ix_upload_unfinished", "state", sqlite_where=text("finished_at IS NULL"),
          postgresql_where=text("finished_at IS NULL")),
    Index("ix_upload_untold", "id", sqlite_where=text("notified_at IS NULL AND sha256 IS NOT NULL"),
          postgresql_where=text("notified_at IS NULL AND sha256 IS NOT NULL")),
    sqlite_autoincrement=True,
)

decision = Table(
    "decision", metadata,  # append-only (ID-78); an unchanged record is only counted
    id_column(),
    unchecked("brand_id"),
    unchecked("upload_id", nullable=True),
    Column("row_number", Integer),  # 0-based position in the upload
    Column("line", Integer),  # of the file, where there is one
    Column("recorded_at", Instant, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("door", String(10), nullable=False),
    Column("subscriber_id", BigId),
    Column("remote_id", String(255)),
    Column("email", String(320)),
    Column("rule", String(10)),
    Column("status", String(20), nullable=False),
    Column("code", String(40)),
    Column("field", String(255)),
    Column("message", Text),
    Column("changes", Text),  # JSON: {"email": [old, new], ...}
    Column("warnings", Text),  # JSON list of codes
    Index("ix_decision_failed_row", "upload_id", "row_number", sqlite_where=text("status = 'failed'"),
          postgresql_where=text("status = 'failed'")),
    Index("ix_decision_subscriber", "subscriber_id"),
    *(Index(f"ix_decision_nobody_{name}", "brand_id", name, sqlite_where=text("subscriber_id IS NULL"),
            postgresql_where=text("subscriber_id IS NULL")) for name in ("email", "remote_id")),
    Index("ix_decision_failed", "brand_id", "recorded_at", "id", sqlite_where=text("status = 'failed'"),
          postgresql_where=text("status = 'failed'")),
    sqlite_autoincrement=True,
)

failed_envelope = Table(
    "failed_envelope", metadata,  # for ``/diagnose``: the newest few of a brand that asked for it, scrubbed
    id_column(),
    brand_ref(),
    Column("recorded_at", Instant, nullable=False),
    Column("door", String(10), nullable=False),  # soap, aapi
    Column("operation", String(255)),
    Column("code", String(60), nullable=False),
    Column("message", Text, nullable=False),
    Column("line", Integer),  # of the envelope, 1-based
    Column("request_id", String(64)),
    Column("envelope", Text, nullable=False),  # as it came, credentials replaced, bounded
    Column("understood", Json, nullable=False),  # what was read of it, in the order in which it was read
    Index("ix_failed_envelope_brand", "brand_id", "id"),
    sqlite_autoincrement=True,
)

refusal = Table(
    "refusal", metadata,  # a request that was refused as a whole; kept 30 days, without its body (PUSH-14)
    id_column(),
    brand_ref(),
    Column("recorded_at", Instant, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("door", String(10), nullable=False),
    Column("operation", String(255), nullable=False),  # "POST /push/v1/subscribers"
    Column("code", String(60), nullable=False),
    Column("field", String(255)),
    Column("message", Text, nullable=False),
    Column("request_id", String(64)),
    Column("remote_id", String(255)),  # where the request was about one person
    Column("email", String(320)),
    Index("ix_refusal_recorded", "brand_id", "recorded_at", "id"),
    sqlite_autoincrement=True,
)

column_mapping = Table(
    "column_mapping", metadata,  # a saved mapping of a file's columns (PUSH-61)
    id_column(),
    brand_ref(),
    Column("name", String(100), nullable=False),
    Column("columns", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

idempotency = Table(
    "idempotency", metadata,
    brand_ref(),
    Column("principal", String(255), nullable=False),  # "user:3" or "key:12"
    Column("operation", String(255), nullable=False),
    Column("key", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("brand_id", "principal", "operation", "key"),
    Index("ix_idempotency_created", "created_at"),
)
