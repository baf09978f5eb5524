"""Who joined and left which interest, and when? (ID-38, ID-39, SOAP-52, SOAP-53)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import source
from gateway.db.models.mailings import event
from gateway.db.models.subscribers import interest, interest_opt_out, membership, subscriber
from gateway.db.queries.bulk import among, in_brand
from gateway.db.queries.events import insert_or_ignore
from gateway.db.queries.feeds import in_window
from gateway.domain.events import OPTED_OUT, REJOINED
from gateway.domain.interests import InterestChange
from gateway.domain.paging import Window

JOINED, LEFT = "joined", "left"


def of_people(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """The condition on memberships, open and ended ones, of these people: each kind has its own index."""
    m = membership.c
    theirs = among(connection, m.subscriber_id, subscriber_ids)
    return sa.and_(in_brand(m.brand_id, brand_id), sa.or_(sa.and_(theirs, m.until.is_(None)),
                                                         sa.and_(theirs, m.until.is_not(None))))


def leave(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], interest_id: int, origin: str,
          now: dt.datetime) -> list[int]:
    """Notes that these people have left the interest; answers those who had not before (ID-39).

    The caller holds the brand's lock.
    """
    before = who_left(connection, brand_id, interest_id, subscriber_ids)
    changed = [each for each in dict.fromkeys(subscriber_ids) if each not in before]
    if changed:
        connection.execute(insert_or_ignore(connection, interest_opt_out), [
            {"brand_id": brand_id, "subscriber_id": each, "interest_id": interest_id, "left_at": now, "origin": origin}
            for each in changed])
        _touch(connection, brand_id, changed, now)
    return changed


def undo_leave(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], interest_id: int,
               now: dt.datetime) -> list[int]:
    """Forgets that these people have left the interest; answers those who had."""
    o = interest_opt_out.c
    changed = list(connection.scalars(sa.delete(interest_opt_out).where(
        o.brand_id == brand_id, o.interest_id == interest_id, among(connection, o.subscriber_id, subscriber_ids))
        .returning(o.subscriber_id)))
    _touch(connection, brand_id, changed, now)
    return changed


def who_left(connection: Connection, brand_id: int, interest_id: int, subscriber_ids: Sequence[int]) -> set[int]:
    """Those of the people who have left the interest by their own act."""
    o = interest_opt_out.c
    return set(connection.scalars(sa.select(o.subscriber_id).where(
        o.brand_id == brand_id, o.interest_id == interest_id, among(connection, o.subscriber_id, subscriber_ids))))


def changes(connection: Connection, brand_id: int, window: Window, interest_id: int | None) -> list[InterestChange]:
    """Joins and leaves in order of time, at most ``window.size + 1``; of tombstones none, for a merge is no leave.

    Three streams are cut by their own indexes and merged: memberships by start and by end, and people's own acts.
    """
    found = [row for kind in range(3) for row in _stream(connection, brand_id, _own(window, kind), interest_id, kind)]
    return sorted(found, key=lambda row: (row.at, row.key))[:window.size + 1]


def _own(window: Window, kind: int) -> Window:
    """The window in a stream's own ids: the feed's key is three times the id plus the number of the stream."""
    if window.after is None:
        return window
    at, key = window.after
    return replace(window, after=(at, (key - kind) // 3))


def _stream(connection: Connection, brand_id: int, window: Window, interest_id: int | None,
            kind: int) -> list[InterestChange]:
    query = _acts(brand_id) if kind == 2 else _memberships(brand_id, kind)
    at, row_id = (event.c.recorded_at, event.c.id) if kind == 2 else (
        membership.c.since if kind == 0 else membership.c.until, membership.c.id)
    if interest_id is not None:
        query = query.where(interest.c.id == interest_id)
    rows = connection.execute(in_window(query, window, at, row_id))
    return [InterestChange(row.id * 3 + kind, _word(kind, row.word), row.at, row.interest_id, row.name,
                         row.subscriber_id, row.email, _label(row.kind, row.label), row.origin) for row in rows]


def _memberships(brand_id: int, kind: int) -> sa.Select:
    m = membership.c
    return (sa.select(m.id, (m.since if kind == 0 else m.until).label("at"), sa.literal("").label("word"),
                      interest.c.id.label("interest_id"), interest.c.name, m.subscriber_id, subscriber.c.email,
                      source.c.kind, source.c.name.label("label"), sa.null().label("origin"))
            .join_from(membership, interest, interest.c.id == m.interest_id)
            .join(subscriber, subscriber.c.id == m.subscriber_id).join(source, source.c.id == m.source_id)
            .where(m.brand_id == brand_id, subscriber.c.merged_into.is_(None)))


def _acts(brand_id: int) -> sa.Select:
    e = event.c
    return (sa.select(e.id, e.recorded_at.label("at"), e.type.label("word"), interest.c.id.label("interest_id"),
                      interest.c.name, e.subscriber_id, e.address.label("email"), sa.literal("local").label("kind"),
                      sa.literal("").label("label"), e.origin)
            .join_from(event, interest, sa.and_(interest.c.brand_id == brand_id,
                                                interest.c.id == e.raw["interestId"].as_integer()))
            .where(e.brand_id == brand_id, e.type.in_((OPTED_OUT, REJOINED)), e.subscriber_id.is_not(None)))


def _word(kind: int, event_type: str) -> str:
    if kind == 2:
        return LEFT if event_type == OPTED_OUT else JOINED
    return LEFT if kind else JOINED


def _label(kind: str, name: str) -> str:
    return f"{kind}:{name}" if name else kind


def _touch(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], now: dt.datetime) -> None:
    t = subscriber.c
    connection.execute(sa.update(subscriber).where(t.brand_id == brand_id, among(connection, t.id, subscriber_ids))
                       .values(changed_at=now))
