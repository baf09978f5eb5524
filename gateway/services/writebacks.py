"""How do facts that happened here get into the AMS that knows the person? (ID-53..62)"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from gateway.bridges import registry
from gateway.bridges.port import Bridge, Outage, Refused, WritebackItem
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import writebacks as queries
from gateway.db.unit import Unit
from gateway.domain import writeback as rules
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.integration import IntegrationView
from gateway.domain.paging import Page, PageRequest
from gateway.domain.writeback import WritebackFilter, WritebackView
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations
from gateway.services.gateway import Gateway
from gateway.services.paging import close_page, open_window

log = logging.getLogger("gateway.services")

TURN_ROWS = 200
"""So many rows of one integration are written before the others have their turn (ID-61)."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """One integration's turn of one worker; ``owner`` marks the rows it holds."""

    gateway: Gateway
    actor: Actor
    integration_id: int
    owner: str


def queue(unit: Unit, *, kind: str, event_id: int, email: str | None, payload: Mapping[str, object],
          subscriber_ids: Sequence[int] = (), except_integration_id: int | None = None,
          only_integration_id: int | None = None) -> int:
    """Writes one row per live remote key at ``email`` (normalised) and answers how many (ID-53, ID-59).

    ``subscriber_ids``: records that the fact is about as well, although they have another address by now.

    Called in the transaction of the fact, whose event is stored already; nothing is committed here.
    Integrations without a bridge get none, nor does ``except_integration_id`` (whose call it was); with
    ``only_integration_id`` nobody else does (ID-57).
    Without ``email`` the fact is about ``subscriber_ids`` alone, whoever else has their address.
    ``payload`` may hold ``origin``, ``reason`` (cut at 250 characters), ``code``, ``bounce_class``, ``interest``.
    Repeating it for the same event writes nothing. The worker is rung for every integration served.
    """
    cut = {key: value[:rules.MAX_REASON] if key == "reason" and isinstance(value, str) else value
           for key, value in payload.items()}
    served = queries.add(unit.connection, unit.brand_id, kind=kind, event_id=event_id, email=email, payload=cut,
                         kinds=registry.kinds(), subscriber_ids=subscriber_ids,
                         except_integration_id=except_integration_id,
                         only_integration_id=only_integration_id, now=unit.now)
    for integration_id in sorted(set(served)):
        unit.ring("run_writebacks", unit.brand_id, integration_id)
    return len(served)


def takers(unit: Unit, kind: str) -> list[int]:
    """The integrations of the brand whose bridge takes writebacks of this kind: for kinds that few do (ID-56)."""
    return [found.integration_id for found in integration_queries.find(unit.connection, unit.brand_id)
            if found.kind in registry.kinds() and _takes(unit, found, kind)]


def _takes(unit: Unit, integration: IntegrationView, kind: str) -> bool:
    try:
        with closing(integrations.bridge_of(unit, integration)) as bridge:  # made, not connected
            return kind in bridge.writes
    except GatewayError:
        return False  # a configuration that does not open takes nothing; its turn says so


def run_writebacks(gateway: Gateway, brand_id: int, integration_id: int) -> None:
    """Writes the integration's waiting rows into its system, oldest first per remote key (ID-60, ID-61).

    Every row is claimed and settled in transactions of their own around the call: a worker that dies
    repeats one idempotent write at most. Stops after ``TURN_ROWS`` rows and rings for the rest, so that
    integrations are served in turn; stops at an outage and rings for the probe. May run in any number of
    workers and be repeated at any time.
    """
    turn = _Turn(gateway, system_actor(brand_id), integration_id, secrets.token_hex(8))
    integration = _begin(turn)
    if integration is None:
        return
    try:
        bridge = integrations.bridge(gateway, integration)
    except GatewayError as error:  # a configuration that does not open: a person must act, and no row is lost
        _went_down(turn, error.message)
        return
    with closing(bridge):
        try:
            if integration.state == rules.DOWN:
                bridge.probe()
                _came_up(turn)
            _write_rows(turn, bridge)
        except Outage as outage:
            _went_down(turn, str(outage))


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, integration) that the sweep must ring for: work is waiting, or a lease or an age is over."""
    with gateway.reading(system_actor(0)) as unit:
        return queries.due(unit.connection, unit.now)


def find(unit: Unit, wanted: WritebackFilter, request: PageRequest) -> Page[WritebackView]:
    """A page of the brand's writebacks, oldest first. Raises ``INVALID_VALUE`` for an unknown state."""
    if wanted.state is not None and wanted.state not in rules.STATES:
        raise GatewayError("INVALID_VALUE", f"The state is one of {', '.join(rules.STATES)}.", field="state")
    window = open_window(unit, "writebacks", wanted, request)
    rows = queries.find(unit.connection, unit.brand_id, wanted, window)
    return close_page(unit, "writebacks", wanted, window, rows, lambda row: (row.created_at, row.writeback_id))


def retry(unit: Unit, writeback_id: int) -> None:
    """Puts a failed row back to ready, with all its tries (ID-60). Raises ``NOT_FOUND``, ``STATE_CONFLICT``."""
    row = _by_hand(unit, writeback_id, rules.RETRIED, tries=0, next_at=unit.now, finished_at=None)
    unit.ring("run_writebacks", unit.brand_id, row.integration_id)


