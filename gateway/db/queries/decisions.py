"""Which decisions were taken about records, and by which rule? (ID-78)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.imports import decision
from gateway.db.queries.bulk import insert_columns, insert_rows
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.records import CREATED, FAILED, SKIPPED, SUPPRESSED, UNCHANGED, Outcome

SYNC = "sync"
"""The door of what a sync decides."""

_COLUMNS = ("brand_id", "upload_id", "row_number", "line", "recorded_at", "actor", "door", "subscriber_id",
            "remote_id", "email", "rule", "status", "code", "field", "message", "changes", "warnings")


def record(connection: Connection, brand_id: int, *, upload_id: int | None, actor: str, door: str, now: dt.datetime,
           outcomes: Iterable[Outcome]) -> None:
    """Appends a row for every outcome that changed, failed or warned; an unchanged one is only counted.

    So is, in a sync, one that warns: it would say of the same people every night what it said the night before.
    """
    rows = []
    for o in outcomes:
        if o.status == UNCHANGED and (door == SYNC or not o.warnings):
            continue
        problem = o.problem
        rows.append((
            brand_id, upload_id, o.index, o.line, now, actor, door, o.subscriber_id, o.remote_id, o.email, o.rule,
            o.status, problem and problem.code, problem and problem.field, problem and problem.message,
            json.dumps(o.changes, ensure_ascii=False) if o.changes else None,
            json.dumps([warning.code for warning in o.warnings]) if o.warnings else None))
    insert_rows(connection, decision, _COLUMNS, rows)


def record_created(connection: Connection, brand_id: int, *, upload_id: int, actor: str, door: str, now: dt.datetime,
                   row_numbers: Sequence[int], lines: Sequence[int | None], subscriber_ids: Sequence[int],
                   remote_ids: Sequence[str | None], emails: Sequence[str], rules: Sequence[str]) -> None:
    """Appends a row for each new person of whom there is nothing else to say; the columns are of equal length."""
    insert_columns(connection, decision, {
        "row_number": row_numbers, "line": lines, "subscriber_id": subscriber_ids, "remote_id": remote_ids,
        "email": emails, "rule": rules}, {
        "brand_id": brand_id, "upload_id": upload_id, "recorded_at": now, "actor": actor, "door": door,
        "status": CREATED})


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision as it is stored; ``row_number`` is 0-based, ``changes`` name -> (old, new)."""

    decision_id: int
    upload_id: int | None
    row_number: int | None
    line: int | None
    recorded_at: dt.datetime
    actor: str
    door: str
    subscriber_id: int | None
    remote_id: str | None
    email: str | None
    rule: str | None
    status: str
    code: str | None
    field: str | None
    message: str | None
    changes: Mapping[str, tuple[str | None, str | None]]
    warnings: tuple[str, ...]


def of_subscriber(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], email: str | None,
                  limit: int) -> list[StoredDecision]:
    """The newest ``limit`` decisions about these records, or about their address by itself, newest first."""
    return _read(connection, brand_id, _about(subscriber_ids, email), limit)


def of_rule(connection: Connection, brand_id: int, subscriber_id: int, rule: str, limit: int) -> list[StoredDecision]:
    """The newest ``limit`` decisions that the rule took about the record, newest first."""
    which = sa.and_(decision.c.subscriber_id == subscriber_id, decision.c.rule == rule)
    return _read(connection, brand_id, which, limit)


def link_heirs(connection: Connection, brand_id: int, subscriber_id: int, since: dt.datetime) -> list[int]:
    """The records to which links of this one moved since then, and on from there, each once (ID-25)."""
    found, waiting = [subscriber_id], [subscriber_id]
    while waiting:
        t, one = decision.c, waiting.pop()
        for changes in connection.scalars(sa.select(t.changes).where(
                t.brand_id == brand_id, t.subscriber_id == one, t.rule == "ID-25", t.recorded_at >= since,
                t.changes.is_not(None)).order_by(t.id)):
            new_id = int(json.loads(changes)["subscriber"][1])
            if new_id not in found:
                found.append(new_id)
                waiting.append(new_id)
    return found[1:]


def newest_id(connection: Connection) -> int:
    """The id of the newest decision of all brands, 0 without one."""
    return connection.scalar(sa.select(sa.func.max(decision.c.id))) or 0


def of_upload(connection: Connection, brand_id: int, upload_id: int, after_id: int,
              limit: int) -> list[StoredDecision]:
    """The newest ``limit`` decisions of an upload that were taken after the one with that id, newest first."""
    return _read(connection, brand_id, sa.and_(decision.c.upload_id == upload_id, decision.c.id > after_id), limit)


def of_nobody(connection: Connection, brand_id: int, email: str | None, remote_id: str | None,
              limit: int) -> list[StoredDecision]:
    """The newest ``limit`` decisions that records with this address or remote ID came to nobody, newest first."""
    t = decision.c
    named = [column == value for column, value in ((t.email, email), (t.remote_id, remote_id)) if value is not None]
    if not named:
        return []
    refused = t.status.in_((FAILED, SKIPPED, SUPPRESSED))
    return _read(connection, brand_id, sa.and_(t.subscriber_id.is_(None), refused, sa.or_(*named)), limit)


def in_feed(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], email: str | None, window: Window,
            number: Callable[[sa.ColumnElement[int]], sa.ColumnElement[int]]) -> list[StoredDecision]:
    """The decisions about these records, or about their address by itself, in a window of a feed that numbers its rows
    by ``number`` of the id."""
    t = decision.c
    query = in_window(_select(brand_id).where(_about(subscriber_ids, email)), window, t.recorded_at, number(t.id))
    return [_stored(*row) for row in connection.execute(query)]


def _about(subscriber_ids: Sequence[int], email: str | None) -> sa.ColumnElement[bool]:
    """An act on an address (ID-50) is stored without a record: it is about all that have it."""
    t = decision.c
    of_them = t.subscriber_id.in_(subscriber_ids)
    if email is None:
        return of_them
    done = t.status.not_in((FAILED, SKIPPED, SUPPRESSED))
    return sa.or_(of_them, sa.and_(t.subscriber_id.is_(None), t.email == email, done))


def _read(connection: Connection, brand_id: int, which: sa.ColumnElement[bool], limit: int) -> list[StoredDecision]:
    query = _select(brand_id).where(which).order_by(decision.c.id.desc()).limit(limit)
    return [_stored(*row) for row in connection.execute(query)]


def _select(brand_id: int) -> sa.Select:
    t = decision.c
    return sa.select(
        t.id, t.upload_id, t.row_number, t.line, t.recorded_at, t.actor, t.door, t.subscriber_id, t.remote_id, t.email,
        t.rule, t.status, t.code, t.field, t.message, t.changes, t.warnings).where(t.brand_id == brand_id)


def _stored(*columns: Any) -> StoredDecision:
    *plain, changes, warnings = columns
    read = {name: (old, new) for name, (old, new) in json.loads(changes or "{}").items()}
    return StoredDecision(*plain, read, tuple(json.loads(warnings or "[]")))
