"""What may be forgotten? Remembered answers that have run out, and spooled bodies that nobody wants."""

from __future__ import annotations

from gateway.db.queries import idempotency
from gateway.domain.accounts import system_actor
from gateway.services import uploads
from gateway.services.gateway import Gateway
from gateway.services.idempotency import KEPT


def tidy(gateway: Gateway) -> None:
    """Removes what has run out, in short transactions; repeating it changes nothing."""
    with gateway.unit(system_actor(0)) as unit:
        idempotency.forget(unit.connection, unit.now - KEPT)
    uploads.tidy(gateway)
