"""How does a changed picture get back into the tables? Set-based, in an order that no unique key objects to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import event
from gateway.db.models.subscribers import interest_opt_out, membership, remote_key, source_values, subscriber
from gateway.db.queries import cached_values
from gateway.db.queries.bulk import among, insert_rows, update_rows
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.people import Merge, Person

_SUBSCRIBER = ("id", "brand_id", "email", "keyless", "is_main", "source_id", "first_source_id", "orphan", "merged_into",
               "opted_out_at", "opt_out_origin", "last_upload_id", "created_at", "changed_at")
_CHANGING = ("email", "keyless", "is_main", "source_id", "orphan", "merged_into", "opted_out_at", "opt_out_origin",
             "last_upload_id", "changed_at")
_KEY = ("brand_id", "integration_id", "remote_id")
_KEY_FACTS = ("subscriber_id", "do_not_email", "flagged_at", "ended_at")
_DOCUMENT, _VALUES = ("brand_id", "subscriber_id", "source_id"), ("document", "changed", "changed_at")
_MEMBERSHIP_FACTS = ("until", "begins_at", "ends_at", "detail")
_MEMBERSHIP = ("brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since", *_MEMBERSHIP_FACTS)


def write_people(connection: Connection, brand_id: int, touched: Sequence[Person], merges: Sequence[Merge],
                 source_id: int, now: dt.datetime) -> None:
    """Writes what is new or changed of these people; ``source_id`` is whose memberships they carry.

    Known people go first: one who became a tombstone or got a key frees its address for a new record.
    """
    _update_people(connection, [person for person in touched if not person.is_new], now)
    insert_rows(connection, subscriber, _SUBSCRIBER, [
        (p.subscriber_id, brand_id, p.email, p.keyless, p.is_main, p.source_id, p.first_source_id, p.orphan,
         p.merged_into, p.opted_out_at, p.opt_out_origin, p.last_upload_id, now, now) for p in touched if p.is_new])
    _write_keys(connection, brand_id, touched, now)
    _write_documents(connection, brand_id, touched)
    _write_memberships(connection, brand_id, touched, source_id)
    if merges:
        _move(connection, brand_id, merges, now)


def _update_people(connection: Connection, people: Sequence[Person], now: dt.datetime) -> None:
    moved = [(person.subscriber_id, False) for person in people if person.has_moved and person.is_main]
    update_rows(connection, subscriber, ("id",), ("is_main",), moved)  # frees their old addresses for each other
    update_rows(connection, subscriber, ("id",), _CHANGING, [
        (p.subscriber_id, p.email, p.keyless, p.is_main, p.source_id, p.orphan, p.merged_into, p.opted_out_at,
         p.opt_out_origin, p.last_upload_id, now) for p in people])


def _write_keys(connection: Connection, brand_id: int, people: Iterable[Person], now: dt.datetime) -> None:
    new, changed, ended = [], [], []
    for person in people:
        for (integration_id, remote_id), key in person.keys.items():
            facts = (person.subscriber_id, key.flagged, key.flagged_at, key.ended_at)
            if key.is_new:
                new.append((brand_id, integration_id, remote_id, *facts, now))
            elif key.is_changed:
                changed.append((brand_id, integration_id, remote_id, *facts))
                if key.ended_at is not None:
                    ended.append((integration_id, remote_id))
    insert_rows(connection, remote_key, (*_KEY, *_KEY_FACTS, "created_at"), new)
    update_rows(connection, remote_key, _KEY, _KEY_FACTS, changed)
    if ended:
        cached_values.forget_keys(connection, brand_id, ended)  # what a system said of people it does not list (ID-77)


def _write_documents(connection: Connection, brand_id: int, people: Iterable[Person]) -> None:
    new, changed = [], []
    for person in people:
        for source_id, document in person.documents.items():
            values = (document.text, document.changed, document.changed_at)
            if document.is_new:
                new.append((brand_id, person.subscriber_id, source_id, *values))
            elif document.is_changed:
                changed.append((brand_id, person.subscriber_id, source_id, *values))
    insert_rows(connection, source_values, (*_DOCUMENT, *_VALUES), new)
    update_rows(connection, source_values, _DOCUMENT, _VALUES, changed)


def _write_memberships(connection: Connection, brand_id: int, people: Iterable[Person], source_id: int) -> None:
    new, changed = [], []
    for person in people:
        for row in person.memberships:
            facts = (row.until, row.begins_at, row.ends_at, row.detail)
            if row.row_id is None:
                new.append((brand_id, person.subscriber_id, row.interest_id, source_id, row.channel, row.since, *facts))
            elif row.is_changed:
                changed.append((row.row_id, *facts))
    # First: who joins again opens a second row
    update_rows(connection, membership, ("id",), _MEMBERSHIP_FACTS, changed)
    insert_rows(connection, membership, _MEMBERSHIP, new)


def inherit(connection: Connection, brand_id: int, heirs: Sequence[tuple[int, int]]) -> None:
    """Makes each heir leave what the other has left; pairs of (old, new) ids (ID-25, ID-39)."""
    left = interest_opt_out.c
    for old_id, new_id in heirs:
        connection.execute(insert_or_ignore(connection, interest_opt_out).from_select(
            ["brand_id", "subscriber_id", "interest_id", "left_at", "origin"],
            sa.select(sa.literal(brand_id), sa.literal(new_id), left.interest_id, left.left_at, left.origin)
            .where(left.brand_id == brand_id, left.subscriber_id == old_id)))


def _move(connection: Connection, brand_id: int, merges: Sequence[Merge], now: dt.datetime) -> None:
    """Gives the survivors the losers' open memberships and what they left; events point to the survivor (ID-26).

    The losers are tombstones in the store already. No loser survives another one: only keyless records lose.
    """
    loser_ids = [merge.loser_id for merge in merges]
    pair = sa.select(subscriber.c.id, subscriber.c.merged_into).where(
        subscriber.c.brand_id == brand_id, among(connection, subscriber.c.id, loser_ids)).cte("pair").prefix_with(
        "MATERIALIZED")
    lost, left = membership.alias("lost"), interest_opt_out.c
    # What the survivor is in already stays; the unique key of open memberships says so faster than a search
    connection.execute(insert_or_ignore(connection, membership).from_select(
        ["brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since", "begins_at", "ends_at", "detail"],
        sa.select(sa.literal(brand_id), pair.c.merged_into, lost.c.interest_id, lost.c.source_id, lost.c.channel,
                  lost.c.since, lost.c.begins_at, lost.c.ends_at, lost.c.detail)
        .join_from(pair, lost, lost.c.subscriber_id == pair.c.id).where(lost.c.until.is_(None)).order_by(lost.c.id)))
    connection.execute(sa.update(membership).where(
        among(connection, membership.c.subscriber_id, loser_ids), membership.c.until.is_(None)).values(until=now))
    connection.execute(insert_or_ignore(connection, interest_opt_out).from_select(
        ["brand_id", "subscriber_id", "interest_id", "left_at", "origin"],
        sa.select(sa.literal(brand_id), pair.c.merged_into, left.interest_id, left.left_at, left.origin)
        .join_from(pair, interest_opt_out, left.subscriber_id == pair.c.id).where(sa.true())))
    survivor = sa.select(subscriber.c.merged_into).where(subscriber.c.id == event.c.subscriber_id).scalar_subquery()
    connection.execute(sa.update(event).where(
        event.c.brand_id == brand_id, among(connection, event.c.subscriber_id, loser_ids))
        .values(subscriber_id=survivor))
