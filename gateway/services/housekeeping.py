"""What may be forgotten? Answers, refusals, envelopes, buckets, fetched values of old, bodies and mail dealt with."""

from __future__ import annotations

import datetime as dt

from gateway.db.queries import buckets, diagnosis, idempotency, refusals
from gateway.domain.accounts import system_actor
from gateway.domain.diagnosis import KEPT as ENVELOPES_KEPT
from gateway.services import inbound, personalisation, uploads
from gateway.services.gateway import Gateway
from gateway.services.idempotency import KEPT
from gateway.services.refusals import KEPT as REFUSALS_KEPT

BUCKETS_KEPT = dt.timedelta(days=30)
"""A rate bucket that nobody has touched for so long is full, and as good as a new one."""


def tidy(gateway: Gateway) -> None:
    """Removes what has run out, in short transactions; repeating it changes nothing."""
    with gateway.unit(system_actor(0)) as unit:
        idempotency.forget(unit.connection, unit.now - KEPT)
    with gateway.unit(system_actor(0)) as unit:
        refusals.forget(unit.connection, unit.now - REFUSALS_KEPT)
    with gateway.unit(system_actor(0)) as unit:
        buckets.forget(unit.connection, unit.now - BUCKETS_KEPT)
    with gateway.unit(system_actor(0)) as unit:
        diagnosis.forget(unit.connection, unit.now - ENVELOPES_KEPT)
    personalisation.purge(gateway)
    uploads.tidy(gateway)
    inbound.tidy(gateway)
