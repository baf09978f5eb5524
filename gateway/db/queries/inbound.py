"""Which mail came back, what became of it, and of which delivery can it be? (SEND-53)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import brand
from gateway.db.models.mailings import delivery, event, instance
from gateway.db.models.subscribers import subscriber
from gateway.db.models.transport import inbound_mail
from gateway.db.queries.bulk import among
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.queries.events import insert_or_ignore
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain.inbound import DONE, IGNORED, NEW, STATES, Mail, MailView, Settlement

READ_AT_ONCE = 20
_BLANK = {"data": b"", "envelope_from": None}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail to be stored: how it came, its envelope, what is kept of its bytes, and the key under which it is one."""

    came_by: str
    envelope_from: str
    envelope_to: str
    once_key: str
    data: bytes


def add(connection: Connection, arrival: Arrival, now: dt.datetime) -> int | None:
    """Stores a mail as ``new`` and answers its id; None when it is stored already."""
    statement = insert_or_ignore(connection, inbound_mail).values(
        received_at=now, changed_at=now, came_by=arrival.came_by, envelope_from=arrival.envelope_from[:320],
        envelope_to=arrival.envelope_to[:320], once_key=arrival.once_key, state=NEW, data=arrival.data)
    return connection.execute(statement.returning(inbound_mail.c.id)).scalar()


def get(connection: Connection, mail_id: int) -> Mail | None:
    """The mail with its bytes."""
    t = inbound_mail.c
    row = connection.execute(sa.select(t.id, t.received_at, t.came_by, t.envelope_from, t.envelope_to, t.state, t.tries,
                                       t.data).where(t.id == mail_id)).first()
    return None if row is None else Mail(*row)


def lock(connection: Connection, mail_id: int) -> str | None:
    """The state of a mail that nobody else can change before this transaction ends; None: there is none."""
    t = inbound_mail.c
    return connection.scalar(sa.select(t.state).where(t.id == mail_id).with_for_update())


def begin(connection: Connection, mail_id: int, now: dt.datetime) -> int | None:
    """Counts a try of a new mail and answers its number; None when it is not new."""
    t = inbound_mail.c
    return connection.execute(
        sa.update(inbound_mail).where(t.id == mail_id, t.state == NEW)
        .values(tries=t.tries + 1, changed_at=now).returning(t.tries)).scalar()


def settle(connection: Connection, mail_id: int, found: Settlement, brand_id: int | None, now: dt.datetime) -> None:
    """Stores what became of a mail; of one about an erased person nothing personal is kept (SEND-51)."""
    connection.execute(sa.update(inbound_mail).where(inbound_mail.c.id == mail_id).values(
        state=found.state, brand_id=brand_id, kind=found.kind, reason=found.reason[:300], changed_at=now,
        delivery_id=found.delivery_id))
    if found.delivery_id is not None and found.state in (DONE, IGNORED):
        t = delivery.c
        erased = sa.select(t.id).where(t.brand_id == brand_id, t.id == found.delivery_id, t.email.is_(None))
        connection.execute(sa.update(inbound_mail).where(
            inbound_mail.c.id == mail_id, sa.exists(erased)).values(_BLANK))


def about(connection: Connection, brand_id: int, subscriber_ids: Sequence[int],
          addresses: Collection[str]) -> dict[str, list[int]]:
    """The mails about deliveries to a person, or of no known delivery with an address of theirs in it: ids by state.

    Of the brand, or of no known one. Each mail of no known delivery is read.
    """
    m, t = inbound_mail.c, delivery.c
    theirs = sa.select(t.id).where(t.brand_id == brand_id, sa.or_(
        among(connection, t.subscriber_id, subscriber_ids), among(connection, t.email, sorted(addresses))))
    found: dict[str, list[int]] = {state: [] for state in STATES}
    for state, mail_id in connection.execute(sa.select(m.state, m.id).where(
            m.brand_id == brand_id, m.delivery_id.in_(theirs)).order_by(m.id)):
        found[state].append(mail_id)
    names = [address.lower().encode() for address in addresses]
    unknown = sa.select(m.state, m.id, m.envelope_from, m.data).where(
        sa.or_(m.brand_id == brand_id, m.brand_id.is_(None)), m.delivery_id.is_(None)).order_by(m.id)
    for state, mail_id, sender, data in connection.execute(unknown.execution_options(yield_per=READ_AT_ONCE)):
        text = (sender or "").encode() + b"\n" + data
        if any(name in text.lower() for name in names):
            found[state].append(mail_id)
    return found


def blank(connection: Connection, mail_ids: Sequence[int]) -> None:
    """Removes bytes and sender of these mails; that they came, and what became of them, stays."""
    connection.execute(sa.update(inbound_mail).where(among(connection, inbound_mail.c.id, mail_ids)).values(_BLANK))


