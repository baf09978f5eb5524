"""What do we know of the keys and addresses of a batch? Set-based reads that fill the picture (ID-10..19)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.imports import decision, upload
from gateway.db.models.subscribers import (
    address_status,
    interest_opt_out,
    membership,
    remote_key,
    source_values,
    subscriber,
)
from gateway.db.queries.bulk import among, in_brand, not_among
from gateway.domain.people import Document, Key, Membership, Person
from gateway.domain.suppression import AddressFacts

_PERSON = tuple(subscriber.c[name] for name in (
    "id", "email", "keyless", "source_id", "first_source_id", "orphan", "merged_into", "opted_out_at",
    "opt_out_origin", "last_upload_id", "is_main"))


def people(connection: Connection, brand_id: int, integration_id: int, remote_ids: Collection[str],
           emails: Collection[str]) -> dict[int, Person]:
    """Every live person who has one of the remote IDs in this integration or one of the addresses.

    Also whoever shares an address with one of them, for a flag blocks the whole address (ID-46). They
    come with all their remote keys and documents, in order of id.
    """
    found: dict[int, Person] = {}
    mine = (subscriber.c.brand_id == brand_id, subscriber.c.merged_into.is_(None))
    if remote_ids:
        named = named_keys(connection, brand_id, integration_id, list(remote_ids))
        holder = sa.select(*_PERSON).where(*mine, subscriber.c.id == named.c.subscriber_id)
        if is_postgresql(connection):
            one = holder.limit(1).lateral("holder")  # as in named_keys: each by itself
            holder = sa.select(one).select_from(named.join(one, sa.true()))
        _take(found, connection.execute(holder).all())
    addresses = set(emails) | {person.email for person in found.values() if person.email is not None}
    if addresses:
        others = sa.select(*_PERSON).where(*mine, among(connection, subscriber.c.email, list(addresses)))
        if found:
            others = others.where(not_among(connection, subscriber.c.id, list(found)))
        _take(found, connection.execute(others).all())
    if found:
        _add_keys(connection, found)
        _add_documents(connection, found)
    return dict(sorted(found.items()))


def named_keys(connection: Connection, brand_id: int, integration_id: int, remote_ids: Sequence[str]) -> sa.CTE:
    """The remote keys with these remote IDs, of which there may be any number, to be joined and selected from.

    Each is looked up by itself, and before anything is joined: without statistics, as right after a first import
    of thousands, PostgreSQL else compares every key of the integration with every member of the list.
    """
    k = remote_key.c
    mine = sa.select(remote_key).where(k.brand_id == brand_id, k.integration_id == integration_id)
    if not is_postgresql(connection):
        return mine.where(among(connection, k.remote_id, remote_ids)).cte("named")
    listed = sa.func.unnest(sa.literal(list(remote_ids), ARRAY(k.remote_id.type)))
    wanted = listed.table_valued("key").render_derived(name="wanted")
    one = mine.where(k.remote_id == wanted.c.key).limit(1).lateral("one")  # the limit keeps it from becoming a join
    return sa.select(one).select_from(sa.join(wanted, one, sa.true())).cte("named").prefix_with("MATERIALIZED")


def by_id(connection: Connection, brand_id: int, subscriber_ids: Collection[int]) -> dict[int, Person]:
    """The people with these ids, tombstones too, with keys and documents."""
    found: dict[int, Person] = {}
    _take(found, connection.execute(sa.select(*_PERSON).where(
        in_brand(subscriber.c.brand_id, brand_id), among(connection, subscriber.c.id, list(subscriber_ids)))))
    if found:
        _add_keys(connection, found)
        _add_documents(connection, found)
    return found


def merged_into(connection: Connection, brand_id: int, survivor_ids: Collection[int]) -> list[tuple[int, int]]:
    """(tombstone, survivor) of all that were merged into these people (ID-26)."""
    if not survivor_ids:
        return []
    t = subscriber.c
    return [(loser_id, survivor_id) for loser_id, survivor_id in connection.execute(
        sa.select(t.id, t.merged_into).where(t.brand_id == brand_id, t.merged_into.is_not(None),
                                             among(connection, t.merged_into, list(survivor_ids))))]


def link_moves(connection: Connection, brand_id: int, new_ids: Collection[int],
               upload_id: int) -> list[tuple[int, int]]:
    """(old, new) ids of people between whom a link moved since the upload began, where the new one is one of these
    (ID-25)."""
    if not new_ids:
        return []
    t, began = decision.c, sa.select(upload.c.queued_at).where(upload.c.id == upload_id).scalar_subquery()
    moves = connection.scalars(
        sa.select(t.changes).where(t.brand_id == brand_id, among(connection, t.subscriber_id, list(new_ids)),
                                   t.rule == "ID-25", t.changes.is_not(None), t.recorded_at >= began))
    pairs = [json.loads(changes)["subscriber"] for changes in moves]
    return [(int(old_id), int(new_id)) for old_id, new_id in pairs if int(new_id) in new_ids]


def address_facts(connection: Connection, brand_id: int, emails: Collection[str]) -> dict[str, AddressFacts]:
    """What is known of these addresses themselves; one without facts is absent."""
    if not emails:
        return {}
    t = address_status.c
    rows = connection.execute(
        sa.select(t.email, t.opted_out_at, t.opt_out_origin, t.bounced_at)
        .where(t.brand_id == brand_id, among(connection, t.email, list(emails))))
    return {email: AddressFacts(out_at, origin, bounced_at) for email, out_at, origin, bounced_at in rows}


def add_memberships(connection: Connection, people_by_id: dict[int, Person], source_id: int) -> None:
    """Gives the people their open memberships of this source and the interests they have left themselves."""
    ids = list(people_by_id)
    m = membership.c
    for subscriber_id, interest_id, channel, since, row_id, begins_at, ends_at, detail in connection.execute(
            sa.select(m.subscriber_id, m.interest_id, m.channel, m.since, m.id, m.begins_at, m.ends_at, m.detail)
            .where(among(connection, m.subscriber_id, ids), m.source_id == source_id, m.until.is_(None))).all():
        people_by_id[subscriber_id].memberships.append(
            Membership(interest_id, channel, since, None, row_id, begins_at, ends_at, detail))
    o = interest_opt_out.c
    for subscriber_id, interest_id in connection.execute(
            sa.select(o.subscriber_id, o.interest_id).where(among(connection, o.subscriber_id, ids))).all():
        people_by_id[subscriber_id].left.add(interest_id)


def new_ids(connection: Connection, count: int) -> Sequence[int]:
    """``count`` subscriber ids that nobody has or had, rising. The caller holds the brand's lock.

    SQLite keeps the highest id ever given, and this transaction is its only writer; ids that stay
    unused are offered again. PostgreSQL's sequence moves on for good.
    """
    if is_postgresql(connection):
        rows = connection.execute(sa.text(
            "SELECT nextval((SELECT CAST(pg_get_serial_sequence('subscriber', 'id') AS regclass))) "
            "FROM generate_series(1, :count)"),  # named once, not once a number
            {"count": count})
        return sorted(rows.scalars())
    last = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'subscriber'")).scalar() or 0
    return range(last + 1, last + 1 + count)


def _take(found: dict[int, Person], rows: Iterable[sa.Row]) -> None:
    for row in rows:
        if row[0] not in found:
            found[row[0]] = Person(*row)


def _add_keys(connection: Connection, found: dict[int, Person]) -> None:
    k = remote_key.c
    for subscriber_id, integration_id, remote_id, flagged, flagged_at, ended_at in connection.execute(
            sa.select(k.subscriber_id, k.integration_id, k.remote_id, k.do_not_email, k.flagged_at, k.ended_at)
            .where(among(connection, k.subscriber_id, list(found)))).all():
        found[subscriber_id].keys[(integration_id, remote_id)] = Key(flagged, flagged_at, ended_at)


def _add_documents(connection: Connection, found: dict[int, Person]) -> None:
    v = source_values.c
    for subscriber_id, source_id, document, changed, changed_at in connection.execute(
            sa.select(v.subscriber_id, v.source_id, v.document, v.changed, v.changed_at)
            .where(among(connection, v.subscriber_id, list(found)))).all():
        found[subscriber_id].documents[source_id] = Document(document, changed, changed_at)
