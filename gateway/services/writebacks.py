"""How do facts that happened here get into the AMS that knows the person? (ID-53..62)"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from gateway.bridges import registry
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.bridges.webhook.bridge import Writer
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import mailings
from gateway.db.queries import writebacks as queries
from gateway.db.unit import Unit
from gateway.domain import writeback as rules
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.integration import IntegrationView
from gateway.domain.paging import Page, PageRequest
from gateway.domain.writeback import Fact, WritebackFilter, WritebackView
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations, webhooks
from gateway.services.gateway import Gateway, Ring
from gateway.services.paging import close_page, open_window

log = logging.getLogger("gateway.services")

_FACTS = ("origin", "reason", "code", "bounce_class", "interest", "field", "value", "mailing", "link")
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
    """As :func:`queue_all`, of one fact; with ``only_integration_id`` nobody else is told (ID-57)."""
    return queue_all(unit, kind, [Fact(event_id, email, payload, tuple(subscriber_ids))],
                     except_integration_id=except_integration_id,
                     only=None if only_integration_id is None else (only_integration_id,))


def queue_all(unit: Unit, kind: str, facts: Sequence[Fact], *, except_integration_id: int | None = None,
              only: Collection[int] | None = None) -> int:
    """Writes one row per fact and live remote key of whom it is about, and answers how many (ID-53, ID-59).

    Called in the transaction of the facts, whose events are stored already; nothing is committed here.
    Integrations that have neither a bridge nor a webhook, nor fetch this kind themselves (ID-63), get none, nor does
    ``except_integration_id`` (whose call it was), nor any beside ``only``. Reasons are cut at 250 characters.
    Repeating it for the same events writes nothing. The worker is rung for every integration that is written to.
    """
    told = [found for found in _told(unit, except_integration_id)
            if (only is None or found.integration_id in only) and _is_told(unit, found, kind)]
    return _queue(unit, kind, [replace(fact, payload=_cut(fact.payload)) for fact in facts], told)


def set_activity(unit: Unit, mailing_id: int, wanted: bool) -> None:
    """Says whether systems are told what becomes of a mailing, person by person, from now on (ID-57).

    In whatever state the mailing is, so also while it is sent. Raises ``NOT_ALLOWED``, ``NOT_FOUND``.
    """
    unit.actor.require("send")
    if not mailings.known(unit.connection, unit.brand_id, [mailing_id]):
        raise GatewayError("NOT_FOUND", f"There is no mailing {mailing_id} in this brand.", field="mailingId")
    mailings.set_facts(unit.connection, unit.brand_id, mailing_id, unit.actor.label, unit.now, writes_activity=wanted)


def telling_instances(unit: Unit, instance_ids: Collection[int]) -> set[int]:
    """Those of these instances, of whatever brand, of whose activity systems are told: usually none (ID-57)."""
    return queries.telling_instances(unit.connection, instance_ids) if instance_ids else set()


def queue_activity(unit: Unit, kind: str, once_keys: Sequence[str]) -> int:
    """Tells the systems that take this kind what became of telling mailings; how many rows (ID-57).

    ``once_keys``: of events of this kind and of the unit's brand, which are stored. Those of other mailings, what
    machines did, and second opens or clicks are passed over. Nothing is committed here. May be repeated.
    """
    told = [found for found in _told(unit, None) if _takes(unit, found, kind)]
    if not told or not once_keys:
        return 0
    served = queries.add_activity(unit.connection, unit.brand_id, kind=kind, once_keys=once_keys, now=unit.now,
                                  integration_ids=[found.integration_id for found in told])
    _ring(unit, told, served)
    return len(served)


def queue_sent(unit: Unit, delivery_ids: Sequence[int]) -> None:
    """As :func:`queue_activity`, of deliveries in doubt of which it came out that they were sent (SEND-24)."""
    queue_activity(unit, rules.MAIL_SENT, queries.sent_keys(unit.connection, unit.brand_id, delivery_ids))


def is_anybody_told(unit: Unit, except_integration_id: int | None) -> bool:
    """Whether :func:`queue` could write any row of this brand: else nothing is to be queued fact by fact."""
    return bool(_told(unit, except_integration_id))


def takers(unit: Unit, kind: str, field: str | None = None) -> list[int]:
    """The integrations of the brand that take writebacks of this kind: for kinds that few do (ID-56).

    ``field``: those that take changes of this field.
    """
    return [found.integration_id for found in _told(unit, None) if _takes(unit, found, kind, field)]


def _told(unit: Unit, except_integration_id: int | None) -> list[IntegrationView]:
    """The integrations that are told anything."""
    return [found for found in integration_queries.find(unit.connection, unit.brand_id)
            if found.integration_id != except_integration_id and (found.pulls or integrations.is_written_to(found))]


def _is_told(unit: Unit, integration: IntegrationView, kind: str) -> bool:
    """Whether there is a row for it. A usual kind that a bridge does not take is closed, with the reason, later."""
    if kind in rules.USUAL and not integration.pulls and not integration.has_webhook:
        return True
    return _takes(unit, integration, kind)


def _takes(unit: Unit, integration: IntegrationView, kind: str, field: str | None = None) -> bool:
    if integration.pulls:
        return kind in integration.pulls
    try:
        with closing(webhooks.writer_of(unit, integration)) as bridge:  # made, not connected
            known = getattr(bridge, "written_fields", None)
            return kind in bridge.writes and (field is None or known is None or field in known)
    except GatewayError:
        return False  # a configuration that does not open takes nothing; its turn says so


def _queue(unit: Unit, kind: str, facts: Sequence[Fact], told: Sequence[IntegrationView]) -> int:
    served = queries.add(unit.connection, unit.brand_id, kind=kind, facts=facts, now=unit.now,
                         integration_ids=[found.integration_id for found in told])
    silent = len(facts) - len({event_id for event_id, _ in served}) if told else 0
    if silent:
        event(log, "no_remote_recipients", brand=unit.brand_id, kind=kind, facts=silent)  # no error (ID-58)
    _ring(unit, told, [integration_id for _, integration_id in served])
    return len(served)


def _ring(unit: Unit, told: Sequence[IntegrationView], served: Sequence[int]) -> None:
    for found in told:
        if found.integration_id in served and integrations.is_written_to(found):
            unit.ring("run_writebacks", unit.brand_id, found.integration_id)


def _cut(payload: Mapping[str, object]) -> dict[str, object]:
    return {key: value[:rules.MAX_REASON] if key == "reason" and isinstance(value, str) else value
            for key, value in payload.items()}


def run_writebacks(gateway: Gateway, brand_id: int, integration_id: int) -> None:
    """Writes the integration's waiting rows into its system, oldest first per remote key (ID-60, ID-61).

    Every row is claimed and settled in transactions of their own around the call: a worker that dies
    repeats one idempotent write at most. Stops after ``TURN_ROWS`` rows and rings for the rest, so that
    integrations are served in turn; stops at an outage and rings for the probe. May run in any number of
    workers and be repeated at any time; of one process it takes half of the threads at most, see ``turns``.
    """
    turn = _Turn(gateway, system_actor(brand_id), integration_id, secrets.token_hex(8))
    integration = _begin(turn)
    who = (brand_id, integration_id)
    if integration is None or not gateway.turns.begin(who, integration.state == rules.DOWN):
        return
    try:
        _take_turn(turn, integration)
    finally:
        refused = [Ring("run_writebacks", each) for each in gateway.turns.end(who)]
        if refused:
            gateway.doorbell.ring(refused, None)


def _take_turn(turn: _Turn, integration: IntegrationView) -> None:
    try:
        bridge = webhooks.writer(turn.gateway, integration)
    except GatewayError as error:  # a configuration that does not open: a person must act, and no row is lost
        _went_down(turn, error.message)
        return
    with closing(bridge):
        if rules.UNSUBSCRIBE not in bridge.writes:  # who takes them was changed a moment ago: the next turn sees it
            _went_down(turn, "Its bridge takes no unsubscribes.")
            return
        try:
            if integration.state == rules.DOWN:
                bridge.check()
            _write_rows(turn, bridge, was_down=integration.state == rules.DOWN)
        except (Outage, Refused) as reason:  # refused: the check, for what is set up does not fit; no row is to blame
            _went_down(turn, str(reason))


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, integration) that the sweep must ring for: work is waiting, or a lease or an age is over."""
    with gateway.reading(system_actor(0)) as unit:
        return queries.due(unit.connection, registry.kinds(), unit.now)


