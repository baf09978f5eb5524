"""What becomes of messages of which nobody knows whether they arrived? Somebody decides; silence never does (SEND-24).

Evidence settles the others: see ``evidence``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.db.queries import accounts, instances, outcomes
from gateway.db.queries import doubts as stored
from gateway.db.queries.instances import StoredInstance
from gateway.db.unit import Unit
from gateway.domain import events as types
from gateway.domain import mailing as states
from gateway.domain.mailing import COUNT_AS_SENT, DECISIONS, IN_DOUBT, INSTANCE_STEPS, RESEND, next_state
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import writebacks

log = logging.getLogger("gateway.services")

CHUNK = 5000
MAX_NAMED = 5000
PRESET_TRIES = 2
"""A brand's preset sends a message again that was tried at most so often; then it is held for a person. Without this
end a mail server that breaks off after each message would get it for ever."""


def decide(unit: Unit, instance_id: int, decision: str, delivery_ids: Sequence[int] | None) -> int:
    """Sends deliveries that are in doubt once more, or counts them as sent; None: all of the instance.

    Those that evidence or somebody else settled meanwhile stay as they are. An instance that was sent goes on when
    something is to be sent again. Answers how many were decided; repeating it decides nothing. Raises ``NOT_ALLOWED``;
    ``INVALID_VALUE`` for another decision; ``NOT_FOUND`` for the instance, or a delivery that is not of it;
    ``STATE_CONFLICT`` to send again what was cancelled or is too late.
    """
    unit.actor.require("send")
    if decision not in DECISIONS:
        raise GatewayError("INVALID_VALUE", f"A decision is {' or '.join(DECISIONS)}.", field="decision")
    instance = instances.get(unit.connection, unit.brand_id, instance_id, lock=True)
    if instance is None:
        raise GatewayError("NOT_FOUND", "There is no mailing instance of this id.", field="instanceId")
    _check_named(unit, instance_id, delivery_ids)
    if decision == RESEND:
        _check_resend(unit, instance)
    number = _apply(unit, instance, decision, delivery_ids)
    event(log, "doubts decided", instance=instance_id, decision=decision, number=number)
    return number


def apply_preset(unit: Unit, instance: StoredInstance) -> None:
    """Decides as the brand has chosen beforehand, if it has; the caller has locked the instance's row.

    What came out of a backup is never decided so: nobody knows whether it was sent weeks ago (SEND-25).
    """
    preset = accounts.brand_settings(unit.connection, unit.brand_id).get(IN_DOUBT)
    if preset not in DECISIONS or instance.reason == states.RESTORED:
        return
    if preset == RESEND and (instance.state == states.CANCELLED or _is_late(unit, instance)):
        return
    if not stored.is_any(unit.connection, unit.brand_id, instance.instance_id):
        return
    number = _apply(unit, instance, str(preset), None, PRESET_TRIES if preset == RESEND else None)
    if number:
        event(log, "doubts decided by preset", instance=instance.instance_id, decision=preset, number=number)


def _apply(unit: Unit, instance: StoredInstance, decision: str, delivery_ids: Sequence[int] | None,
           max_attempt: int | None = None) -> int:
    number = 0
    while True:
        ids = stored.decide(unit.connection, unit.brand_id, instance.instance_id, decision, unit.now,
                            delivery_ids=delivery_ids, max_attempt=max_attempt, limit=CHUNK)
        if not ids:
            break
        number += len(ids)
        if decision == COUNT_AS_SENT:
            outcomes.add_events(unit.connection, types.SENT, ids, unit.now)
            writebacks.queue_sent(unit, ids)
    if number and decision == RESEND:
        _go_on(unit, instance)
    return number


def _go_on(unit: Unit, instance: StoredInstance) -> None:
    state = next_state(INSTANCE_STEPS, "instance", instance.state, RESEND)
    if state != instance.state:
        instances.set_state(unit.connection, unit.brand_id, instance.instance_id, state, finished_at=None)
    if state == states.SENDING:
        unit.ring("run_instance", unit.brand_id, instance.instance_id)


def _check_named(unit: Unit, instance_id: int, delivery_ids: Sequence[int] | None) -> None:
    if delivery_ids is None:
        return
    if not 1 <= len(delivery_ids) <= MAX_NAMED:
        raise GatewayError("INVALID_REQUEST", f"Name 1 to {MAX_NAMED} deliveries, or say all.", field="deliveryId")
    if set(delivery_ids) - stored.are_of(unit.connection, unit.brand_id, instance_id, delivery_ids):
        raise GatewayError("NOT_FOUND", "The instance has no delivery of this id.", field="deliveryId")


def _check_resend(unit: Unit, instance: StoredInstance) -> None:
    next_state(INSTANCE_STEPS, "instance", instance.state, RESEND)
    if _is_late(unit, instance):
        raise GatewayError("STATE_CONFLICT", "The instance's notAfter has passed, so nothing of it is sent any more. "
                                             "Count them as sent, or leave them as they are.", field="decision")


def _is_late(unit: Unit, instance: StoredInstance) -> bool:
    return instance.not_after is not None and unit.now > instance.not_after
