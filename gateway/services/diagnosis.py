"""Why was my call refused? The last failed envelopes of a brand that asked to keep them (``/diagnose``)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from gateway.db.queries import accounts
from gateway.db.queries import diagnosis as stored
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.addresses import printable
from gateway.domain.diagnosis import (
    DIAGNOSE,
    KEPT,
    KEPT_ENVELOPES,
    MAX_ENVELOPE_CHARS,
    FailedEnvelope,
    Seen,
    line_of,
    scrub,
)
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services.accounts import require_brand
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.diagnosis")

_MAX_MESSAGE, _MAX_NAME = 2000, 255
_CHARSETS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
"""What an envelope begins with that is not of single bytes."""


def readable(body: bytes) -> str:
    """The envelope as text, as far as it is kept, without its credentials."""
    charset = _CHARSETS.get(body[:2], "utf-8")
    return scrub(body[:2 * MAX_ENVELOPE_CHARS].decode(charset, "replace")[:MAX_ENVELOPE_CHARS])


def is_kept(gateway: Gateway, brand_id: int) -> bool:
    """Whether this brand wants its refused calls kept; False also for one that does not exist. Never raises."""
    try:
        with gateway.reading(system_actor(brand_id, DIAGNOSE)) as unit:
            return bool(accounts.brand_settings(unit.connection, brand_id).get(DIAGNOSE))
    except GatewayError:
        return False


def note(gateway: Gateway, failed: FailedEnvelope, field: str | None = None) -> None:
    """Keeps a refused envelope of a brand that wants it; never raises and never waits.

    ``failed.envelope`` is without credentials already (:func:`readable`). ``field``: the member at fault, which tells
    the line where ``failed.line`` is not known.
    """
    try:
        gateway.refusal_rates.admit(system_actor(failed.brand_id, DIAGNOSE))
    except GatewayError:
        return
    line = failed.line if failed.line is not None else line_of(failed.understood, field)
    gateway.failures.add(replace(
        failed, line=line, message=printable(scrub(failed.message), _MAX_MESSAGE) or "",
        operation=printable(failed.operation, _MAX_NAME), envelope=failed.envelope.replace("\x00", "?"),
        understood=tuple(Seen(each.line, each.path.replace("\x00", "?"), each.value.replace("\x00", "?"))
                         for each in failed.understood)), partial(_store, gateway))


def newest(unit: Unit) -> Sequence[FailedEnvelope]:
    """The unit's brand's failed envelopes of the last week, newest first, 20 at most.

    Raises ``NOT_ALLOWED`` without the right to import; ``STATE_CONFLICT`` unless the brand has chosen ``diagnose``.
    """
    unit.actor.require("import")
    require_brand(unit)
    if not accounts.brand_settings(unit.connection, unit.brand_id).get(DIAGNOSE):
        raise GatewayError("STATE_CONFLICT", "This brand keeps no failed envelopes. An administrator of the "
                                             f"installation turns it on: gateway brand set --brand {unit.brand_id} "
                                             f"{DIAGNOSE}=true. Then repeat the call that failed.")
    return stored.newest(unit.connection, unit.brand_id, unit.now - KEPT)


def _store(gateway: Gateway, batch: list[FailedEnvelope]) -> None:
    try:
        with gateway.unit(system_actor(0)) as unit:
            stored.add(unit.connection, unit.now, batch, KEPT_ENVELOPES)
    except Exception as error:  # the boundary of a thread: whatever it was, the next ones are written
        event(log, "failed envelopes not kept: the store did not take them", level=logging.WARNING, count=len(batch),
              error=type(error).__name__)