def find(unit: Unit, wanted: WritebackFilter, request: PageRequest) -> Page[WritebackView]:
    """A page of the brand's writebacks, oldest first. Raises ``INVALID_VALUE`` for an unknown state."""
    words = (rules.TO_BE_WRITTEN, *rules.STATES)
    if wanted.state is not None and wanted.state not in words:
        raise GatewayError("INVALID_VALUE", f"The state is one of {', '.join(words)}.", field="state")
    window = open_window(unit, "writebacks", wanted, request)
    rows = queries.find(unit.connection, unit.brand_id, wanted, window, unit.now)
    return close_page(unit, "writebacks", wanted, window, rows, lambda row: (row.created_at, row.writeback_id))


def retry(unit: Unit, writeback_id: int, integration_id: int | None = None) -> None:
    """Puts a failed row back to ready, with all its tries (ID-60); of this integration, if one is named.

    Raises ``NOT_FOUND``, ``STATE_CONFLICT``.
    """
    row = _by_hand(unit, writeback_id, integration_id, rules.RETRIED, tries=0, next_at=unit.now, finished_at=None)
    unit.ring("run_writebacks", unit.brand_id, row.integration_id)


def dismiss(unit: Unit, writeback_id: int, integration_id: int | None = None) -> None:
    """Closes a row that will not be written (ID-60); the next row of its key may go.

    Of this integration, if one is named. Raises ``NOT_FOUND``, ``STATE_CONFLICT``.
    """
    row = _by_hand(unit, writeback_id, integration_id, rules.DISMISSED, finished_at=unit.now)
    unit.ring("run_writebacks", unit.brand_id, row.integration_id)


