"""The first schema: accounts, identity, imports, mailings, events, sync, jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "brand",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("allow_ip", JSON, nullable=False),
        sa.Column("settings", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand")),
        sqlite_autoincrement=True,
    )
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
        "job_schedule",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job_schedule")),
    )
    op.create_table(
        "wsse_nonce",
        sa.Column("nonce_hash", sa.String(length=64), nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("nonce_hash", name=op.f("pk_wsse_nonce")),
    )
    op.create_index("ix_wsse_nonce_seen_at", "wsse_nonce", ["seen_at"], unique=False)
    op.create_table(
        "address_status",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("opted_out_at", INSTANT, nullable=True),
        sa.Column("opt_out_origin", sa.String(length=20), nullable=True),
        sa.Column("opt_out_reason", sa.String(length=250), nullable=True),
        sa.Column("bounced_at", INSTANT, nullable=True),
        sa.Column("bounce_code", sa.String(length=20), nullable=True),
        sa.Column("hard_in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("soft_in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_soft_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_address_status_brand_id")),
        sa.PrimaryKeyConstraint("brand_id", "email", name=op.f("pk_address_status")),
    )
    op.create_table(
        "event",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("instance_id", BIG, nullable=True),
        sa.Column("delivery_id", BIG, nullable=True),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("remote_id", sa.String(length=255), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("link_number", sa.Integer(), nullable=True),
        sa.Column("origin", sa.String(length=20), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("automated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=True),
        sa.Column("raw", JSON, nullable=True),
        sa.Column("once_key", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_event_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("brand_id", "once_key", name=op.f("uq_event_brand_id_once_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_feed", "event", ["brand_id", "recorded_at", "id"], unique=False)
    op.create_index("ix_event_instance", "event", ["instance_id", "type"], unique=False)
    op.create_index("ix_event_subscriber", "event", ["subscriber_id"], unique=False)
    op.create_table(
        "field",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("folded", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), server_default="text", nullable=False),
        sa.Column("max_length", sa.Integer(), server_default="4000", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_field_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field")),
        sa.UniqueConstraint("brand_id", "folded", name=op.f("uq_field_brand_id_folded")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "idempotency",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_idempotency_brand_id")),
        sa.PrimaryKeyConstraint("brand_id", "principal", "operation", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created_at"], unique=False)
    op.create_table(
        "integration",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("config", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=20), server_default="up", nullable=False),
        sa.Column("probe_at", INSTANT, nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_integration_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration")),
        sa.UniqueConstraint("brand_id", "name", name=op.f("uq_integration_brand_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mailing",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("from_name", sa.String(length=255), nullable=True),
        sa.Column("from_address", sa.String(length=254), nullable=False),
        sa.Column("reply_to", sa.String(length=254), nullable=True),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("include_orphans", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("track_opens", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("track_clicks", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("folder", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_mailing_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailing_brand_created", "mailing", ["brand_id", "created_at", "id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("allow_ip", JSON, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_api_key_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_api_key_integration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "interest",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=True),
        sa.Column("public", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("integration_id", BIG, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_interest_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_interest_integration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interest")),
        sa.UniqueConstraint("brand_id", "name", name=op.f("uq_interest_brand_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "mailing_instance",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("mailing_id", BIG, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("send_at", INSTANT, nullable=False),
        sa.Column("not_after", INSTANT, nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("frozen_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_mailing_instance_brand_id")),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_mailing_instance_mailing_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailing_instance")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mailing_instance_due", "mailing_instance", ["state", "send_at"], unique=False)
    op.create_index(op.f("ix_mailing_instance_mailing_id"), "mailing_instance", ["mailing_id"], unique=False)
    op.create_table(
        "source",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("integration_id", BIG, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_source_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_source_integration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("brand_id", "kind", "name", name=op.f("uq_source_brand_id_kind_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "upload",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("label", sa.String(length=255), server_default="", nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=True),
        sa.Column("encoding", sa.String(length=20), nullable=True),
        sa.Column("spool_name", sa.String(length=100), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("counters", JSON, nullable=False),
        sa.Column("rows_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_upload_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_upload_integration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_upload_brand_id", "upload", ["brand_id", "id"], unique=False)
    op.create_index(
        "ix_upload_unfinished",
        "upload",
        ["state"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "user_account",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("recoverable_secret", sa.Text(), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("blocked", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("expires_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_user_account_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_user_account_integration_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("brand_id", "name", name=op.f("uq_user_account_brand_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "decision",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("upload_id", BIG, nullable=True),
        sa.Column("row_number", sa.Integer(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("door", sa.String(length=10), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=True),
        sa.Column("remote_id", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("rule", sa.String(length=10), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("field", sa.String(length=255), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("changes", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_decision_brand_id")),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"], name=op.f("fk_decision_upload_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decision_subscriber", "decision", ["subscriber_id"], unique=False)
    op.create_index("ix_decision_upload_row", "decision", ["upload_id", "row_number"], unique=False)
    op.create_table(
        "mailing_interest",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("mailing_id", BIG, nullable=False),
        sa.Column("interest_id", BIG, nullable=False),
        sa.Column("exclude", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_mailing_interest_brand_id")),
        sa.ForeignKeyConstraint(["interest_id"], ["interest.id"], name=op.f("fk_mailing_interest_interest_id")),
        sa.ForeignKeyConstraint(["mailing_id"], ["mailing.id"], name=op.f("fk_mailing_interest_mailing_id")),
        sa.PrimaryKeyConstraint("mailing_id", "interest_id", "exclude", name=op.f("pk_mailing_interest")),
    )
    op.create_table(
        "mailing_link",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("instance_id", BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_mailing_link_brand_id")),
        sa.ForeignKeyConstraint(["instance_id"], ["mailing_instance.id"], name=op.f("fk_mailing_link_instance_id")),
        sa.PrimaryKeyConstraint("instance_id", "number", name=op.f("pk_mailing_link")),
    )
    op.create_table(
        "subscriber",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("keyless", sa.Boolean(), nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("first_source_id", BIG, nullable=False),
        sa.Column("orphan", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("merged_into", BIG, nullable=True),
        sa.Column("opted_out_at", INSTANT, nullable=True),
        sa.Column("opt_out_origin", sa.String(length=20), nullable=True),
        sa.Column("last_upload_id", BIG, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_subscriber_brand_id")),
        sa.ForeignKeyConstraint(["first_source_id"], ["source.id"], name=op.f("fk_subscriber_first_source_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_subscriber_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriber")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscriber_brand_changed", "subscriber", ["brand_id", "changed_at", "id"], unique=False)
    op.create_index("ix_subscriber_brand_email", "subscriber", ["brand_id", "email"], unique=False)
    op.create_index(
        "uq_subscriber_keyless_email",
        "subscriber",
        ["brand_id", "email"],
        unique=True,
        sqlite_where=sa.text("merged_into IS NULL AND keyless AND email IS NOT NULL"),
        postgresql_where=sa.text("merged_into IS NULL AND keyless AND email IS NOT NULL"),
    )
    op.create_table(
        "sync_run",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("full_run", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("counters", JSON, nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("upload_id", BIG, nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_sync_run_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_sync_run_integration_id")),
        sa.ForeignKeyConstraint(["upload_id"], ["upload.id"], name=op.f("fk_sync_run_upload_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_run")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sync_run_integration", "sync_run", ["integration_id", "id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("instance_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("remote_id", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("body_started_at", INSTANT, nullable=True),
        sa.Column("first_tried_at", INSTANT, nullable=True),
        sa.Column("next_at", INSTANT, nullable=True),
        sa.Column("code", sa.String(length=20), nullable=True),
        sa.Column("status_text", sa.Text(), nullable=True),
        sa.Column("bounce_class", sa.String(length=10), nullable=True),
        sa.Column("accepted_at", INSTANT, nullable=True),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_delivery_brand_id")),
        sa.ForeignKeyConstraint(["instance_id"], ["mailing_instance.id"], name=op.f("fk_delivery_instance_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_delivery_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("instance_id", "subscriber_id", name=op.f("uq_delivery_instance_id_subscriber_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_brand_changed", "delivery", ["brand_id", "changed_at", "id"], unique=False)
    op.create_index(op.f("ix_delivery_subscriber_id"), "delivery", ["subscriber_id"], unique=False)
    op.create_index("ix_delivery_work", "delivery", ["instance_id", "state", "id"], unique=False)
    op.create_table(
        "interest_opt_out",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("interest_id", BIG, nullable=False),
        sa.Column("left_at", INSTANT, nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_interest_opt_out_brand_id")),
        sa.ForeignKeyConstraint(["interest_id"], ["interest.id"], name=op.f("fk_interest_opt_out_interest_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_interest_opt_out_subscriber_id")),
        sa.PrimaryKeyConstraint("subscriber_id", "interest_id", name=op.f("pk_interest_opt_out")),
    )
    op.create_table(
        "membership",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("interest_id", BIG, nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_membership_brand_id")),
        sa.ForeignKeyConstraint(["interest_id"], ["interest.id"], name=op.f("fk_membership_interest_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_membership_source_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_membership_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_membership_interest", "membership", ["interest_id", "until", "subscriber_id"], unique=False)
    op.create_index(
        "uq_membership_open",
        "membership",
        ["subscriber_id", "interest_id", "source_id", "channel"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "remote_key",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("remote_id", sa.String(length=255), nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("do_not_email", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("flagged_at", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_remote_key_brand_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_remote_key_integration_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_remote_key_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remote_key")),
        sa.UniqueConstraint(
            "brand_id", "integration_id", "remote_id", name=op.f("uq_remote_key_brand_id_integration_id_remote_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_remote_key_subscriber_id"), "remote_key", ["subscriber_id"], unique=False)
    op.create_table(
        "source_values",
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("source_id", BIG, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_source_values_brand_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_source_values_source_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_source_values_subscriber_id")),
        sa.PrimaryKeyConstraint("subscriber_id", "source_id", name=op.f("pk_source_values")),
    )
    op.create_table(
        "writeback",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("brand_id", BIG, nullable=False),
        sa.Column("integration_id", BIG, nullable=False),
        sa.Column("event_id", BIG, nullable=False),
        sa.Column("remote_key_id", BIG, nullable=False),
        sa.Column("subscriber_id", BIG, nullable=False),
        sa.Column("remote_id", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_writeback_brand_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_writeback_event_id")),
        sa.ForeignKeyConstraint(["integration_id"], ["integration.id"], name=op.f("fk_writeback_integration_id")),
        sa.ForeignKeyConstraint(["remote_key_id"], ["remote_key.id"], name=op.f("fk_writeback_remote_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writeback")),
        sa.UniqueConstraint("event_id", "remote_key_id", name=op.f("uq_writeback_event_id_remote_key_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_writeback_key", "writeback", ["remote_key_id", "id"], unique=False)
    op.create_index("ix_writeback_open", "writeback", ["integration_id", "state", "next_at", "id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("The first schema has nothing before it; restore a backup instead.")
