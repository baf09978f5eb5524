"""How does the store take back a merge: what goes back to the tombstone, and what leaves the survivor? (ID-26)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import event
from gateway.db.models.subscribers import interest_opt_out, membership, remote_key, source_values, subscriber
from gateway.db.queries.bulk import among
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.people import Document


@dataclass(frozen=True, slots=True)
class Record:
    """A stored record, a tombstone too, with what deciding needs."""

    subscriber_id: int
    email: str | None
    keyless: bool
    source_id: int
    merged_into: int | None
    erased_at: dt.datetime | None
    opted_out_at: dt.datetime | None
    opt_out_origin: str | None


def records(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, Record]:
    """These records of the brand."""
    t = subscriber.c
    rows = connection.execute(
        sa.select(t.id, t.email, t.keyless, t.source_id, t.merged_into, t.erased_at, t.opted_out_at, t.opt_out_origin)
        .where(t.brand_id == brand_id, among(connection, t.id, subscriber_ids)))
    return {row[0]: Record(*row) for row in rows}


def living_at(connection: Connection, brand_id: int, email: str, except_id: int) -> list[tuple[int, bool]]:
    """(id, keyless) of the live records at an address, without one of them."""
    t = subscriber.c
    rows = connection.execute(sa.select(t.id, t.keyless).where(
        t.brand_id == brand_id, t.email == email, t.merged_into.is_(None), t.id != except_id))
    return [(row[0], row[1]) for row in rows]


def holders(connection: Connection, brand_id: int,
            keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], tuple[int, bool]]:
    """(integration id, remote ID) -> (who has the key, whether the link is live)."""
    k = remote_key.c
    found = {}
    for integration_id, remote_id in keys:
        row = connection.execute(sa.select(k.subscriber_id, k.ended_at).where(
            k.brand_id == brand_id, k.integration_id == integration_id, k.remote_id == remote_id)).first()
        if row is not None:
            found[integration_id, remote_id] = (row[0], row[1] is None)
    return found


def live_links(connection: Connection, brand_id: int, subscriber_id: int) -> tuple[int, int]:
    """How many remote keys a record has: all, and those of them whose link is live."""
    k = remote_key.c
    row = connection.execute(sa.select(sa.func.count(), sa.func.count(sa.case((k.ended_at.is_(None), 1)))).where(
        k.brand_id == brand_id, k.subscriber_id == subscriber_id)).one()
    return row[0], row[1]


def give_keys(connection: Connection, brand_id: int, keys: Collection[tuple[int, str]],
              flagged: Collection[tuple[int, str]], subscriber_id: int, merged_at: dt.datetime) -> None:
    """Hangs these keys on the record. A link that the merge itself ended is live again, with its flag (ID-29)."""
    k = remote_key.c
    for integration_id, remote_id in keys:
        key = (k.brand_id == brand_id, k.integration_id == integration_id, k.remote_id == remote_id)
        connection.execute(sa.update(remote_key).where(*key).values(subscriber_id=subscriber_id))
        is_flagged = (integration_id, remote_id) in flagged
        connection.execute(sa.update(remote_key).where(*key, k.ended_at == merged_at).values(
            ended_at=None, do_not_email=is_flagged, flagged_at=merged_at if is_flagged else None))


def revive(connection: Connection, brand_id: int, loser: Record, *, is_main: bool, orphan: bool,
           opted_out_at: dt.datetime | None, origin: str | None, now: dt.datetime) -> None:
    """Makes a tombstone live again."""
    connection.execute(sa.update(subscriber).where(
        subscriber.c.brand_id == brand_id, subscriber.c.id == loser.subscriber_id).values(
        merged_into=None, is_main=is_main, orphan=orphan, opted_out_at=opted_out_at, opt_out_origin=origin,
        changed_at=now))


def restore_survivor(connection: Connection, brand_id: int, subscriber_id: int, now: dt.datetime,
                     **facts: object) -> None:
    """Stores what is different of the survivor without the loser."""
    connection.execute(sa.update(subscriber).where(
        subscriber.c.brand_id == brand_id, subscriber.c.id == subscriber_id).values(changed_at=now, **facts))


def write_document(connection: Connection, brand_id: int, subscriber_id: int, source_id: int,
                   document: Document | None) -> None:
    """Stores the values of one source, or that there are none any more."""
    v = source_values.c
    mine = (v.brand_id == brand_id, v.subscriber_id == subscriber_id, v.source_id == source_id)
    if document is None:
        connection.execute(sa.delete(source_values).where(*mine))
        return
    connection.execute(sa.update(source_values).where(*mine).values(
        document=document.text, changed=document.changed, changed_at=document.changed_at))


def part_memberships(connection: Connection, brand_id: int, survivor_id: int, loser_id: int,
                     own: Collection[tuple[int, int, str]], others: Mapping[int, dt.datetime], merged_at: dt.datetime,
                     now: dt.datetime) -> None:
    """The loser's memberships that ended with the merge are open again; the survivor's copies of them end.

    A copy is as old as what it was made of, so one that began with the merge is the survivor's own. ``own``: what it
    was in before. ``others``: who else is merged into it, and since when; what they were in, it stays in.
    """
    m = membership.c
    ended = _ended(connection, brand_id, loser_id, merged_at)
    kept = {place for other_id, at in others.items() for _, place, _ in _ended(connection, brand_id, other_id, at)}
    copies = {(*place, since) for _, place, since in ended if place not in own and place not in kept
              and since < merged_at}
    ending = [row[0] for row in connection.execute(
        sa.select(m.id, m.interest_id, m.source_id, m.channel, m.since).where(
            m.brand_id == brand_id, m.subscriber_id == survivor_id, m.until.is_(None))) if tuple(row[1:]) in copies]
    connection.execute(sa.update(membership).where(among(connection, m.id, ending)).values(until=now))
    connection.execute(sa.update(membership).where(among(connection, m.id, [row[0] for row in ended]))
                       .values(until=None))


def _ended(connection: Connection, brand_id: int, loser_id: int,
           merged_at: dt.datetime) -> list[tuple[int, tuple[int, int, str], dt.datetime]]:
    """What a merge ended of the loser: row id, (interest id, source id, channel), since when."""
    m = membership.c
    rows = connection.execute(sa.select(m.id, m.interest_id, m.source_id, m.channel, m.since).where(
        m.brand_id == brand_id, m.subscriber_id == loser_id, m.until == merged_at))
    return [(row_id, (interest_id, source_id, channel), since) for row_id, interest_id, source_id, channel, since
            in rows]


def share_opt_outs(connection: Connection, brand_id: int, survivor_id: int, loser_id: int) -> None:
    """What one person left stays left by both (ID-39)."""
    o = interest_opt_out.c
    connection.execute(insert_or_ignore(connection, interest_opt_out).from_select(
        ["brand_id", "subscriber_id", "interest_id", "left_at", "origin"],
        sa.select(sa.literal(brand_id), sa.literal(loser_id), o.interest_id, o.left_at, o.origin)
        .where(o.brand_id == brand_id, o.subscriber_id == survivor_id)))


def give_events(connection: Connection, brand_id: int, event_ids: Sequence[int], survivor_id: int,
                loser_id: int) -> None:
    """Lets the loser's own events point to it again."""
    e = event.c
    connection.execute(sa.update(event).where(
        e.brand_id == brand_id, e.subscriber_id == survivor_id, among(connection, e.id, event_ids))
        .values(subscriber_id=loser_id))
