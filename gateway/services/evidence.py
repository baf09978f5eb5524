"""Who proves that a message arrived whose outcome nobody knows? (SEND-24)"""

from __future__ import annotations

from gateway.db.queries import deliveries, outcomes
from gateway.db.unit import Unit
from gateway.domain import events as types
from gateway.services import writebacks


def prove(unit: Unit, delivery_id: int) -> bool:
    """Settles a delivery of the unit's brand that is in doubt as accepted, with its event; False when it is not.

    To be called for whatever only somebody can cause who has the message: an open, click, unsubscribe, complaint or
    report about it.
    """
    if not deliveries.prove(unit.connection, unit.brand_id, delivery_id, unit.now):
        return False
    outcomes.add_events(unit.connection, types.SENT, [delivery_id], unit.now)
    writebacks.queue_sent(unit, [delivery_id])
    return True
