"""How does a test say that a field was changed here? As the preference form does, without the form."""

from __future__ import annotations

import uuid

from gateway.clock import instant
from gateway.db.queries import events
from gateway.db.unit import Unit
from gateway.domain.events import PREFERENCE, NewEvent
from gateway.domain.writeback import FIELD_CHANGED, Fact
from gateway.services import writebacks


def change_field(unit: Unit, subscriber_id: int, field: str, value: str | None) -> int:
    """Queues the value for the systems that take this field, but the caller's own; answers how many rows (ID-56)."""
    made = NewEvent(PREFERENCE, unit.now, f"{PREFERENCE}:{uuid.uuid4()}", subscriber_id=subscriber_id,
                    raw={"field": field})
    event_id = events.add(unit.connection, unit.brand_id, made, unit.now)
    payload = {"field": field, "value": value, "time": instant(unit.now)}
    return writebacks.queue_all(unit, FIELD_CHANGED, [Fact(event_id, None, payload, (subscriber_id,))],
                                except_integration_id=unit.actor.integration_id,
                                only=writebacks.takers(unit, FIELD_CHANGED, field))
