"""How do facts that happened here get into the AMS that knows the person? (ID-53..62)"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gateway.bridges import registry
from gateway.db.queries import writebacks as queries
from gateway.db.unit import Unit
from gateway.domain import writeback as rules

log = logging.getLogger("gateway.services")


def queue(unit: Unit, *, kind: str, event_id: int, email: str, payload: Mapping[str, object],
          except_integration_id: int | None = None) -> int:
    """Writes one row per live remote key at ``email`` (normalised) and answers how many (ID-53, ID-59).

    Called in the transaction of the fact, whose event is stored already; nothing is committed here.
    Integrations without a bridge get none, nor does ``except_integration_id`` (whose call it was).
    ``payload`` may hold ``origin``, ``reason`` (cut at 250 characters), ``code``, ``bounce_class``.
    Repeating it for the same event writes nothing. The worker is rung for every integration served.
    """
    cut = {key: value[:rules.MAX_REASON] if key == "reason" and isinstance(value, str) else value
           for key, value in payload.items()}
    served = queries.add(unit.connection, unit.brand_id, kind=kind, event_id=event_id, email=email, payload=cut,
                         kinds=registry.kinds(), except_integration_id=except_integration_id, now=unit.now)
    for integration_id in sorted(set(served)):
        unit.ring("run_writebacks", unit.brand_id, integration_id)
    return len(served)
