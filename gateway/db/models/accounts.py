"""Who may call: brands, integrations, users, API keys; and where values come from: sources."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from gateway.db.models.base import Instant, Json, brand_ref, id_column, metadata, ref

brand = Table(
    "brand", metadata,
    id_column(),
    Column("name", String(255), nullable=False),
    Column("allow_ip", Json, nullable=False),  # list of CIDR strings; empty: everywhere
    Column("settings", Json, nullable=False),  # choices of this brand, by name
    Column("created_at", Instant, nullable=False),
    Column("external_id", Integer),  # the number by which AAPI callers know this account, if it is not ours
    Index("uq_brand_external_id", "external_id", unique=True),
    sqlite_autoincrement=True,
)

integration = Table(
    "integration", metadata,
    id_column(),
    brand_ref(),
    Column("name", String(255), nullable=False),
    Column("kind", String(20), nullable=False),  # api, sql
    Column("identity", String(20), nullable=False, server_default="standard"),  # or imis_legacy (ID-3)
    Column("config", Text),  # the bridge's configuration, encrypted with the installation's key
    Column("state", String(20), nullable=False, server_default="up"),  # up, down (an outage: ID-60)
    Column("probe_at", Instant),  # when a down integration is tried again
    Column("failures", Integer, nullable=False, server_default="0"),  # probes in a row that met an outage
    Column("cursor", Text),  # the bridge's change cursor (ID-68)
    Column("pulls", String(255)),  # kinds of writebacks that it fetches itself, with blanks between; null: none (ID-63)
    Column("choices", Json, nullable=False, server_default="{}"),  # how it is synced, by name
    Column("next_sync_at", Instant, index=True),  # by its schedule (ID-66)
    Column("webhook", Text),  # address and secrets of its signed webhook, encrypted (ID-63)
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

user = Table(
    "user_account", metadata,
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),  # whose remote IDs this user speaks (SOAP-19)
    Column("name", String(255), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("recoverable_secret", Text),  # encrypted; only for PasswordDigest users (SOAP-15)
    Column("role", String(20), nullable=False),  # reader, sender, admin
    Column("blocked", Boolean, nullable=False, server_default="0"),
    Column("expires_at", Instant),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("brand_id", "name"),
    sqlite_autoincrement=True,
)

api_key = Table(
    "api_key", metadata,
    id_column(),
    brand_ref(),
    ref("integration_id", "integration"),
    Column("key_hash", String(64), nullable=False, unique=True),  # SHA-256 of 256 random bits (PUSH-2)
    Column("scopes", Json, nullable=False),  # subset of import, send, report, writeback
    Column("allow_ip", Json, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

source = Table(
    "source", metadata,
    id_column(),
    brand_ref(),
    Column("kind", String(20), nullable=False),  # integration, upload, local
    Column("name", String(255), nullable=False),  # the integration's name or the upload's label; may be empty
    ref("integration_id", "integration", nullable=True),
    UniqueConstraint("brand_id", "kind", "name"),
    sqlite_autoincrement=True,
)

nonce = Table(
    "wsse_nonce", metadata,
    Column("nonce_hash", String(64), primary_key=True),  # of user and nonce (SOAP-15)
    Column("seen_at", Instant, nullable=False),
    Index("ix_wsse_nonce_seen_at", "seen_at"),
)
