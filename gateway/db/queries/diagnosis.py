"""Which envelopes failed lately? The newest few of each brand (``/diagnose``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.imports import failed_envelope
from gateway.domain.diagnosis import FailedEnvelope, Seen


def add(connection: Connection, now: dt.datetime, given: Iterable[FailedEnvelope], keep: int) -> None:
    """Stores them, of whatever brands, and removes all but the newest ``keep`` of each of these brands."""
    given = list(given)
    connection.execute(sa.insert(failed_envelope), [
        {"brand_id": each.brand_id, "recorded_at": now, "door": each.door, "operation": each.operation,
         "code": each.code, "message": each.message, "line": each.line, "request_id": each.request_id,
         "envelope": each.envelope, "understood": [[seen.line, seen.path, seen.value] for seen in each.understood]}
        for each in given])
    t = failed_envelope.c
    for brand_id in {each.brand_id for each in given}:
        oldest = sa.select(t.id).where(t.brand_id == brand_id).order_by(t.id.desc()).offset(keep).limit(1)
        connection.execute(sa.delete(failed_envelope).where(t.brand_id == brand_id, t.id <= oldest.scalar_subquery()))


def newest(connection: Connection, brand_id: int, since: dt.datetime) -> list[FailedEnvelope]:
    """Those of a brand since then, newest first."""
    t = failed_envelope.c
    rows = connection.execute(sa.select(failed_envelope).where(t.brand_id == brand_id, t.recorded_at >= since)
                              .order_by(t.id.desc()))
    return [FailedEnvelope(row.brand_id, row.door, row.code, row.message, row.envelope,
                           tuple(Seen(*each) for each in row.understood), row.operation, row.line, row.request_id,
                           row.recorded_at) for row in rows]


def forget(connection: Connection, before: dt.datetime) -> int:
    """Removes those that have run out, and says how many."""
    return connection.execute(sa.delete(failed_envelope).where(failed_envelope.c.recorded_at < before)).rowcount
