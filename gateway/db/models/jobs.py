"""What does the embedded job engine keep: waiting messages, dead ones, and when each periodic task is next due."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from gateway.db.models.base import Instant, id_column, metadata

job_message = Table(
    "job_message", metadata,
    id_column(),
    Column("message_id", String(36), nullable=False, unique=True),
    Column("queue", String(60), nullable=False),
    Column("actor", String(120), nullable=False),
    Column("priority", Integer, nullable=False),  # the lower number goes first
    Column("run_at", Instant, nullable=False),  # due time; a claim moves it to the end of its lease
    Column("owner", String(32)),  # the process that holds the lease; null while the message waits
    Column("claims", Integer, nullable=False, server_default="0"),  # with the owner, the fence of ack and nack
    Column("losses", Integer, nullable=False, server_default="0"),  # leases that ran out: a worker died over it
    Column("body", LargeBinary, nullable=False),
    Index("ix_job_message_ready", "queue", "priority", "run_at", "id"),
    sqlite_autoincrement=True,
)

job_dead = Table(
    "job_dead", metadata,
    id_column(),
    Column("message_id", String(36), nullable=False),
    Column("queue", String(60), nullable=False),
    Column("actor", String(120), nullable=False),
    Column("died_at", Instant, nullable=False, index=True),
    Column("reason", String(200), nullable=False),  # the class of the last error; never its text, which may hold data
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

job_schedule = Table(
    "job_schedule", metadata,
    Column("name", String(60), primary_key=True),
    Column("next_at", Instant, nullable=False),  # moved by compare-and-swap: one process of all rings
    Column("last_at", Instant),
)
