"""Which bulk imports wait or run, how far are they, and which of their rows failed?"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.imports import decision, upload
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.records import FAILED as ROW_FAILED
from gateway.domain.upload import (
    FAILED,
    FINISHED,
    FINISHED_WITH_ERRORS,
    HELD,
    QUEUED,
    REJECTED,
    RUNNING,
    JobFilter,
    RowError,
)

_OPEN = (QUEUED, RUNNING)
_TOLD = (HELD, FAILED, REJECTED, FINISHED, FINISHED_WITH_ERRORS)
_BEGUN = (RUNNING, HELD, FAILED, FINISHED, FINISHED_WITH_ERRORS)
_FAILED_ROW = decision.c.status == sa.literal_column(f"'{ROW_FAILED}'")  # as the partial index has it: no parameter
_BULK = upload.c.sha256.is_not(None)  # a synchronous call has an upload row too, but no file


def insert(connection: Connection, **values: Any) -> int:
    """A new upload; answers its id."""
    return connection.execute(sa.insert(upload).values(**values).returning(upload.c.id)).scalar_one()


def get(connection: Connection, brand_id: int, upload_id: int) -> sa.Row | None:
    """The bulk import of this id in this brand."""
    return connection.execute(sa.select(upload).where(
        upload.c.brand_id == brand_id, upload.c.id == upload_id, _BULK)).one_or_none()


def lock_sender(connection: Connection, brand_id: int, actor: str) -> None:
    """Waits until no other transaction takes in a file of this sender; held until the transaction ends.

    SQLite has one writer at a time, so there is nothing to do.
    """
    if is_postgresql(connection):
        digest = hashlib.sha256(f"upload\0{brand_id}\0{actor}".encode()).digest()
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:number)"),
                           {"number": int.from_bytes(digest[:8], "big", signed=True)})


def twins(connection: Connection, brand_id: int, actor: str, sha256: str) -> Sequence[sa.Row]:
    """The waiting or running imports of the same sender with the same content (PUSH-75), oldest first."""
    return connection.execute(sa.select(upload).where(
        upload.c.finished_at.is_(None), upload.c.state.in_(_OPEN), upload.c.brand_id == brand_id,
        upload.c.actor == actor, upload.c.sha256 == sha256).order_by(upload.c.id)).all()


def count_open(connection: Connection, brand_id: int, actor: str) -> int:
    """How many imports of this sender wait or run."""
    return connection.execute(sa.select(sa.func.count()).where(
        upload.c.finished_at.is_(None), upload.c.state.in_(_OPEN), upload.c.brand_id == brand_id,
        upload.c.actor == actor, _BULK)).scalar_one()


def find(connection: Connection, brand_id: int, wanted: JobFilter, window: Window) -> Sequence[sa.Row]:
    """Bulk imports of the brand in (queued, id) order, at most ``window.size + 1`` of them."""
    t = upload.c
    query = in_window(sa.select(upload).where(t.brand_id == brand_id, _BULK), window, t.queued_at, t.id)
    if wanted.state is not None:
        query = query.where(t.state == wanted.state)
    return connection.execute(query).all()


def row_errors(connection: Connection, brand_id: int, upload_id: int, window: Window) -> list[RowError]:
    """The failed rows of an import in the order read, at most ``window.size + 1`` of them.

    The window's upper bound is not needed: one worker at a time writes them, so none can appear before another.
    """
    query = sa.select(decision).where(
        decision.c.brand_id == brand_id, decision.c.upload_id == upload_id, _FAILED_ROW)
    if window.after is not None:
        query = query.where(decision.c.id > window.after[1])
    rows = connection.execute(query.order_by(decision.c.id).limit(window.size + 1))
    return [RowError(row.id, row.recorded_at, row.row_number + 1, row.line, row.remote_id, row.email, row.code,
                     row.field, row.message) for row in rows]


def failed_rows(connection: Connection, brand_id: int, upload_id: int, after: int, limit: int) -> Sequence[sa.Row]:
    """Row number, code, field and message of failed rows behind row ``after``, in the order of the file."""
    t = decision.c
    return connection.execute(sa.select(t.row_number, t.code, t.field, t.message).where(
        t.upload_id == upload_id, t.row_number > after, t.brand_id == brand_id, _FAILED_ROW)
        .order_by(t.row_number).limit(limit)).all()


def later(connection: Connection, brand_id: int, upload_id: int, integration_id: int,
          modes: Sequence[str]) -> list[dict[str, Any]]:
    """The options of this integration's uploads after this one in such a mode, calls as well as files."""
    return list(connection.execute(sa.select(upload.c.options).where(
        upload.c.brand_id == brand_id, upload.c.integration_id == integration_id, upload.c.id > upload_id,
        upload.c.state.in_(_BEGUN), upload.c.options["mode"].as_string().in_(modes)).order_by(upload.c.id)).scalars())


