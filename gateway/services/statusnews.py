"""How do changes of people's status become events, and get told to the systems that know them? (ID-53, ID-54, ID-59)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.clock import instant
from gateway.db.queries import events
from gateway.db.unit import Unit
from gateway.domain.events import NewEvent
from gateway.domain.writeback import UNSUBSCRIBE, Fact
from gateway.services import writebacks


@dataclass(frozen=True, slots=True)
class StatusNews:
    """A change that is stored in this transaction, and its event, never stored before. ``people``: records that it is
    about beside those at its address, wherever they are. Not ``is_told``: the event alone."""

    event: NewEvent
    people: tuple[int, ...] = ()
    is_told: bool = True


def tell(unit: Unit, kind: str, news: Sequence[StatusNews], except_integration_id: int | None) -> None:
    """Stores the events of a batch in their order, with the writebacks of this ``kind``, set by set.

    Nothing is committed here. The integration whose call it was is left out (ID-53).
    """
    events.add_all(unit.connection, unit.brand_id, [each.event for each in news], unit.now)
    told = [each for each in news if each.is_told and each.event.address is not None]
    if not told or not writebacks.is_anybody_told(unit, except_integration_id):
        return
    ids = events.ids(unit.connection, unit.brand_id, [each.event.once_key for each in told])
    writebacks.queue_all(unit, kind, [
        Fact(ids[each.event.once_key], each.event.address, _payload(kind, each.event, instant(unit.now)), each.people)
        for each in told], except_integration_id=except_integration_id)


def _payload(kind: str, event: NewEvent, now: str) -> dict[str, object]:
    facts: dict[str, object] = {"address": event.address, "time": now, "reason": event.reason}
    return {**facts, "origin": event.origin} if kind == UNSUBSCRIBE else facts
