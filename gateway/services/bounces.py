"""When is an address given up? Outcomes and reports become bounces, and enough of them a fact (SEND-54..57)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from gateway.db.queries import audience, deliveries, events, inbound, reports, streaks
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.unit import Unit
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain import returned as actions
from gateway.domain.addresses import printable
from gateway.domain.bounces import diagnose
from gateway.domain.delivery import Settled
from gateway.domain.events import NewEvent
from gateway.domain.returned import Returned, Verdict
from gateway.domain.suppression import COMPLAINT
from gateway.domain.writeback import MAIL_BOUNCED
from gateway.services import evidence, suppression, writebacks

MAX_SAID = 500


@dataclass(frozen=True, slots=True)
class _Bounce:
    """A bounce that is stored, and may count."""

    event_id: int
    instance_id: int
    delivery_id: int
    people: tuple[int, ...]
    email: str
    bounce_class: str
    code: str
    at: dt.datetime


def record(unit: Unit, instance_id: int, settled: Settled) -> None:
    """Stores the bounce of a settled delivery and, at the threshold, marks the address as bad.

    In the transaction of the outcome; the same (delivery, attempt) twice counts once (SEND-50, SEND-55).
    """
    claimed, bounce_class = settled.claimed, settled.bounce_class
    event_id = events.add(unit.connection, unit.brand_id, NewEvent(
        type=types.BOUNCED, occurred_at=settled.at, once_key=once_key(settled, types.BOUNCED),
        instance_id=instance_id, delivery_id=claimed.delivery_id, subscriber_id=claimed.subscriber_id,
        remote_id=claimed.remote_id, address=claimed.email, reason=bounce_class, code=settled.code,
        raw=_said(settled.status_text or "", settled.reply)), unit.now)
    if event_id is not None and bounce_class is not None:
        _count(unit, _Bounce(event_id, instance_id, claimed.delivery_id, (claimed.subscriber_id,), claimed.email,
                             bounce_class, settled.code or "", settled.at))


def report(unit: Unit, delivery: StoredDelivery, verdict: Verdict, returned: Returned, at: dt.datetime) -> str:
    """What a report says of a delivery that left us: event, figures, fact (SEND-53); answers it in a few words.

    A delivery in doubt is settled as accepted by it (SEND-24). The same report twice changes nothing (SEND-50).
    In the unit's transaction, under the brand's lock.
    """
    evidence.prove(unit, delivery.delivery_id)
    said = printable(verdict.diagnostic, MAX_SAID) or ""  # a stranger's words, which no store and no door may choke on
    if verdict.action == actions.DELAYED:
        _add_event(unit, delivery, types.DEFERRED, _key(delivery, returned, "dsn", verdict.action), at, verdict.status,
                   said)
        return f"{verdict.action} {verdict.status or ''}".strip()
    if verdict.action != actions.FAILED:
        return verdict.action
    diagnosis = diagnose(verdict.status, verdict.diagnostic)
    event_id = _add_event(unit, delivery, types.BOUNCED, _key(delivery, returned, "dsn", verdict.action), at,
                          diagnosis.code, said, diagnosis.bounce_class.value, diagnosis.reply)
    if event_id is not None:
        is_first = inbound.set_bounce(
            unit.connection, unit.brand_id, delivery.delivery_id, code=diagnosis.code, now=unit.now,
            bounce_class=diagnosis.bounce_class.value, text=delivery.email and said)
        if is_first and writebacks.telling_instances(unit, {delivery.instance_id}):  # a copy comes back once (ID-57)
            writebacks.queue_activity(unit, MAIL_BOUNCED, [_key(delivery, returned, "dsn", verdict.action)])
        if delivery.email:
            people = tuple(dict.fromkeys((_person(unit, delivery), delivery.subscriber_id)))
            _count(unit, _Bounce(event_id, delivery.instance_id, delivery.delivery_id, people, delivery.email,
                                 diagnosis.bounce_class.value, diagnosis.code or "", at))
    return f"{verdict.action} {diagnosis.bounce_class} {diagnosis.code or ''}".strip()


def complain(unit: Unit, delivery: StoredDelivery, returned: Returned, at: dt.datetime) -> None:
    """The recipient marked the message as spam: opted out at once, with event and writeback (SEND-54).

    The same report again changes nothing, not even when an administrator has resubscribed them since (SEND-50).
    In the unit's transaction, under the brand's lock.
    """
    evidence.prove(unit, delivery.delivery_id)
    key = _key(delivery, returned, "arf", returned.feedback)
    if _add_event(unit, delivery, types.COMPLAINED, key, at) is not None:
        suppression.opt_out_recipient(unit, delivery, COMPLAINT)


def once_key(settled: Settled, kind: str) -> str:
    """The key under which this outcome is one event: delivery, attempt and type (SEND-50)."""
    return f"smtp:{settled.claimed.delivery_id}:{settled.attempt}:{kind}"


def reset(unit: Unit, email: str) -> None:
    """Breaks the row of bounces: a person at this address opened or clicked (SEND-56)."""
    streaks.reset(unit.connection, unit.brand_id, email)


def _key(delivery: StoredDelivery, returned: Returned, kind: str, action: str) -> str:
    """Delivery, hash of the report, action (SEND-50)."""
    return f"{kind}:{delivery.delivery_id}:{returned.digest}:{action}"


def _add_event(unit: Unit, delivery: StoredDelivery, kind: str, key: str, at: dt.datetime, code: str | None = None,
               text: str = "", reason: str | None = None, reply: int | None = None) -> int | None:
    """One event of the delivery; for an erased person without person, address and words (SEND-51)."""
    known = delivery.email is not None
    return events.add(unit.connection, unit.brand_id, NewEvent(
        type=kind, occurred_at=at, once_key=key, instance_id=delivery.instance_id, delivery_id=delivery.delivery_id,
        subscriber_id=_person(unit, delivery) if known else None, remote_id=delivery.remote_id,
        address=delivery.email, reason=reason, code=code, raw=_said(text, reply) if known and text else None),
        unit.now)


def _said(text: str, reply: int | None) -> dict[str, Any]:
    """What the other side said, and the three digits of its reply where they are known."""
    return {"text": text} if reply is None else {"text": text, "reply": reply}


def _person(unit: Unit, delivery: StoredDelivery) -> int:
    """Whom it counts for: the survivor of a merged record (SEND-51)."""
    found = audience.survivors(unit.connection, unit.brand_id, [delivery.subscriber_id])
    return found.get(delivery.subscriber_id, delivery.subscriber_id)


def _count(unit: Unit, bounce: _Bounce) -> None:
    if inbound.has_counted(unit.connection, unit.brand_id, bounce.instance_id, bounce.delivery_id, bounce.event_id):
        return
    streak = streaks.get(unit.connection, unit.brand_id, bounce.email)
    if _succeeded_since_last(unit, bounce):
        streak = rules.Streak()
    streak, bad = rules.count_bounce(streak, bounce.bounce_class, bounce.at)
    streaks.put(unit.connection, unit.brand_id, bounce.email, streak)
    if bad:
        suppression.set_bounced(unit, email=bounce.email, code=bounce.code, bounce_class=bounce.bounce_class,
                                event_id=bounce.event_id)


def _succeeded_since_last(unit: Unit, bounce: _Bounce) -> bool:
    """Whether a message was accepted after the last bounce and has been quiet for 72 hours (SEND-56).

    The bounced delivery itself is none: it has its class by now.
    """
    before = bounce.at - rules.SUCCESS_SETTLES_AFTER
    for person in bounce.people:
        last = reports.last_bounce_at(unit.connection, unit.brand_id, person, bounce.email, bounce.event_id)
        if last is not None and any(deliveries.accepted_since(unit.connection, unit.brand_id, each, bounce.email, last,
                                                              before) for each in bounce.people):
            return True
    return False
