"""What else is done to a mailing that is published? It goes under an accounting code, or is put on hold
(aapi.md sections 5.6 and 5.7)."""

from __future__ import annotations

from collections.abc import Collection

from gateway.db.queries import folders, instances, mailings
from gateway.db.unit import Unit
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mailing import ON_HOLD
from gateway.errors import GatewayError
from gateway.services import lifecycle

MAX_CODE = 50


def set_accounting_code(unit: Unit, mailing_id: int, code: str) -> None:
    """Notes under which accounting code the mailing goes; one that is new is made.

    Raises ``NOT_FOUND``, ``FIELD_TOO_LONG``, ``INVALID_CHARACTER``.
    """
    unit.actor.require("send")
    if len(code) > MAX_CODE:
        raise GatewayError("FIELD_TOO_LONG", f"An accounting code has at most {MAX_CODE} characters. Shorten it.",
                           field="accountingCode")
    if holds_forbidden(code):
        raise GatewayError("INVALID_CHARACTER", "The accounting code holds a control character. Remove it.",
                           field="accountingCode")
    _require(unit, [mailing_id])
    folders.ensure_code(unit.connection, unit.brand_id, code)
    mailings.set_facts(unit.connection, unit.brand_id, mailing_id, unit.actor.label, unit.now, accounting_code=code)


def hold(unit: Unit, mailing_ids: Collection[int]) -> int:
    """Pauses every instance of these mailings that waits or is being sent, until it is resumed, and answers how many of
    the mailings are on hold then.

    One that is out, or was never published, does not count; one that was on hold does, so that repeating it changes
    nothing. Raises ``NOT_FOUND`` for an id that the brand does not have.
    """
    unit.actor.require("send")
    _require(unit, mailing_ids)
    held = set()
    for instance in instances.unfinished(unit.connection, unit.brand_id, mailing_ids):
        lifecycle.pause(unit, instance)
        held.add(instance.mailing_id)
    for mailing_id in sorted(held):
        mailings.set_facts(unit.connection, unit.brand_id, mailing_id, unit.actor.label, unit.now,
                           schedule_choice=ON_HOLD)
    return len(held)


def _require(unit: Unit, mailing_ids: Collection[int]) -> None:
    missing = sorted(set(mailing_ids) - mailings.known(unit.connection, unit.brand_id, mailing_ids))
    if missing:
        raise GatewayError("NOT_FOUND", f"There is no mailing {missing[0]} in this brand.", field="mailingId")
