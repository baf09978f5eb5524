"""How does a foreign system learn that an address it sent was corrected? (ID-9, ID-57)"""

from __future__ import annotations

from gateway.db.queries import events
from gateway.db.unit import Unit
from gateway.domain.events import ADDRESS_CORRECTED, NewEvent
from gateway.domain.records import ADOPTED, CREATED, UPDATED, Outcome
from gateway.domain.resolution import Identity
from gateway.domain.writeback import CORRECTED_ADDRESS
from gateway.services import writebacks
from gateway.services.importcontext import ImportContext


def write_back(unit: Unit, context: ImportContext, who: Identity, outcome: Outcome) -> None:
    """Stores the event of a corrected address and one writeback per remote key of the integration that sent it.

    Nothing for a record that changed nothing, that failed, or that came without a remote ID; part of the unit.
    """
    if outcome.status not in (CREATED, ADOPTED, UPDATED) or who.remote_id is None or who.email is None:
        return
    event_id = events.add(unit.connection, unit.brand_id, NewEvent(
        ADDRESS_CORRECTED, unit.now, f"corrected:{context.upload_id}:{outcome.index}",
        subscriber_id=outcome.subscriber_id, remote_id=who.remote_id, address=who.email,
        raw={"spelled": who.spelled}), unit.now)
    if event_id is not None:
        writebacks.queue(unit, kind=CORRECTED_ADDRESS, event_id=event_id, email=who.email,
                         payload={"spelled": outcome.changes["spelling"][0]},
                         only_integration_id=context.integration_id)
