"""What does a database of revision 0001 hold that was in use? Rows of every table, as they were written then.

Rows are written through the reflected tables, never through today's models: the past does not change with them.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

NOW = dt.datetime(2026, 1, 10, 8, 30, 0, 125000, dt.UTC)
ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
_AT = {"created_at": NOW}
_IN = {"brand_id": 7}

ROWS: list[tuple[str, dict[str, object]]] = [
    ("brand", {"id": 7, "name": "Society", "allow_ip": ["192.0.2.0/24"], "settings": {"unknownField": "fail"}, **_AT}),
    ("brand", {"id": 8, "name": "Other", "allow_ip": [], "settings": {}, **_AT}),
    ("integration", {"id": 1, **_IN, "name": "api", "kind": "api", **_AT}),
    ("integration", {"id": 2, **_IN, "name": "ams", "kind": "sql", "config": "sealed", "state": "down", "probe_at": NOW,
                     "failures": 2, "cursor": "c-9", **_AT}),
    ("integration", {"id": 3, "brand_id": 8, "name": "api", "kind": "api", **_AT}),
    ("user_account", {"id": 1, **_IN, "integration_id": 1, "name": "apiuser", "password_hash": "x", "role": "admin",
                      **_AT}),
    ("api_key", {"id": 1, **_IN, "integration_id": 2, "key_hash": "k" * 64, "scopes": ["import"], "allow_ip": [],
                 **_AT}),
    ("source", {"id": 1, **_IN, "kind": "local", "name": ""}),
    ("source", {"id": 2, **_IN, "kind": "integration", "name": "api", "integration_id": 1}),
    ("source", {"id": 3, **_IN, "kind": "integration", "name": "ams", "integration_id": 2}),
    ("source", {"id": 4, **_IN, "kind": "upload", "name": "fair"}),
    ("wsse_nonce", {"nonce_hash": "n" * 64, "seen_at": NOW}),
    ("field", {"id": 1, **_IN, "name": "City", "folded": "city", **_AT}),
    ("interest", {"id": 1, **_IN, "name": "News", "description": "Monthly", "public": True, **_AT}),
    ("interest", {"id": 2, **_IN, "name": "Board", "integration_id": 2, **_AT}),
    ("subscriber", {"id": 11, **_IN, "email": ANN, "keyless": True, "source_id": 4, "first_source_id": 4,
                    "changed_at": NOW, **_AT}),
    ("subscriber", {"id": 12, **_IN, "email": BOB, "keyless": False, "source_id": 3, "first_source_id": 4,
                    "opted_out_at": NOW, "opt_out_origin": "form", "changed_at": NOW, **_AT}),
    ("subscriber", {"id": 13, **_IN, "email": BOB, "keyless": True, "source_id": 4, "first_source_id": 4,
                    "merged_into": 12, "changed_at": NOW, **_AT}),
    ("remote_key", {"id": 1, **_IN, "integration_id": 2, "remote_id": "M-1", "subscriber_id": 12, "do_not_email": True,
                    "flagged_at": NOW, **_AT}),
    ("source_values", {**_IN, "subscriber_id": 11, "source_id": 2, "document": '{"City":"Oslo"}', "changed": "{}",
                       "changed_at": NOW}),
    ("address_status", {**_IN, "email": BOB, "opted_out_at": NOW, "opt_out_origin": "form", "opt_out_reason": "enough",
                        "hard_in_a_row": 1}),
    ("membership", {"id": 1, **_IN, "subscriber_id": 11, "interest_id": 1, "source_id": 2, "channel": "native",
                    "since": NOW}),
    ("membership", {"id": 2, **_IN, "subscriber_id": 13, "interest_id": 1, "source_id": 4, "channel": "native",
                    "since": NOW, "until": NOW}),
    ("interest_opt_out", {**_IN, "subscriber_id": 12, "interest_id": 1, "left_at": NOW, "origin": "form"}),
    ("upload", {"id": 1, **_IN, "door": "push", "actor": "key:1", "integration_id": 2, "options": {"mode": "Add"},
                "state": "finished", "counters": {"received": 2}, "queued_at": NOW, "finished_at": NOW}),
    ("decision", {"id": 1, **_IN, "upload_id": 1, "row_number": 0, "recorded_at": NOW, "actor": "key:1",
                  "door": "push", "subscriber_id": 12, "remote_id": "M-1", "email": BOB, "rule": "ID-13",
                  "status": "created"}),
    ("idempotency", {**_IN, "principal": "key:1", "operation": "x", "key": "k", "fingerprint": "f" * 64, "status": 200,
                     "answer": b"{}", **_AT}),
    ("mailing", {"id": 1, **_IN, "name": "March", "subject": "News", "from_address": "news@example.org",
                 "html": "<p>Hello</p>", "state": "released", "created_by": "user:apiuser", "changed_at": NOW, **_AT}),
    ("mailing_interest", {**_IN, "mailing_id": 1, "interest_id": 1, "exclude": False}),
    ("mailing_instance", {"id": 1, **_IN, "mailing_id": 1, "state": "done", "send_at": NOW, "frozen_at": NOW,
                          "created_by": "user:apiuser", "finished_at": NOW, **_AT}),
    ("mailing_link", {**_IN, "instance_id": 1, "number": 0, "url": "https://example.org/"}),
    ("delivery", {"id": 1, **_IN, "instance_id": 1, "subscriber_id": 11, "email": ANN, "state": "accepted",
                  "attempt": 1, "accepted_at": NOW, "changed_at": NOW}),
    ("event", {"id": 1, **_IN, "type": "sent", "occurred_at": NOW, "recorded_at": NOW, "instance_id": 1,
               "delivery_id": 1, "subscriber_id": 11, "address": ANN, "once_key": "a"}),
    ("event", {"id": 2, **_IN, "type": "unsubscribed", "occurred_at": NOW, "recorded_at": NOW, "subscriber_id": 12,
               "address": BOB, "raw": {"from": "form"}, "once_key": "b"}),
    ("sync_run", {"id": 1, **_IN, "integration_id": 2, "full_run": True, "state": "success", "counters": {"new": 1},
                  "upload_id": 1, "started_at": NOW, "finished_at": NOW}),
    ("writeback", {"id": 1, **_IN, "integration_id": 2, "event_id": 2, "remote_key_id": 1, "subscriber_id": 12,
                   "remote_id": "M-1", "email": BOB, "kind": "unsubscribe", "payload": {"reason": "enough"},
                   "state": "ready", "next_at": NOW, "occurred_at": NOW, **_AT}),
    ("job_message", {"id": 1, "message_id": "m-1", "queue": "default", "actor": "tick", "priority": 0, "run_at": NOW,
                     "body": b"{}"}),
    ("job_dead", {"id": 1, "message_id": "m-2", "queue": "default", "actor": "tick", "died_at": NOW,
                  "reason": "ValueError", "body": b"{}"}),
    ("job_schedule", {"name": "sweep", "next_at": NOW}),
]


def tables_of(connection: Connection) -> sa.MetaData:
    """The tables as they are in the database."""
    found = sa.MetaData()
    found.reflect(connection)
    return found


def fill(connection: Connection) -> None:
    """Writes the rows, and leaves sequences as the inserts of that time would have."""
    found = tables_of(connection)
    sqlite = connection.dialect.name == "sqlite"
    for name, row in ROWS:
        values = {key: value.replace(tzinfo=None) if sqlite and isinstance(value, dt.datetime) else value
                  for key, value in row.items()}
        connection.execute(sa.insert(found.tables[name]).values(values))
        if not sqlite and "id" in row:
            connection.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), "
                                       f"(SELECT max(id) FROM {name}))"))


def read_all(connection: Connection, columns: dict[str, list[str]] | None = None) -> dict[str, list[tuple]]:
    """Every row of every table, of these columns (default: all)."""
    found = tables_of(connection)
    columns = columns or {name: list(table.c.keys()) for name, table in found.tables.items()}
    return {name: sorted(connection.execute(sa.select(*(found.tables[name].c[key] for key in keys))).all(), key=repr)
            for name, keys in columns.items()}
