"""What may be forgotten? Remembered answers and refusals that have run out, and spooled bodies that nobody wants."""

from __future__ import annotations

from gateway.db.queries import idempotency, refusals
from gateway.domain.accounts import system_actor
from gateway.services import uploads
from gateway.services.gateway import Gateway
from gateway.services.idempotency import KEPT
from gateway.services.refusals import KEPT as REFUSALS_KEPT


def tidy(gateway: Gateway) -> None:
    """Removes what has run out, in short transactions; repeating it changes nothing."""
    with gateway.unit(system_actor(0)) as unit:
        idempotency.forget(unit.connection, unit.now - KEPT)
    with gateway.unit(system_actor(0)) as unit:
        refusals.forget(unit.connection, unit.now - REFUSALS_KEPT)
    uploads.tidy(gateway)
