"""How does mail leave and come back: rate buckets, keys that sign, inbound mail."""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from gateway.db.models.base import BigId, Instant, brand_ref, id_column, metadata, ref

rate_bucket = Table(
    "rate_bucket", metadata,  # SEND-34: what may leave now, shared by all senders; a restart forgets nothing
    Column("name", String(300), primary_key=True),  # transport, brand:7, domain:<group>, instance:12
    Column("tokens", Float, nullable=False),
    Column("rate", Float),  # a destination in trouble: messages a second from slowed_at on (SEND-35)
    Column("filled_at", Instant, nullable=False),
    Column("slowed_at", Instant),
)

inbound_mail = Table(
    "inbound_mail", metadata,  # SEND-53: every mail that came back, until it is understood; quarantine is never deleted
    id_column(),
    ref("brand_id", "brand", nullable=True),  # empty: not known whose
    Column("received_at", Instant, nullable=False),
    Column("came_by", String(20), nullable=False),  # lmtp, smtp, maildir, imap
    Column("envelope_from", String(320)),
    Column("envelope_to", String(320)),
    Column("once_key", String(64), nullable=False),  # SHA-256 of recipient and bytes: delivered twice is one mail
    Column("state", String(20), nullable=False),  # new, done, ignored, quarantined
    Column("kind", String(20)),
    Column("reason", String(300)),
    Column("delivery_id", BigId),  # of which it speaks: how an erase finds it (ID-35)
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("changed_at", Instant, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("once_key"),
    Index("ix_inbound_mail_state", "state", "id"),
    Index("ix_inbound_mail_delivery", "delivery_id"),
    sqlite_autoincrement=True,
)

dkim_key = Table(
    "dkim_key", metadata,  # SEND-43
    id_column(),
    brand_ref(),
    Column("domain", String(253), nullable=False),
    Column("selector", String(63), nullable=False),
    Column("algorithm", String(10), nullable=False),  # rsa, ed25519
    Column("private_key", Text, nullable=False),  # encrypted with the installation's key
    Column("public_key", Text, nullable=False),
    Column("state", String(10), nullable=False),  # active, retired
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),
    UniqueConstraint("brand_id", "domain", "selector"),
    sqlite_autoincrement=True,
)
