"""What was refused, and to whom? Kept 30 days, for callers drop their own copy when a call fails (PUSH-14)."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace
from functools import partial

from gateway.db.queries import refusals as stored
from gateway.db.unit import Unit
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.addresses import printable
from gateway.domain.paging import Page, PageRequest
from gateway.domain.refusals import ErrorFilter, ErrorView, Refusal
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services.gateway import Gateway
from gateway.services.paging import close_page, open_window

log = logging.getLogger("gateway.refusals")

KEPT = dt.timedelta(days=30)
_MAX_NAME, _MAX_EMAIL, _MAX_MESSAGE, _MAX_REQUEST_ID = 255, 320, 2000, 64


def note(gateway: Gateway, actor: Actor, operation: str, error: GatewayError, *, remote_id: str | None = None,
         email: str | None = None) -> None:
    """Keeps that this request of ``actor`` was refused with ``error``; never raises and never waits.

    It is written a moment later, in a transaction of its own. When too many wait, when the credentials were refused
    600 times within the minute, or when the store is busy for long, it is dropped with a line in the log.
    ``operation`` as its callers know it, without parameters: ``POST /push/v1/subscribers``.
    """
    keep(gateway, actor, operation, error.code, error.message, field=error.field, remote_id=remote_id, email=email)


def keep(gateway: Gateway, actor: Actor, operation: str, code: str, message: str, *, field: str | None = None,
         remote_id: str | None = None, email: str | None = None) -> None:
    """As :func:`note`, for a door with codes of its own."""
    try:
        gateway.refusal_rates.admit(actor)
    except GatewayError:
        taken = False
    else:
        taken = gateway.refusals.add(Refusal(
            actor.brand_id, actor.label[:_MAX_NAME], actor.door, printable(operation, _MAX_NAME) or "", code,
            printable(message, _MAX_MESSAGE) or "", printable(field, _MAX_NAME),
            actor.request_id[:_MAX_REQUEST_ID] or None, printable(remote_id, _MAX_NAME) or None,
            printable(email, _MAX_EMAIL) or None), partial(_store, gateway))
    if not taken:
        event(log, "refusal not kept: too many", level=logging.WARNING, request_id=actor.request_id)


def find(unit: Unit, wanted: ErrorFilter, request: PageRequest) -> Page[ErrorView]:
    """A page of refused requests and failed records of the brand's last 30 days, oldest first; in ``gateway.feed``.

    Raises ``NOT_ALLOWED``, ``INVALID_TOKEN``, ``INVALID_VALUE`` for a bad page.
    """
    unit.actor.require("import")
    window = open_window(unit, "errors", wanted, request)
    oldest = unit.now - KEPT
    window = replace(window, since=oldest if window.since is None else max(oldest, window.since))
    rows = stored.find(unit.connection, unit.brand_id, wanted, window)
    return close_page(unit, "errors", wanted, window, rows, lambda row: (row.recorded_at, row.error_id))


def _store(gateway: Gateway, batch: list[Refusal]) -> None:
    try:
        with gateway.unit(system_actor(0)) as unit:
            stored.add(unit.connection, unit.now, batch)
    except Exception as error:  # the boundary of a thread: whatever it was, the next ones are written
        event(log, "refusals not kept: the store did not take them", level=logging.WARNING, count=len(batch),
              error=type(error).__name__)
