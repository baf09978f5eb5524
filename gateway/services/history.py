"""What happened to this person, in the order in which it was recorded? (SOAP-65)"""

from __future__ import annotations

import datetime as dt

from gateway.db.queries import explain as stored
from gateway.db.queries import history as queries
from gateway.db.queries.decisions import StoredDecision
from gateway.db.queries.history import DeliveryTurn, EventTurn, MembershipTurn
from gateway.db.unit import Unit
from gateway.domain.explaining import REASONS, changes_of
from gateway.domain.history import CHANGE, DELIVERY, EVENT, IMPORT, JOINED, LEFT, HistoryEntry, HistoryFilter
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import Identifier
from gateway.domain.rulebook import meaning
from gateway.services.paging import close_page, open_window
from gateway.services.subscribers import identify


def find(unit: Unit, who: Identifier, since: dt.datetime | None, until: dt.datetime | None,
         request: PageRequest) -> Page[HistoryEntry]:
    """A page of the person's imports, changes, deliveries and events, oldest first; the first needs ``gateway.feed``.

    What happened to records that were merged into the person is there too. ``since`` (inclusive) and ``until``
    (exclusive) compare the time of recording. A delivery is there once, with the state it has now, at the time since
    when it has it. Raises ``NOT_ALLOWED``, ``INVALID_TOKEN``, ``INVALID_VALUE`` and what ``subscribers.get`` raises
    for identifiers.
    """
    unit.actor.require("report")
    subscriber_id = identify(unit, who)
    wanted = HistoryFilter(subscriber_id, since, until)
    window = open_window(unit, "history", wanted, request)
    record = stored.records(unit.connection, unit.brand_id, [subscriber_id])[subscriber_id]
    ids = [subscriber_id, *stored.merged_into(unit.connection, unit.brand_id, subscriber_id)]
    email = record.email if record.merged_into is None else None
    asked = (unit.connection, unit.brand_id, ids, window)
    entries = [
        *map(_decision, queries.decided(*asked, email)),
        *(_membership(turn, JOINED) for turn in queries.joined(*asked)),
        *(_membership(turn, LEFT) for turn in queries.left(*asked)),
        *map(_delivery, queries.delivered(*asked)),
        *map(_event, queries.happened(*asked))]
    entries.sort(key=_key)
    return close_page(unit, "history", wanted, window, entries[:window.size + 1], _key)


def _key(entry: HistoryEntry) -> tuple[dt.datetime, int]:
    return entry.recorded_at, entry.entry_id


def _decision(row: StoredDecision) -> HistoryEntry:
    said = meaning(row.rule) or row.message or f"The record was {row.status}."
    return HistoryEntry(
        queries.number(row.decision_id, queries.DECISION), CHANGE if row.upload_id is None else IMPORT, row.status,
        row.recorded_at, row.recorded_at, said, row.subscriber_id, row.remote_id, row.email, row.actor, row.door,
        row.upload_id, None if row.row_number is None else row.row_number + 1, row.rule, row.code, row.message,
        changes_of(row.changes), row.warnings)


def _membership(turn: MembershipTurn, what: str) -> HistoryEntry:
    source = f"{turn.source_kind}:{turn.source_name}" if turn.source_name else turn.source_kind
    said = f"Joined {turn.interest}" if what == JOINED else f"The membership in {turn.interest} ended"
    return HistoryEntry(turn.number, CHANGE, what, turn.at, turn.at, f"{said}, says {source}.", turn.subscriber_id,
                        interest=turn.interest, source=source)


def _delivery(turn: DeliveryTurn) -> HistoryEntry:
    why = f": {REASONS.get(turn.reason, turn.reason)}" if turn.reason else ""
    said = f"The mailing '{turn.mailing}' was left out{why}." if turn.state == "left_out" else \
        f"The mailing '{turn.mailing}' is {turn.state}{why}."
    return HistoryEntry(turn.number, DELIVERY, turn.state, turn.at, turn.at, said, turn.subscriber_id, turn.remote_id,
                        turn.email, code=turn.code, mailing_id=turn.mailing_id, instance_id=turn.instance_id,
                        reason=turn.reason)


def _event(turn: EventTurn) -> HistoryEntry:
    by = f" ({turn.origin})" if turn.origin else " by a machine" if turn.automated else ""
    return HistoryEntry(
        turn.number, EVENT, turn.type, turn.recorded_at, turn.occurred_at, f"{turn.type.replace('_', ' ')}{by}.",
        turn.subscriber_id, turn.remote_id, turn.email, code=turn.code, mailing_id=turn.mailing_id,
        instance_id=turn.instance_id, origin=turn.origin, reason=turn.reason, url=turn.url, automated=turn.automated)
