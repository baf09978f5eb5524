"""Which subscribers are wanted, and what does a door show of them? (SOAP-43, SOAP-44)"""

from __future__ import annotations

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.accounts import integration, source
from gateway.db.models.subscribers import (
    interest,
    interest_opt_out,
    membership,
    remote_key,
    source_values,
    subscriber,
)
from gateway.db.queries import status
from gateway.db.queries.bulk import among, among_those, in_brand, those
from gateway.db.queries.feeds import in_window
from gateway.db.queries.interests import open_now
from gateway.db.queries.members import of_people
from gateway.domain.paging import Window
from gateway.domain.people import Document
from gateway.domain.records import MembershipView, SubscriberFilter


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """A stored subscriber with the facts that block mail to it."""

    subscriber_id: int
    email: str | None
    source_id: int
    first_source_id: int
    orphan: bool
    merged_into: int | None
    created_at: dt.datetime
    changed_at: dt.datetime
    opted_out: bool
    flagged: bool
    bounced: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A live remote key with its integration's name."""

    integration_id: int
    integration: str
    remote_id: str


def by_ids(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> list[SubscriberRow]:
    """These subscribers of the brand in order of id, tombstones too."""
    t = subscriber.c
    rows = connection.execute(_select(brand_id).where(in_brand(t.brand_id, brand_id),
                                                      among(connection, t.id, subscriber_ids)).order_by(t.id))
    return [SubscriberRow(*row) for row in rows]


def find(connection: Connection, brand_id: int, wanted: SubscriberFilter, integration_id: int | None,
         window: Window, now: dt.datetime) -> list[SubscriberRow]:
    """Live subscribers in (changed, id) order, at most ``window.size + 1``; ``wanted.email`` is normalised.

    ``now``: when somebody must be in ``wanted.interest``.
    """
    t = subscriber.c
    query = in_window(_select(brand_id).where(t.brand_id == brand_id, t.merged_into.is_(None)), window, t.changed_at,
                      t.id)
    if wanted.email is not None:
        query = query.where(t.email == wanted.email)
    if wanted.remote_id is not None:
        query = query.where(_has_key(brand_id, integration_id, wanted.remote_id))
    if wanted.status is not None:
        query = query.where(status.shown(brand_id, wanted.status))
    if wanted.interest is not None:
        query = query.where(_is_member(brand_id, wanted.interest, now))
    if wanted.source is not None:
        kind, _, name = wanted.source.partition(":")
        query = query.where(t.source_id.in_(sa.select(source.c.id).where(
            source.c.brand_id == brand_id, source.c.kind == kind, source.c.name == name)))
    if wanted.orphan is not None:
        query = query.where(t.orphan == wanted.orphan)
    return [SubscriberRow(*row) for row in connection.execute(query)]


def links(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, list[Link]]:
    """The live remote keys of these subscribers, oldest first."""
    k = remote_key.c
    found: dict[int, list[Link]] = defaultdict(list)
    for subscriber_id, *link in connection.execute(
            sa.select(k.subscriber_id, k.integration_id, integration.c.name, k.remote_id)
            .join(integration, integration.c.id == k.integration_id)
            .where(in_brand(k.brand_id, brand_id), k.ended_at.is_(None),
                   among(connection, k.subscriber_id, subscriber_ids))
            .order_by(k.id)):
        found[subscriber_id].append(Link(*link))
    return found


def documents(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, dict[int, Document]]:
    """Subscriber id -> source id -> the values of that source."""
    v = source_values.c
    found: dict[int, dict[int, Document]] = defaultdict(dict)
    for subscriber_id, source_id, document, changed, changed_at in connection.execute(
            sa.select(v.subscriber_id, v.source_id, v.document, v.changed, v.changed_at)
            .where(v.brand_id == brand_id, among(connection, v.subscriber_id, subscriber_ids))).all():
        found[subscriber_id][source_id] = Document(document, changed, changed_at)
    return found


def texts(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> Sequence[tuple[int, str]]:
    """(subscriber id, document as JSON) of every source that has values of them."""
    postgres = is_postgresql(connection)
    return connection.execute(_texts_query(postgres), {"b_brand": brand_id,
                                                       "b_ids": those(subscriber_ids, postgres)}).all()


@functools.cache
def _texts_query(postgres: bool) -> sa.Select[tuple[int, str]]:
    """Made once: this runs for everybody who is mailed."""
    v = source_values.c
    return sa.select(v.subscriber_id, v.document).where(v.brand_id == sa.bindparam("b_brand"),
                                                        among_those(v.subscriber_id, "b_ids", postgres))


def memberships(connection: Connection, brand_id: int, subscriber_ids: Sequence[int],
                labels: dict[int, str]) -> dict[int, list[MembershipView]]:
    """The memberships of these subscribers, ended ones too, oldest first; ``labels`` name the sources."""
    m = membership.c
    found: dict[int, list[MembershipView]] = defaultdict(list)
    for subscriber_id, name, source_id, since, until in connection.execute(
            sa.select(m.subscriber_id, interest.c.name, m.source_id, m.since, m.until)
            .join(interest, interest.c.id == m.interest_id)
            .where(of_people(connection, brand_id, subscriber_ids)).order_by(m.since, m.id)):
        found[subscriber_id].append(MembershipView(name, labels[source_id], since, until))
    return found


def _select(brand_id: int) -> sa.Select[tuple]:
    t = subscriber.c
    return sa.select(  # of any brand: the caller says how the brand's are found
        t.id, t.email, t.source_id, t.first_source_id, t.orphan, t.merged_into, t.created_at, t.changed_at,
        status.opted_out(brand_id), status.flagged(brand_id), status.bounced(brand_id))


def _has_key(brand_id: int, integration_id: int | None, remote_id: str) -> sa.ColumnElement[bool]:
    k = remote_key.c
    found = sa.exists().where(k.subscriber_id == subscriber.c.id, k.brand_id == brand_id, k.remote_id == remote_id)
    return found if integration_id is None else found.where(k.integration_id == integration_id)


def _is_member(brand_id: int, name: str, now: dt.datetime) -> sa.ColumnElement[bool]:
    m, o = membership.c, interest_opt_out.c
    has_left = sa.exists().where(o.subscriber_id == m.subscriber_id, o.interest_id == m.interest_id)
    return sa.exists().where(m.subscriber_id == subscriber.c.id, open_now(now), m.interest_id == interest.c.id,
                             interest.c.brand_id == brand_id, interest.c.name == name, ~has_left)
