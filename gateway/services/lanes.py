"""How does one connection work through its share of an instance, so that a kill at any instant loses nobody? (SEND-12)

A durable commit before each message: it stores the outcome of the message before and the note that the next body
starts (SEND-16, SEND-17), after the server's 354 and before the first byte. So at most one message per lane is without
a known outcome at any time, and the database says which. Lanes that wait at the same time may share that commit.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from gateway.db.queries import audience, deliveries, events, locks
from gateway.db.queries.audience import Facts
from gateway.db.unit import Unit
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain import retry
from gateway.domain.accounts import Actor
from gateway.domain.bounces import BounceClass, classify
from gateway.domain.delivery import Claimed, Settled
from gateway.domain.events import NewEvent
from gateway.errors import GatewayError
from gateway.log import event
from gateway.mail.smtp import Outcome, SmtpConnection, Verdict
from gateway.services import bounces, compose, subscribers
from gateway.services.commits import Commits
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.services")

SAVE_TRIES = 3
SAVE_WAIT_S = 2.0

EVENTS = {"accept": types.SENT, "refuse": types.SENT, "expire": types.SENT, "defer": types.DEFERRED,
          "doubt": types.IN_DOUBT}
"""The event of an outcome; one that bounced has a second one, of type ``bounced``."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run works: ``connections`` lanes, each taking ``batch`` recipients in hand under a lease of ``lease_s``,
    looking at their status facts again every ``group`` messages (SEND-9), taking no new batch after ``run_s``."""

    connections: int = 6
    batch: int = 200
    group: int = 16
    lease_s: float = 120.0
    run_s: float = 20.0


@dataclass(slots=True)
class Lane:
    """One connection at work. ``owner`` names it in the leases; ``unsaved`` are outcomes that no commit holds yet;
    ``commits`` are shared with the other lanes of the run."""

    gateway: Gateway
    actor: Actor
    instance_id: int
    mailing: compose.Prepared
    owner: str
    pace: Pace
    connection: SmtpConnection
    commits: Commits
    unsaved: list[Settled] = field(default_factory=list)
    extend_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class LaneEnd:
    """How much a lane took in hand, and how long to leave the mail server alone if it could not be reached."""

    claimed: int = 0
    wait_s: float = 0.0


class ClaimLost(Exception):
    """The row in hand is not ours any more: cancelled, or taken back after the lease ran out."""


def work(lane: Lane, deadline_s: float) -> LaneEnd:
    """Sends batch after batch until nothing is left, ``deadline_s`` (monotonic) has passed or the worker stops.

    Everything is committed when it returns. May run in any number of threads and processes at once: each message
    goes out at most once.
    """
    claimed = 0
    with lane.connection:
        while time.monotonic() < deadline_s and not lane.gateway.stopping():
            batch = _claim(lane)
            if not batch:
                break
            claimed += len(batch)
            wait_s = _send_batch(lane, batch)
            if wait_s:
                return LaneEnd(claimed, wait_s)
    return LaneEnd(claimed)


def _claim(lane: Lane) -> list[Claimed]:
    with lane.gateway.unit(lane.actor) as unit:
        lane.extend_at = unit.now + dt.timedelta(seconds=lane.pace.lease_s / 3)
        return deliveries.claim(unit.connection, unit.brand_id, lane.instance_id, lane.owner, unit.now,
                                _lease(lane, unit), lane.pace.batch)


def _send_batch(lane: Lane, batch: Sequence[Claimed]) -> float:
    """Sends a batch, stores the outcomes and gives back what was not begun; how long to wait, 0 for not at all."""
    wait_s = 0.0
    try:
        for start in range(0, len(batch), lane.pace.group):
            wait_s = _send_group(lane, batch[start:start + lane.pace.group])
            if wait_s or lane.gateway.stopping():
                break
    except ClaimLost:
        event(log, "claim lost", instance=lane.instance_id)
    finally:
        _save(lane, wait_s)
    return wait_s


def _send_group(lane: Lane, group: Sequence[Claimed]) -> float:
    facts, values = _look_up(lane, group)
    for claimed in group:
        if lane.gateway.stopping():
            break
        fact = facts[claimed.delivery_id]
        if fact.reason is not None:
            lane.unsaved.append(Settled(claimed, "leave_out", lane.gateway.clock(), reason=fact.reason))
            continue
        try:
            message = compose.message(lane.mailing, claimed, values.get(fact.person, {}))
        except GatewayError as error:
            event(log, "message not made", level=logging.WARNING, delivery=claimed.delivery_id, code=error.code)
            lane.unsaved.append(Settled(claimed, "leave_out", lane.gateway.clock(), reason=rules.INVALID_ADDRESS))
            continue
        outcome = lane.connection.send(message.envelope_from, message.envelope_to, message.data,
                                       before_body=partial(_start_body, lane, claimed))
        if outcome.kind is Verdict.NOT_TRIED:  # not the recipient's fault, so no attempt is counted (SEND-32)
            return retry.transport_wait_s(claimed.wait_s)
        lane.unsaved.append(judge(claimed, outcome, lane.gateway.clock()))
    return 0.0


def _look_up(lane: Lane, group: Sequence[Claimed]) -> tuple[dict[int, Facts], dict[int, dict[str, str]]]:
    """What is true of everybody at the last moment, by delivery, and the values of each person (SEND-9)."""
    ids = [claimed.delivery_id for claimed in group]
    with lane.gateway.reading(lane.actor) as unit:
        facts = audience.facts(unit.connection, unit.brand_id, ids, lane.mailing.draft.include_orphans)
        values = subscribers.merge_values(unit, [fact.person for fact in facts.values()])
    return facts, values


def _start_body(lane: Lane, claimed: Claimed) -> None:
    """The one durable commit per message. Raises ``ClaimLost``, which stops the message before its first byte."""
    ours, extended_at = False, lane.extend_at

    def store(unit: Unit) -> None:
        nonlocal ours, extended_at
        _store(unit, lane)
        if lane.extend_at is not None and unit.now >= lane.extend_at:
            deliveries.extend(unit.connection, lane.instance_id, lane.owner, _lease(lane, unit))
            extended_at = unit.now + dt.timedelta(seconds=lane.pace.lease_s / 3)
        ours = deliveries.mark(unit.connection, claimed, lane.owner, unit.now)

    lane.commits.run(store)
    lane.extend_at = extended_at
    lane.unsaved.clear()
    if not ours:
        raise ClaimLost


def _save(lane: Lane, wait_s: float) -> None:
    """Stores what is known and gives back the rest of the batch.

    When the store stays away, the one begun message stays claimed with its note and ends in doubt, visibly.
    """
    for tries_left in reversed(range(SAVE_TRIES)):
        try:
            with lane.gateway.unit(lane.actor) as unit:
                _store(unit, lane)
                hold = unit.now + dt.timedelta(seconds=wait_s) if wait_s else None
                deliveries.release(unit.connection, lane.instance_id, lane.owner, unit.now, hold)
            lane.unsaved.clear()
            return
        except GatewayError as error:
            if not tries_left or not error.retryable:
                raise
            time.sleep(SAVE_WAIT_S)


def _store(unit: Unit, lane: Lane) -> None:
    """Outcomes and their events, in the unit's transaction; those that somebody else settled are left alone."""
    if any(settled.bounce_class for settled in lane.unsaved):
        locks.lock_brand(unit.connection, unit.brand_id)  # a bounce may change a status: the lock comes first
    for settled in lane.unsaved:
        if deliveries.settle(unit.connection, settled, lane.owner):
            record_outcome(unit, lane.instance_id, settled)


