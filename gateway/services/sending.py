"""How does an instance get from its time to its last outcome? Verbs that may run at any time (SEND-3, SEND-6)."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gateway.db.queries import deliveries, instances, mailings
from gateway.db.queries.instances import StoredInstance
from gateway.db.unit import Unit
from gateway.domain import addresses
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.delivery import Settled
from gateway.domain.mailing import INSTANCE_STEPS, TestCopy, next_state
from gateway.domain.records import Identifier, Problem
from gateway.errors import GatewayError
from gateway.log import event
from gateway.mail.smtp import SmtpConnection, Verdict
from gateway.services import audience, compose, lanes
from gateway.services.commits import Commits
from gateway.services.gateway import Gateway
from gateway.services.lanes import Lane, LaneEnd, Pace

log = logging.getLogger("gateway.services")

PACE = Pace()
MAX_TEST_ADDRESSES = 20
TEST_PREFIX = "[Test] "


def run_instance(gateway: Gateway, brand_id: int, instance_id: int, pace: Pace = PACE) -> None:
    """Takes an instance as far as it can go now, and rings for the rest.

    A lost, repeated, early or late call, and calls at the same time, lose and repeat nothing: each step is one
    transaction that starts from the stored state. Raises ``UNAVAILABLE`` when the store is away.
    """
    actor = system_actor(brand_id)
    _recover(gateway, actor, instance_id)
    _cancel_if_late(gateway, actor, instance_id)
    _start(gateway, actor, instance_id)
    _freeze(gateway, actor, instance_id)
    end = _send(gateway, actor, instance_id, pace)
    _finish(gateway, actor, instance_id, end)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, instance) of everything that waits and that nobody has in hand: what the sweep must ring for."""
    with gateway.reading(system_actor(0)) as unit:
        return instances.due(unit.connection, unit.now)


# --- the verbs ------------------------------------------------------------------------------------------------


