"""What is on a brand's preference form, and how does one person stand to it? (ID-36, ID-39, ID-42)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration, source
from gateway.db.models.mailings import event
from gateway.db.models.subscribers import field, interest, interest_opt_out, membership, remote_key, subscriber
from gateway.db.queries.interests import open_now
from gateway.domain.events import PREFERENCE
from gateway.domain.preferences import MAX_INTERESTS


@dataclass(frozen=True, slots=True)
class FieldOnForm:
    """A field that stands on the form, as its brand has defined it."""

    field_id: int
    name: str
    kind: str
    max_length: int
    on_form: str


@dataclass(frozen=True, slots=True)
class PublicInterest:
    """``is_member``: some source's membership is open; ``has_left``: by the person's own act (ID-39); ``is_local``: a
    membership of ours is open, whether it rests or not."""

    interest_id: int
    name: str
    description: str | None
    is_member: bool
    has_left: bool
    is_local: bool


def fields(connection: Connection, brand_id: int) -> list[FieldOnForm]:
    """The brand's fields that stand on the form, in the order in which they were made."""
    t = field.c
    rows = connection.execute(sa.select(t.id, t.name, t.kind, t.max_length, t.on_form).where(
        t.brand_id == brand_id, t.on_form.is_not(None)).order_by(t.id))
    return [FieldOnForm(*row) for row in rows]


def set_on_form(connection: Connection, brand_id: int, folded: str, word: str | None) -> None:
    """How the field stands on the form from now on; None: not at all."""
    connection.execute(sa.update(field).where(field.c.brand_id == brand_id, field.c.folded == folded).values(
        on_form=word))


def local_source(connection: Connection, brand_id: int) -> int:
    """The source to which belongs what people and we ourselves say."""
    return connection.execute(sa.select(source.c.id).where(
        source.c.brand_id == brand_id, source.c.kind == "local").order_by(source.c.id).limit(1)).scalar_one()


def interests(connection: Connection, brand_id: int, subscriber_id: int, local_id: int,
              now: dt.datetime) -> list[PublicInterest]:
    """The brand's public interests by name, as far as a form shows them, and how the person stands to each (ID-42)."""
    t, m, o = interest.c, membership.c, interest_opt_out.c
    theirs = sa.and_(m.brand_id == brand_id, m.subscriber_id == subscriber_id, m.interest_id == t.id)
    is_member = sa.exists().where(theirs, open_now(now))
    has_left = sa.exists().where(o.brand_id == brand_id, o.subscriber_id == subscriber_id, o.interest_id == t.id)
    is_local = sa.exists().where(theirs, m.source_id == local_id, m.until.is_(None))
    rows = connection.execute(
        sa.select(t.id, t.name, t.description, is_member, has_left, is_local)
        .where(t.brand_id == brand_id, t.public).order_by(t.name).limit(MAX_INTERESTS))
    return [PublicInterest(row[0], row[1], row[2], *map(bool, row[3:])) for row in rows]


def changes_made(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], limit: int) -> list[dict]:
    """What the newest changes on the form say of themselves (field or interest, form), newest first."""
    e = event.c
    rows = connection.scalars(sa.select(e.raw).where(
        e.brand_id == brand_id, e.subscriber_id.in_(subscriber_ids), e.type == PREFERENCE)
        .order_by(e.id.desc()).limit(limit))
    return [raw or {} for raw in rows]


def flagged_by(connection: Connection, brand_id: int, email: str) -> list[str]:
    """The names of the systems that flag a record at the address, one that has ended there too (ID-45)."""
    k, s = remote_key.c, subscriber.c
    return list(connection.scalars(
        sa.select(integration.c.name).distinct().select_from(remote_key)
        .join(subscriber, s.id == k.subscriber_id).join(integration, integration.c.id == k.integration_id)
        .where(k.brand_id == brand_id, k.do_not_email, s.brand_id == brand_id, s.email == email,
               s.merged_into.is_(None)).order_by(integration.c.name)))