def record_outcome(unit: Unit, instance_id: int, settled: Settled) -> None:
    """The events of an outcome (SEND-49), and what a bounce says about the address; nothing for one left out."""
    kind, claimed = EVENTS.get(settled.event), settled.claimed
    if kind is None:
        return
    events.add(unit.connection, unit.brand_id, NewEvent(
        type=kind, occurred_at=settled.at, once_key=bounces.once_key(settled, kind), instance_id=instance_id,
        delivery_id=claimed.delivery_id, subscriber_id=claimed.subscriber_id, remote_id=claimed.remote_id,
        address=claimed.email, code=settled.code), unit.now)
    if settled.bounce_class:
        bounces.record(unit, instance_id, settled)


def judge(claimed: Claimed, outcome: Outcome, now: dt.datetime) -> Settled:
    """What an attempt means for the delivery (SEND-27..33). Pure."""
    attempt = claimed.attempt + 1
    said = {"code": outcome.enhanced or (str(outcome.code) if outcome.code else None), "status_text": outcome.text}
    if outcome.kind is Verdict.ACCEPTED:
        return Settled(claimed, "accept", now, **said)
    if outcome.kind is Verdict.REFUSED:
        bounce = classify(outcome.code, outcome.enhanced, outcome.text, stage=outcome.stage)
        return Settled(claimed, "refuse", now, bounce_class=bounce.value, **said)
    if outcome.kind is Verdict.IN_DOUBT:
        return Settled(claimed, "doubt", now, **said)
    next_at = retry.next_try(attempt, now, claimed.first_tried_at or now, retry.spread(claimed.delivery_id, attempt))
    if next_at is None:
        return Settled(claimed, "expire", now, bounce_class=BounceClass.SOFT.value, **said)
    return Settled(claimed, "defer", now, next_at=next_at, **said)


def _lease(lane: Lane, unit: Unit) -> dt.datetime:
    return unit.now + dt.timedelta(seconds=lane.pace.lease_s)
