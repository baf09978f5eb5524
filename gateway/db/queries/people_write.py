"""How does a changed picture get back into the tables? Set-based, in an order that no unique key objects to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import event
from gateway.db.models.subscribers import interest_opt_out, membership, remote_key, source_values, subscriber
from gateway.db.queries.bulk import insert_rows
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.people import Merge, Person

_SUBSCRIBER = ("id", "brand_id", "email", "keyless", "source_id", "first_source_id", "orphan", "merged_into",
               "opted_out_at", "opt_out_origin", "last_upload_id", "created_at", "changed_at")
_KEY = ("brand_id", "integration_id", "remote_id", "subscriber_id", "do_not_email", "flagged_at", "ended_at",
        "created_at")
_DOCUMENT = ("brand_id", "subscriber_id", "source_id", "document", "changed", "changed_at")
_MEMBERSHIP = ("brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since", "until")


def write_people(connection: Connection, brand_id: int, touched: Sequence[Person], merges: Sequence[Merge],
                 source_id: int, now: dt.datetime) -> None:
    """Writes what is new or changed of these people; ``source_id`` is whose memberships they carry.

    Known people go first: one who became a tombstone or got a key frees its address for a new record.
    """
    _update_people(connection, [person for person in touched if not person.is_new], now)
    insert_rows(connection, subscriber, _SUBSCRIBER, [
        (p.subscriber_id, brand_id, p.email, p.keyless, p.source_id, p.first_source_id, p.orphan, p.merged_into,
         p.opted_out_at, p.opt_out_origin, p.last_upload_id, now, now) for p in touched if p.is_new])
    _write_keys(connection, brand_id, touched, now)
    _write_documents(connection, brand_id, touched)
    _write_memberships(connection, brand_id, touched, source_id)
    for merge in merges:
        _move(connection, brand_id, merge, now)


def _update_people(connection: Connection, people: Iterable[Person], now: dt.datetime) -> None:
    t = subscriber.c
    statement = sa.update(subscriber).where(t.id == sa.bindparam("of_id")).values({
        name: sa.bindparam(f"new_{name}") for name in
        ("email", "keyless", "source_id", "orphan", "merged_into", "opted_out_at", "opt_out_origin",
         "last_upload_id", "changed_at")})
    _many(connection, statement, [
        {"of_id": p.subscriber_id, "new_email": p.email, "new_keyless": p.keyless, "new_source_id": p.source_id,
         "new_orphan": p.orphan, "new_merged_into": p.merged_into, "new_opted_out_at": p.opted_out_at,
         "new_opt_out_origin": p.opt_out_origin, "new_last_upload_id": p.last_upload_id, "new_changed_at": now}
        for p in people])


def _write_keys(connection: Connection, brand_id: int, people: Iterable[Person], now: dt.datetime) -> None:
    new, changed = [], []
    for person in people:
        for (integration_id, remote_id), key in person.keys.items():
            if key.is_new:
                new.append((brand_id, integration_id, remote_id, person.subscriber_id, key.flagged, key.flagged_at,
                            key.ended_at, now))
            elif key.is_changed:
                changed.append({"of_integration": integration_id, "of_remote_id": remote_id, "flag": key.flagged,
                                "flagged": key.flagged_at, "ended": key.ended_at})
    insert_rows(connection, remote_key, _KEY, new)
    k = remote_key.c
    _many(connection, sa.update(remote_key).where(
        k.brand_id == brand_id, k.integration_id == sa.bindparam("of_integration"),
        k.remote_id == sa.bindparam("of_remote_id")).values(
        do_not_email=sa.bindparam("flag"), flagged_at=sa.bindparam("flagged"), ended_at=sa.bindparam("ended")),
        changed)


def _write_documents(connection: Connection, brand_id: int, people: Iterable[Person]) -> None:
    new, changed = [], []
    for person in people:
        for source_id, document in person.documents.items():
            if document.is_new:
                new.append((brand_id, person.subscriber_id, source_id, document.text, document.changed,
                            document.changed_at))
            elif document.is_changed:
                changed.append({"of_subscriber": person.subscriber_id, "of_source": source_id, "text": document.text,
                                "times": document.changed, "moment": document.changed_at})
    insert_rows(connection, source_values, _DOCUMENT, new)
    v = source_values.c
    _many(connection, sa.update(source_values).where(
        v.subscriber_id == sa.bindparam("of_subscriber"), v.source_id == sa.bindparam("of_source")).values(
        document=sa.bindparam("text"), changed=sa.bindparam("times"), changed_at=sa.bindparam("moment")), changed)


def _write_memberships(connection: Connection, brand_id: int, people: Iterable[Person], source_id: int) -> None:
    new, ended = [], []
    for person in people:
        for row in person.memberships:
            if row.row_id is None:
                new.append((brand_id, person.subscriber_id, row.interest_id, source_id, row.channel, row.since,
                            row.until))
            elif row.is_changed:
                ended.append({"of_id": row.row_id, "ended": row.until})
    _many(connection, sa.update(membership).where(membership.c.id == sa.bindparam("of_id")).values(
        until=sa.bindparam("ended")), ended)  # first: whoever left and joins again opens a second row
    insert_rows(connection, membership, _MEMBERSHIP, new)


def _move(connection: Connection, brand_id: int, merge: Merge, now: dt.datetime) -> None:
    """Gives the survivor the loser's open memberships and what it left; events point to the survivor (ID-26)."""
    lost, kept = membership.alias("lost"), membership.alias("kept")
    has_own = sa.exists().where(
        kept.c.subscriber_id == merge.survivor_id, kept.c.interest_id == lost.c.interest_id,
        kept.c.source_id == lost.c.source_id, kept.c.channel == lost.c.channel, kept.c.until.is_(None))
    connection.execute(sa.insert(membership).from_select(
        ["brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since"],
        sa.select(sa.literal(brand_id), sa.literal(merge.survivor_id), lost.c.interest_id, lost.c.source_id,
                  lost.c.channel, lost.c.since)
        .where(lost.c.subscriber_id == merge.loser_id, lost.c.until.is_(None), ~has_own)))
    connection.execute(sa.update(membership).where(
        membership.c.subscriber_id == merge.loser_id, membership.c.until.is_(None)).values(until=now))
    left = interest_opt_out.c
    connection.execute(insert_or_ignore(connection, interest_opt_out).from_select(
        ["brand_id", "subscriber_id", "interest_id", "left_at", "origin"],
        sa.select(sa.literal(brand_id), sa.literal(merge.survivor_id), left.interest_id, left.left_at, left.origin)
        .where(left.subscriber_id == merge.loser_id)))
    connection.execute(sa.update(event).where(
        event.c.brand_id == brand_id, event.c.subscriber_id == merge.loser_id).values(subscriber_id=merge.survivor_id))


def _many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