def claim(connection: Connection, brand_id: int, upload_id: int, owner: str, now: dt.datetime,
          until: dt.datetime) -> sa.Row | None:
    """Takes the import for one worker until ``until``, or answers None.

    None when it has ended, another worker's lease holds, or an older import of the same integration has
    not ended: those run in the order of arrival (PUSH-64).
    """
    older = upload.alias("older")
    earlier = sa.exists().where(
        older.c.finished_at.is_(None), older.c.state.in_(_OPEN), older.c.brand_id == brand_id,
        older.c.integration_id == upload.c.integration_id, older.c.id < upload.c.id)
    return connection.execute(
        sa.update(upload).where(upload.c.id == upload_id, upload.c.brand_id == brand_id, upload.c.state.in_(_OPEN),
                                _free(now), ~earlier)
        .values(state=RUNNING, lease_owner=owner, lease_until=until, attempts=upload.c.attempts + 1,
                started_at=sa.func.coalesce(upload.c.started_at, sa.bindparam("now", now, upload.c.started_at.type)))
        .returning(*upload.c)).one_or_none()


def record(connection: Connection, brand_id: int, upload_id: int, owner: str, values: Mapping[str, Any]) -> bool:
    """Stores lease, counters, checkpoint or end in the name of ``owner``.

    False when the import was cancelled or another worker has it: then nothing more may be done in its name.
    """
    return connection.execute(sa.update(upload).where(
        upload.c.id == upload_id, upload.c.brand_id == brand_id, upload.c.state == RUNNING,
        upload.c.lease_owner == owner).values(**values)).rowcount == 1


def set_state(connection: Connection, brand_id: int, upload_id: int, was: str, values: Mapping[str, Any]) -> bool:
    """Changes an import that is still in state ``was``; False when it is not."""
    return connection.execute(sa.update(upload).where(
        upload.c.id == upload_id, upload.c.brand_id == brand_id, upload.c.state == was).values(**values)).rowcount == 1


def due(connection: Connection, now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, id) of the oldest open import of each integration, where no worker has it."""
    oldest = sa.select(sa.func.min(upload.c.id)).where(
        upload.c.finished_at.is_(None), upload.c.state.in_(_OPEN)).group_by(upload.c.brand_id, upload.c.integration_id)
    rows = connection.execute(sa.select(upload.c.brand_id, upload.c.id).where(
        upload.c.id.in_(oldest), _free(now)).order_by(upload.c.id))
    return [(row.brand_id, row.id) for row in rows]


def next_open(connection: Connection, brand_id: int, integration_id: int) -> int | None:
    """The oldest open import of the integration."""
    return connection.execute(sa.select(sa.func.min(upload.c.id)).where(
        upload.c.finished_at.is_(None), upload.c.state.in_(_OPEN), upload.c.brand_id == brand_id,
        upload.c.integration_id == integration_id)).scalar()


def untold(connection: Connection, now: dt.datetime, since: dt.datetime) -> list[tuple[int, int]]:
    """(brand, id) of imports that have ended or wait for a person, of which somebody is still to be told."""
    t = upload.c
    rows = connection.execute(sa.select(t.brand_id, t.id).where(
        *_untold(now), sa.func.coalesce(t.finished_at, t.started_at) > since).order_by(t.id))
    return [(row.brand_id, row.id) for row in rows]


def claim_notice(connection: Connection, brand_id: int, upload_id: int, owner: str, now: dt.datetime,
                 until: dt.datetime) -> sa.Row | None:
    """Takes an import's notices for one worker until ``until``; None when there is nobody to tell, or another tells."""
    return connection.execute(
        sa.update(upload).where(upload.c.id == upload_id, upload.c.brand_id == brand_id, *_untold(now))
        .values(lease_owner=owner, lease_until=until).returning(*upload.c)).one_or_none()


def note_told(connection: Connection, brand_id: int, upload_id: int, owner: str, values: Mapping[str, Any]) -> None:
    """Stores what came of the notices, unless the import has gone on meanwhile."""
    connection.execute(sa.update(upload).where(
        upload.c.id == upload_id, upload.c.brand_id == brand_id, upload.c.state.in_(_TOLD),
        upload.c.lease_owner == owner).values(**values))


def spool_names(connection: Connection) -> set[str]:
    """The files of all imports that have not ended for good, and all files of rejected rows that a job names."""
    bodies = sa.select(upload.c.spool_name).where(upload.c.finished_at.is_(None), upload.c.spool_name.is_not(None))
    rejects = sa.select(upload.c.rejects_name).where(upload.c.rejects_name.is_not(None))
    return set(connection.execute(bodies.union_all(rejects)).scalars())


def forget_rejects(connection: Connection, ended_before: dt.datetime) -> int:
    """Lets go of the rejected rows of imports that ended before; answers how many."""
    return connection.execute(sa.update(upload).where(
        upload.c.rejects_name.is_not(None), upload.c.finished_at < ended_before).values(rejects_name=None)).rowcount


def _untold(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return upload.c.notified_at.is_(None), _BULK, upload.c.state.in_(_TOLD), _free(now)


def _free(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.or_(upload.c.lease_until.is_(None), upload.c.lease_until <= now)