def _recover(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """What dead lanes had in hand: begun messages are in doubt, the others wait again (SEND-12)."""
    with gateway.reading(actor) as unit:
        if not deliveries.has_abandoned(unit.connection, unit.brand_id, instance_id, unit.now):
            return
    with gateway.unit(actor) as unit:
        doubtful = deliveries.recover(unit.connection, unit.brand_id, instance_id, unit.now)
        for claimed in doubtful:
            lanes.record_outcome(unit, instance_id, Settled(claimed, "doubt", unit.now))
    if doubtful:
        event(log, "messages in doubt after a crash", level=logging.WARNING, instance=instance_id,
              number=len(doubtful))


def _cancel_if_late(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """Cancels what is still unfinished after its ``not_after`` (SEND-5)."""
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance and instance.not_after and unit.now > instance.not_after and _step(instance, "too_late"):
            cancel_rows(unit, instance, "too_late", reason=states.LATE)


def _start(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """scheduled -> preparing, when the time has come; rings again when it has not."""
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance is None or instance.state != states.SCHEDULED:
            return
        if unit.now < instance.send_at:
            unit.ring("run_instance", unit.brand_id, instance_id,
                      delay_s=(instance.send_at - unit.now).total_seconds())
            return
        instances.set_state(unit.connection, unit.brand_id, instance_id,
                            next_state(INSTANCE_STEPS, "instance", instance.state, "time_reached"))


def _freeze(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """preparing -> sending, with the whole audience in the same transaction (SEND-7)."""
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance is None or instance.state != states.PREPARING:
            return
        mailing = mailings.get(unit.connection, unit.brand_id, instance.mailing_id)
        if mailing is None:
            return
        prepared = compose.prepare(unit, mailing.draft, instance_id)
        number = audience.freeze(unit, mailing, instance, prepared.links)
        instances.set_state(unit.connection, unit.brand_id, instance_id,
                            next_state(INSTANCE_STEPS, "instance", instance.state, "audience_committed"),
                            frozen_at=unit.now)
    event(log, "audience frozen", instance=instance_id, number=number)


def _send(gateway: Gateway, actor: Actor, instance_id: int, pace: Pace) -> LaneEnd:
    """Opens the lanes and waits for them. Nothing is done while another worker has the instance in hand."""
    with gateway.reading(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id)
        if instance is None or instance.state != states.SENDING:
            return LaneEnd()
        mailing = mailings.get(unit.connection, unit.brand_id, instance.mailing_id)
        ready = deliveries.ready_count(unit.connection, instance_id, unit.now, pace.batch + 1)
        busy = (deliveries.in_hand(unit.connection, instance_id, unit.now)
                or deliveries.held_until(unit.connection, instance_id, unit.now))
        if mailing is None or not ready or busy:
            return LaneEnd()
        prepared = compose.prepare(unit, mailing.draft, instance_id, frozen=True)
    number = pace.connections if ready > pace.batch else 1
    commits = Commits(gateway, actor)
    return _run_lanes([
        Lane(gateway, actor, instance_id, prepared, uuid.uuid4().hex, pace, compose.connection(gateway.settings),
             commits)
        for _ in range(number)], time.monotonic() + pace.run_s)


def _run_lanes(made: Sequence[Lane], deadline_s: float) -> LaneEnd:
    if len(made) == 1:
        return lanes.work(made[0], deadline_s)
    with ThreadPoolExecutor(len(made), thread_name_prefix="lane") as pool:
        running = [pool.submit(lanes.work, lane, deadline_s) for lane in made]
    ends = [future.result() for future in running]
    return LaneEnd(sum(end.claimed for end in ends), max(end.wait_s for end in ends))


def _finish(gateway: Gateway, actor: Actor, instance_id: int, end: LaneEnd) -> None:
    """sending -> sent after the last outcome; else rings for the next retry.

    A run that did nothing rings for nothing: whoever has the instance in hand does, or the sweep.
    """
    with gateway.unit(actor) as unit:
        if instances.finish(unit.connection, unit.brand_id, instance_id, unit.now):
            event(log, "instance sent", instance=instance_id)
            return
        instance = instances.get(unit.connection, unit.brand_id, instance_id)
        if not end.claimed or instance is None or instance.state != states.SENDING:
            return
        delay_s = end.wait_s
        if not delay_s and not deliveries.ready_count(unit.connection, instance_id, unit.now, 1):
            next_at = deliveries.next_due(unit.connection, instance_id) or unit.now
            delay_s = max(0.0, (next_at - unit.now).total_seconds())
        unit.ring("run_instance", unit.brand_id, instance_id, delay_s=delay_s)


def cancel_rows(unit: Unit, instance: StoredInstance, step: str, *, reason: str | None) -> None:
    """Ends an instance (``step``: cancel or too_late) whose row the caller has locked; what is out is out (SEND-38).

    A mailing that no instance has sent anything of, or will, is a draft again (SEND-2).
    """
    state = next_state(INSTANCE_STEPS, "instance", instance.state, step)
    if instance.state == states.CANCELLED:
        return
    deliveries.cancel_open(unit.connection, unit.brand_id, instance.instance_id, unit.now)
    instances.set_state(unit.connection, unit.brand_id, instance.instance_id, state, reason=reason,
                        finished_at=unit.now)
    mailing = mailings.get(unit.connection, unit.brand_id, instance.mailing_id, lock=True)
    if mailing is None or any(_counts(unit, one) for one in instances.of_mailings(
            unit.connection, unit.brand_id, [instance.mailing_id])):
        return
    mailings.set_state(unit.connection, unit.brand_id, instance.mailing_id,
                       next_state(states.MAILING_STEPS, "mailing", mailing.state, "withdraw"), unit.now)


def _counts(unit: Unit, instance: StoredInstance) -> bool:
    """Whether the instance keeps its mailing released: it goes on, or somebody may have got a message."""
    return (instance.state != states.CANCELLED
            or deliveries.has_sent(unit.connection, unit.brand_id, instance.instance_id))


def _step(instance: StoredInstance, step: str) -> bool:
    return (instance.state, step) in INSTANCE_STEPS


# --- test copies (SOAP-58) -----------------------------------------------------------------------------------------


def send_tests(gateway: Gateway, actor: Actor, mailing_id: int, addresses_: Sequence[str],
               who: Identifier | None = None) -> tuple[TestCopy, ...]:
    """Sends the mailing to 1-20 addresses now, with the values of ``who`` (else the tags' defaults).

    Makes no instance and no figures (SEND-4); its links are not tracked. One result per address, in order. Raises
    ``INVALID_REQUEST`` for the number of addresses, ``NOT_FOUND`` for the mailing or the person.
    """
    actor.require("send")
    if not 1 <= len(addresses_) <= MAX_TEST_ADDRESSES:
        raise GatewayError("INVALID_REQUEST", f"Test copies go to 1 to {MAX_TEST_ADDRESSES} addresses.",
                           field="address")
    with gateway.reading(actor) as unit:
        mailing = mailings.get(unit.connection, unit.brand_id, mailing_id)
        if mailing is None:
            raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
        values = compose.sample_values(unit, who)
        draft = replace(mailing.draft, subject=TEST_PREFIX + mailing.draft.subject, track_opens=False,
                        track_clicks=False)
        prepared = compose.prepare(unit, draft, 0)
    with compose.connection(gateway.settings) as connection:
        return tuple(_test_copy(connection, prepared, address, values) for address in addresses_)


def _test_copy(connection: SmtpConnection, prepared: compose.Prepared, address: str,
               values: dict[str, str]) -> TestCopy:
    email = addresses.normalise(address)
    if isinstance(email, Problem):
        return TestCopy(address, "failed", replace(email, field="address"))
    message = compose.test_message(prepared, email, values)
    outcome = connection.send(message.envelope_from, message.envelope_to, message.data)
    if outcome.kind is Verdict.ACCEPTED:
        return TestCopy(address, rules.ACCEPTED)
    text = f"The mail server did not take the copy ({outcome.stage}): {outcome.text}"
    status = {Verdict.REFUSED: rules.REFUSED, Verdict.DEFERRED: rules.DEFERRED}.get(outcome.kind, "failed")
    return TestCopy(address, status, Problem("UNAVAILABLE" if status != rules.REFUSED else "INVALID_VALUE", text,
                                             "address"))