def dismiss(unit: Unit, writeback_id: int) -> None:
    """Closes a row that will not be written (ID-60); the next row of its key may go.

    Raises ``NOT_FOUND``, ``STATE_CONFLICT``.
    """
    row = _by_hand(unit, writeback_id, rules.DISMISSED, finished_at=unit.now)
    unit.ring("run_writebacks", unit.brand_id, row.integration_id)


def _begin(turn: _Turn) -> IntegrationView | None:
    """The integration, if it has rows to write and is up or due for a probe."""
    with turn.gateway.unit(turn.actor) as unit:
        integration = integration_queries.get(unit.connection, unit.brand_id, turn.integration_id)
        if integration is None or integration.kind not in registry.kinds():
            return None
        lost = queries.release_lost(unit.connection, unit.brand_id, turn.integration_id, unit.now)
        expired = queries.expire(unit.connection, unit.brand_id, turn.integration_id, unit.now)
        if lost or expired:
            event(log, "writebacks returned or expired", brand=unit.brand_id, integration=turn.integration_id,
                  returned=lost, expired=expired)
        waits = integration.state == rules.DOWN and integration.probe_at is not None and integration.probe_at > unit.now
        work = queries.candidates(unit.connection, unit.brand_id, turn.integration_id, unit.now, 1)
        return integration if work and not waits else None


def _write_rows(turn: _Turn, bridge: Bridge) -> None:
    left = TURN_ROWS
    while left > 0:
        with turn.gateway.reading(turn.actor) as unit:
            found = queries.candidates(unit.connection, unit.brand_id, turn.integration_id, unit.now, left)
        if not found:
            return
        left -= len(found)
        for writeback_id in found:
            _write_row(turn, bridge, writeback_id)
    with turn.gateway.unit(turn.actor) as unit:
        unit.ring("run_writebacks", unit.brand_id, turn.integration_id)


def _write_row(turn: _Turn, bridge: Bridge, writeback_id: int) -> None:
    with turn.gateway.unit(turn.actor) as unit:
        row = queries.claim(unit.connection, unit.brand_id, writeback_id, turn.owner, unit.now, unit.now + rules.LEASE)
    if row is None:
        return
    if row.kind not in bridge.writes:
        _settle(turn, row, rules.NOT_TAKEN, f"This integration takes no {row.kind}.")
        return
    try:
        bridge.write_back(_item(row))
    except Outage as outage:
        _settle(turn, row, rules.OUTAGE, str(outage))
        raise
    except Refused as refused:
        last = rules.retry_after(row.tries + 1) is None
        _settle(turn, row, rules.REFUSED_FINALLY if last else rules.REFUSED, str(refused))
    else:
        _settle(turn, row, rules.WRITTEN, None)


def _settle(turn: _Turn, row: WritebackView, step: str, message: str | None) -> None:
    state = rules.next_state(rules.PROCESSING, step)
    values: dict[str, object] = {"state": state, "message": message}
    with turn.gateway.unit(turn.actor) as unit:
        if step in (rules.REFUSED, rules.REFUSED_FINALLY):
            values["tries"] = row.tries + 1
            wait = rules.retry_after(row.tries + 1)
            if wait is not None:
                values["next_at"] = unit.now + wait
                unit.ring("run_writebacks", unit.brand_id, turn.integration_id, delay_s=wait.total_seconds())
        if state in (rules.SENT, rules.CLOSED):
            values["finished_at"] = unit.now
        held = queries.settle(unit.connection, unit.brand_id, row.writeback_id, turn.owner, **values)
    event(log, "writeback settled" if held else "writeback lost its lease", brand=turn.actor.brand_id,
          integration=turn.integration_id, writeback=row.writeback_id, kind=row.kind, state=state)


def _item(row: WritebackView) -> WritebackItem:
    facts = {key: None if row.payload.get(key) is None else str(row.payload[key])
             for key in ("origin", "reason", "code", "bounce_class", "interest")}
    return WritebackItem(row.writeback_id, row.kind, row.remote_id, row.email or "", row.occurred_at, **facts)


def _went_down(turn: _Turn, reason: str) -> None:
    with turn.gateway.unit(turn.actor) as unit:
        failures = integrations.get(unit, turn.integration_id).failures + 1
        wait = rules.probe_after(failures)
        integration_queries.set_down(unit.connection, unit.brand_id, turn.integration_id, failures, unit.now + wait)
        unit.ring("run_writebacks", unit.brand_id, turn.integration_id, delay_s=wait.total_seconds())
    event(log, "integration down", level=logging.WARNING, brand=turn.actor.brand_id,
          integration=turn.integration_id, failures=failures, reason=reason)


def _came_up(turn: _Turn) -> None:
    with turn.gateway.unit(turn.actor) as unit:
        integration_queries.set_up(unit.connection, unit.brand_id, turn.integration_id)
    event(log, "integration up", brand=turn.actor.brand_id, integration=turn.integration_id)


def _by_hand(unit: Unit, writeback_id: int, step: str, **values: object) -> WritebackView:
    row = queries.get(unit.connection, unit.brand_id, writeback_id)
    if row is None:
        raise GatewayError("NOT_FOUND", f"There is no writeback {writeback_id} in this brand.", field="writebackId")
    state = rules.next_state(row.state, step)
    if not queries.move(unit.connection, unit.brand_id, writeback_id, row.state, state=state, **values):
        raise GatewayError("STATE_CONFLICT", "The writeback is being written at this moment. Look again and retry.")
    return row