def renew(connection: Connection, mail_ids: Sequence[int], now: dt.datetime) -> int:
    """Makes mails new again that were quarantined or ignored, and have not been blanked; answers how many were."""
    t = inbound_mail.c
    return connection.execute(
        sa.update(inbound_mail).where(t.id.in_(mail_ids), t.state.not_in((NEW, DONE)), sa.func.length(t.data) > 0)
        .values(state=NEW, tries=0, changed_at=now)).rowcount


def due(connection: Connection, before: dt.datetime, limit: int) -> list[int]:
    """New mails that nobody has touched since ``before``, the oldest first."""
    t = inbound_mail.c
    return list(connection.scalars(sa.select(t.id).where(t.state == NEW, t.changed_at <= before)
                                   .order_by(t.id).limit(limit)))


def find(connection: Connection, state: str, before_id: int | None, limit: int) -> list[MailView]:
    """Mails in a state, the newest first, without their bytes."""
    t = inbound_mail.c
    query = (sa.select(t.id, t.brand_id, t.received_at, t.came_by, t.envelope_to, t.state, t.kind, t.reason, t.tries,
                       sa.func.length(t.data)).where(t.state == state).order_by(t.id.desc()).limit(limit))
    if before_id is not None:
        query = query.where(t.id < before_id)
    return [MailView(*row) for row in connection.execute(query)]


def view(connection: Connection, mail_id: int) -> MailView | None:
    """One mail without its bytes."""
    t = inbound_mail.c
    row = connection.execute(
        sa.select(t.id, t.brand_id, t.received_at, t.came_by, t.envelope_to, t.state, t.kind, t.reason, t.tries,
                  sa.func.length(t.data)).where(t.id == mail_id)).first()
    return None if row is None else MailView(*row)


def by_state(connection: Connection) -> dict[str, int]:
    """How many mails are in each state."""
    t = inbound_mail.c
    return {state: number for state, number in connection.execute(
        sa.select(t.state, sa.func.count()).group_by(t.state))}


def quarantined_since(connection: Connection, since: dt.datetime) -> int:
    """How many of the mails in quarantine have come since."""
    t = inbound_mail.c
    return connection.scalar(sa.select(sa.func.count()).where(
        t.state == "quarantined", t.received_at >= since)) or 0


def oldest_new(connection: Connection) -> dt.datetime | None:
    """Since when the oldest mail waits that nobody has understood yet."""
    t = inbound_mail.c
    return connection.scalar(sa.select(sa.func.min(t.received_at)).where(t.state == NEW))


def forget(connection: Connection, before: dt.datetime, limit: int) -> int:
    """Removes mails that were dealt with before then, never one in quarantine; answers how many."""
    t = inbound_mail.c
    old = (sa.select(t.id).where(t.state.in_((DONE, IGNORED)), t.changed_at < before).order_by(t.id).limit(limit)
           .scalar_subquery())
    return connection.execute(sa.delete(inbound_mail).where(t.id.in_(old))).rowcount


def only_brand(connection: Connection) -> int | None:
    """The brand of an installation that has one; None: there are several."""
    found = list(connection.scalars(sa.select(brand.c.id).limit(2)))
    return found[0] if len(found) == 1 else None


def latest_to(connection: Connection, brand_id: int, email: str, since: dt.datetime) -> StoredDelivery | None:
    """The brand's last message to this address since then, if there is one."""
    t, s = delivery.c, subscriber.c
    row = connection.execute(
        sa.select(t.id, t.instance_id, instance.c.mailing_id, t.subscriber_id, t.email, t.remote_id, t.state, t.attempt,
                  t.accepted_at)
        .join(instance, instance.c.id == t.instance_id)
        .where(t.brand_id == brand_id, t.email == email, t.state.in_((rules.ACCEPTED, rules.IN_DOUBT)),
               t.changed_at >= since,
               t.subscriber_id.in_(sa.select(s.id).where(s.brand_id == brand_id, s.email == email)))
        .order_by(t.id.desc()).limit(1)).first()
    return None if row is None else StoredDelivery(*row)


def set_bounce(connection: Connection, brand_id: int, delivery_id: int, *, bounce_class: str, code: str | None,
               text: str | None, now: dt.datetime) -> bool:
    """Gives a delivery its bounce, for the figures; its state stays (SEND-57). Whether it is its first one."""
    t = delivery.c
    change = sa.update(delivery).where(t.brand_id == brand_id, t.id == delivery_id).values(
        bounce_class=bounce_class, code=code and code[:20], status_text=text, changed_at=now)
    if connection.execute(change.where(t.bounce_class.is_(None))).rowcount:
        return True
    connection.execute(change)
    return False


def has_counted(connection: Connection, brand_id: int, instance_id: int, delivery_id: int,
                before_event_id: int) -> bool:
    """Whether an earlier bounce of the delivery counted for its address: a delivery counts once (SEND-55)."""
    e = event.c
    return connection.scalar(sa.select(sa.exists().where(
        e.brand_id == brand_id, e.instance_id == instance_id, e.type == types.BOUNCED, e.delivery_id == delivery_id,
        e.reason.in_(("hard", "soft")), e.id < before_event_id)))
