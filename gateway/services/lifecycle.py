"""How does an instance get from its time to sending, and to its end? Verbs that may run at any time (SEND-3)."""

from __future__ import annotations

import datetime as dt
import logging

from gateway.db.queries import accounts, deliveries, instances, locks, mailings
from gateway.db.queries.instances import StoredInstance
from gateway.db.unit import Unit
from gateway.domain import mailing as states
from gateway.domain import window
from gateway.domain.accounts import Actor
from gateway.domain.delivery import QUEUED
from gateway.domain.mailing import INSTANCE_STEPS, OpenInstance, next_state, resume_event
from gateway.domain.window import SendWindow
from gateway.log import event
from gateway.services import audience, compose, doubts, presync
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.services")


def advance(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """Takes an instance as far towards ``sending`` as it can go now; may run at any time and any number of times."""
    _cancel_if_late(gateway, actor, instance_id)
    _start(gateway, actor, instance_id)
    if _is_prepared(gateway, actor, instance_id):
        _freeze(gateway, actor, instance_id)


def _cancel_if_late(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """Cancels what is still unfinished after its ``not_after`` (SEND-5)."""
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance and instance.not_after and unit.now > instance.not_after and _step(instance, "too_late"):
            cancel_rows(unit, instance, "too_late", reason=states.LATE)
            unit.ring("tell_of_stop", unit.brand_id, instance_id)


def _start(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """scheduled -> preparing, when the time has come and the window is open; rings again when not."""
    with gateway.unit(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance is None or instance.state != states.SCHEDULED:
            return
        starts_at = send_window(unit).opens_at(max(unit.now, instance.send_at))
        if unit.now < starts_at:
            _ring(unit, instance_id, starts_at)
            return
        instances.set_state(unit.connection, unit.brand_id, instance_id,
                            next_state(INSTANCE_STEPS, "instance", instance.state, "time_reached"))


def _is_prepared(gateway: Gateway, actor: Actor, instance_id: int) -> bool:
    """Whether nothing has to be read any more before the audience is frozen (ID-66). Where that failed, the instance is
    paused and somebody is told (ID-67)."""
    with gateway.reading(actor) as unit:
        instance = instances.get(unit.connection, unit.brand_id, instance_id)
    if instance is None or instance.state != states.PREPARING:
        return False
    verdict = presync.prepare(gateway, actor.brand_id, instance)
    if verdict == presync.FAILED:
        with gateway.unit(actor) as unit:
            instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
            if instance is not None and instance.state == states.PREPARING:
                pause(unit, instance, "sync_failed", reason=states.SYNC_FAILED)
    return verdict == presync.READY


def _freeze(gateway: Gateway, actor: Actor, instance_id: int) -> None:
    """preparing -> sending, with the whole audience in the same transaction (SEND-7).

    The key that signs now stays the instance's: every attempt is recognisably the same message (SEND-23).
    """
    with gateway.unit(actor) as unit:
        found = instances.get(unit.connection, unit.brand_id, instance_id)
        if found is None or found.state != states.PREPARING:
            return
        locks.lock_brand(unit.connection, unit.brand_id)  # who has it may be waiting for the row: the lock comes first
        instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if instance is None or instance.state != states.PREPARING:
            return
        opens_at = send_window(unit).opens_at(unit.now)
        if unit.now < opens_at:  # resumed while it is closed
            _ring(unit, instance_id, opens_at)
            return
        mailing = mailings.get(unit.connection, unit.brand_id, instance.mailing_id)
        if mailing is None:
            return
        prepared = compose.prepare(unit, mailing.draft, instance_id)
        number = audience.freeze(unit, mailing, instance, prepared.links)
        counts = instances.counts(unit.connection, unit.brand_id, [instance_id]).get(instance_id, {})
        instances.set_state(unit.connection, unit.brand_id, instance_id,
                            next_state(INSTANCE_STEPS, "instance", instance.state, "audience_committed"),
                            frozen_at=unit.now, recipients=counts.get(QUEUED, 0), token_key=unit.keys.signing)
    event(log, "audience frozen", instance=instance_id, number=number)


def finish(gateway: Gateway, actor: Actor, instance_id: int, claimed: int, wait_s: float) -> None:
    """sending -> sent after the last outcome; else rings for the next retry, or for when the window opens.

    A run that did nothing rings for nothing: whoever has the instance in hand does, or the sweep. What a sender gave
    back in the very moment of a cancel, which then did not see it, is cancelled here (SEND-38).
    """
    with gateway.unit(actor) as unit:
        locked = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
        if locked is not None:
            if locked.state == states.CANCELLED:
                deliveries.cancel_open(unit.connection, unit.brand_id, instance_id, unit.now)
            doubts.apply_preset(unit, locked)
        if instances.finish(unit.connection, unit.brand_id, instance_id, unit.now):
            event(log, "instance sent", instance=instance_id)
            return
        instance = instances.get(unit.connection, unit.brand_id, instance_id)
        if not claimed or instance is None or instance.state != states.SENDING:
            return
        next_at = unit.now + dt.timedelta(seconds=wait_s)
        if not deliveries.ready_count(unit.connection, instance_id, unit.now, 1):
            next_at = deliveries.next_due(unit.connection, instance_id) or unit.now
        _ring(unit, instance_id, send_window(unit).opens_at(max(next_at, unit.now)))


def open_instances(unit: Unit) -> list[OpenInstance]:
    """The instances of **all** brands that may be worked on now: being sent, not late, their window open.

    A sender asks again before each group, and at least twice a second while it has work: what is gone from the list
    was paused or cancelled, and whoever did that waits for it to let go.
    """
    return [one for one, settings in instances.sending(unit.connection, unit.now)
            if window.of(settings).is_open(unit.now)]


def send_window(unit: Unit) -> SendWindow:
    """When mail of the unit's brand may go out (SEND-5)."""
    return window.of(accounts.brand_settings(unit.connection, unit.brand_id))


def pause(unit: Unit, instance: StoredInstance, step: str = "pause", *, reason: str | None = None) -> None:
    """Stops an instance (``step``: pause, transport_refused, sync_failed, restore) whose row the caller has locked.

    No recipient can be claimed from the commit on; whoever has some in hand lets go after the message on its way.
    Pausing again changes nothing. Raises ``STATE_CONFLICT`` for one that has ended.
    """
    state = next_state(INSTANCE_STEPS, "instance", instance.state, step)
    if instance.state == states.PAUSED:
        if reason is not None:
            instances.set_state(unit.connection, unit.brand_id, instance.instance_id, state, reason=reason)
        return
    instances.set_state(unit.connection, unit.brand_id, instance.instance_id, state, reason=reason,
                        paused_from=instance.state)
    event(log, "instance paused", instance=instance.instance_id, reason=reason)
    if reason is not None:
        unit.ring("tell_of_stop", unit.brand_id, instance.instance_id)


def pause_for_transport(unit: Unit, instance_id: int) -> None:
    """Pauses an instance of the unit's brand because the mail server refuses us (SEND-36), unless it is not being sent
    any more. Nobody is counted as bounced."""
    instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
    if instance is not None and instance.state == states.SENDING:
        pause(unit, instance, "transport_refused", reason=states.TRANSPORT)


def resume(unit: Unit, instance: StoredInstance) -> None:
    """Takes a paused instance, whose row the caller has locked, back to where it was, and rings for it.

    Nobody who was mailed is mailed again: the rows are as the pause left them. Resuming again changes nothing. Raises
    ``STATE_CONFLICT`` for one that has ended.
    """
    step = resume_event(instance.state, instance.paused_from)
    state = next_state(INSTANCE_STEPS, "instance", instance.state, step)
    if instance.state != states.PAUSED:
        return
    instances.set_state(unit.connection, unit.brand_id, instance.instance_id, state, paused_from=None,
                        transport_refusals=0, told_reason=None, telling_until=None)
    if instance.reason == states.SYNC_FAILED:
        presync.again(unit, instance.instance_id)
    _ring(unit, instance.instance_id, instance.send_at if state == states.SCHEDULED else unit.now)
    event(log, "instance resumed", instance=instance.instance_id)


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
                       next_state(states.MAILING_STEPS, "mailing", mailing.state, "withdraw"), unit.actor.label,
                       unit.now)


def _counts(unit: Unit, instance: StoredInstance) -> bool:
    """Whether the instance keeps its mailing released: it goes on, or somebody may have got a message."""
    return (instance.state != states.CANCELLED
            or deliveries.has_sent(unit.connection, unit.brand_id, instance.instance_id))


def _ring(unit: Unit, instance_id: int, at: dt.datetime) -> None:
    delay_s = max(0.0, (at - unit.now).total_seconds())
    unit.ring("run_instance", unit.brand_id, instance_id, delay_s=delay_s)


def _step(instance: StoredInstance, step: str) -> bool:
    return (instance.state, step) in INSTANCE_STEPS
