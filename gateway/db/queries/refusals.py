"""Which requests were refused, and which records failed, read as one list? (PUSH-14)

Two tables feed the list, so a row has a number of its own in it: the place of its table, then its id.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import astuple, fields

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.imports import decision, refusal, upload
from gateway.db.queries.bulk import insert_rows
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.records import FAILED
from gateway.domain.refusals import RECORD, REQUEST, ErrorFilter, ErrorView, Refusal

_STEP = 10**15
_COLUMNS = ("recorded_at", *(each.name for each in fields(Refusal)))


def add(connection: Connection, now: dt.datetime, given: Iterable[Refusal]) -> None:
    """Stores refused requests, of whatever brands."""
    insert_rows(connection, refusal, _COLUMNS, [(now, *astuple(each)) for each in given])


def find(connection: Connection, brand_id: int, wanted: ErrorFilter, window: Window) -> list[ErrorView]:
    """The lines of a window, oldest first; at most one more than it holds."""
    lines = [*_requests(connection, brand_id, wanted, window), *_records(connection, brand_id, wanted, window)]
    return sorted(lines, key=lambda each: (each.recorded_at, each.error_id))[:window.size + 1]


def forget(connection: Connection, before: dt.datetime) -> int:
    """Removes refused requests that have run out and says how many."""
    return connection.execute(sa.delete(refusal).where(refusal.c.recorded_at < before)).rowcount


def _requests(connection: Connection, brand_id: int, wanted: ErrorFilter, window: Window) -> list[ErrorView]:
    t = refusal.c
    query = in_window(_only(sa.select(refusal), refusal, brand_id, wanted), window, t.recorded_at, t.id + 0)
    return [ErrorView(row.id, REQUEST, row.recorded_at, row.actor, row.door, row.code, row.message, row.operation,
                      row.request_id, remote_id=row.remote_id, email=row.email, field=row.field)
            for row in connection.execute(query)]


def _records(connection: Connection, brand_id: int, wanted: ErrorFilter, window: Window) -> list[ErrorView]:
    """A record knows its request by its upload; a synchronous call has one, too, which is no job."""
    t = decision.c
    query = _only(sa.select(decision, upload.c.request_id, upload.c.sha256), decision, brand_id, wanted)
    query = query.select_from(decision.outerjoin(upload, sa.and_(upload.c.id == t.upload_id,
                                                                 upload.c.brand_id == brand_id)))
    query = in_window(query.where(t.status == FAILED), window, t.recorded_at, t.id + _STEP)
    return [ErrorView(row.id + _STEP, RECORD, row.recorded_at, row.actor, row.door, row.code or "", row.message or "",
                      request_id=row.request_id, upload_id=None if row.sha256 is None else row.upload_id,
                      row=None if row.row_number is None else row.row_number + 1,
                      line=row.line, remote_id=row.remote_id, email=row.email, field=row.field)
            for row in connection.execute(query)]


def _only(query: sa.Select, table: sa.Table, brand_id: int, wanted: ErrorFilter) -> sa.Select:
    t = table.c
    query = query.where(t.brand_id == brand_id)
    email = None if wanted.email is None else wanted.email.strip().lower()
    for column, value in ((t.code, wanted.code), (t.remote_id, wanted.remote_id), (t.actor, wanted.actor),
                          (sa.func.lower(t.email), email)):
        if value is not None:
            query = query.where(column == value)
    return query