def _begin(turn: _Turn) -> IntegrationView | None:
    """The integration, if it has rows to write and is up or due for a probe."""
    with turn.gateway.unit(turn.actor) as unit:
        integration = integration_queries.get(unit.connection, unit.brand_id, turn.integration_id)
        if integration is None:
            return None
        lost = queries.release_lost(unit.connection, unit.brand_id, turn.integration_id, unit.now)
        expired = queries.expire(unit.connection, unit.brand_id, turn.integration_id, unit.now)
        if lost or expired:
            event(log, "writebacks returned or expired", brand=unit.brand_id, integration=turn.integration_id,
                  returned=lost, expired=expired)
        if not integrations.is_written_to(integration):
            return None
        waits = integration.state == rules.DOWN and not rules.is_probed(integration.probe_at, unit.now)
        work = queries.candidates(unit.connection, unit.brand_id, turn.integration_id, unit.now, 1)
        return integration if work and not waits else None


def _write_rows(turn: _Turn, bridge: Writer, was_down: bool) -> None:
    """``was_down``: it is up again when the first row has an answer, not before: one that answers probes alone would
    be asked every minute."""
    left = TURN_ROWS
    while left > 0:
        with turn.gateway.reading(turn.actor) as unit:
            found = queries.candidates(unit.connection, unit.brand_id, turn.integration_id, unit.now, left)
        if not found:
            return
        left -= len(found)
        for writeback_id in found:
            if _write_row(turn, bridge, writeback_id) and was_down:
                _came_up(turn)
                was_down = False
    with turn.gateway.unit(turn.actor) as unit:
        unit.ring("run_writebacks", unit.brand_id, turn.integration_id)


def _write_row(turn: _Turn, bridge: Writer, writeback_id: int) -> bool:
    """Whether the system was asked, and answered."""
    with turn.gateway.unit(turn.actor) as unit:
        row = queries.claim(unit.connection, unit.brand_id, writeback_id, turn.owner, unit.now, unit.now + rules.LEASE)
    if row is None:
        return False
    if row.kind not in bridge.writes:
        _settle(turn, row, rules.NOT_TAKEN, f"This integration takes no {row.kind}.")
        return False
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
    return True


def _settle(turn: _Turn, row: WritebackView, step: str, message: str | None) -> None:
    state = rules.next_state(rules.PROCESSING, step)
    values: dict[str, object] = {"state": state, "message": message}
    with turn.gateway.unit(turn.actor) as unit:
        if step == rules.OUTAGE:
            values["next_at"] = unit.now  # behind all that wait: if this row is what breaks it, others go on (ID-61)
        if step in (rules.REFUSED, rules.REFUSED_FINALLY):
            values["tries"] = row.tries + 1
            wait = rules.retry_after(row.tries + 1)
            if wait is not None:
                values["next_at"] = unit.now + wait
                unit.ring("run_writebacks", unit.brand_id, turn.integration_id, delay_s=wait.total_seconds())
        if state in (rules.SENT, rules.CLOSED):
            values |= {"finished_at": unit.now, "payload": rules.kept(row.kind, state, row.payload)}
        held = queries.settle(unit.connection, unit.brand_id, row.writeback_id, turn.owner, **values)
    event(log, "writeback settled" if held else "writeback lost its lease", brand=turn.actor.brand_id,
          integration=turn.integration_id, writeback=row.writeback_id, kind=row.kind, state=state)


def _item(row: WritebackView) -> WritebackItem:
    facts = {key: row.fact(key) for key in _FACTS}
    instance_id = row.fact("instance_id")
    return WritebackItem(row.writeback_id, row.kind, row.remote_id, row.email or "", row.occurred_at,
                         instance_id=None if instance_id is None else int(instance_id), **facts)


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


def _by_hand(unit: Unit, writeback_id: int, integration_id: int | None, step: str, **values: object) -> WritebackView:
    row = queries.get(unit.connection, unit.brand_id, writeback_id)
    if row is None or integration_id not in (None, row.integration_id):
        raise GatewayError("NOT_FOUND", f"There is no writeback {writeback_id} in this brand.", field="writebackId")
    state = rules.next_state(row.state, step)
    values |= {"state": state, "payload": rules.kept(row.kind, state, row.payload)}
    if not queries.move(unit.connection, unit.brand_id, writeback_id, row.state, **values):
        raise GatewayError("STATE_CONFLICT", "The writeback is being written at this moment. Look again and retry.")
    return row
