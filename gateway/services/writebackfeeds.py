"""How does a foreign system that cannot be called get its writebacks, and say what became of them? (ID-63)"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.db.queries import decisions
from gateway.db.queries import writebacks as queries
from gateway.db.unit import Unit
from gateway.domain import records
from gateway.domain import writeback as rules
from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import BatchReport, Counters, ImportOptions, Outcome, Problem
from gateway.domain.writeback import Acknowledgement, WritebackFilter, WritebackView
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations, writebacks
from gateway.services.importcontext import sender_of
from gateway.services.named import upload_of

log = logging.getLogger("gateway.services")

RULE = "ID-63"


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of one integration's writebacks."""

    integration: str
    page: Page[WritebackView]


def find(unit: Unit, request: PageRequest, *, state: str | None = None, integration: str | None = None) -> Feed:
    """A page of the writebacks of the credentials' integration, oldest first; changes nothing.

    ``state`` None: what is to be written now, one row a remote ID, the oldest (ID-61); the next comes when that is
    settled. What was not acknowledged is there again, however often it is asked for; the token of a page only pages.
    Only an administrator may name another ``integration``. Runs in a feed's transaction. Raises ``NOT_ALLOWED``,
    ``NOT_FOUND`` (integration), ``INVALID_VALUE`` for an unknown state, ``INVALID_TOKEN``.
    """
    unit.actor.require("writeback")
    integration_id, name = sender_of(unit, ImportOptions(integration=integration))
    wanted = WritebackFilter(integration_id, state or rules.TO_BE_WRITTEN)
    return Feed(name, writebacks.find(unit, wanted, request))


def acknowledge(unit: Unit, said: Sequence[Acknowledgement], integration: str | None = None) -> BatchReport:
    """Settles up to 1,000 writebacks of the credentials' integration, each for itself, in the order given.

    ``Done`` settles a row; ``Failed`` lets it be offered again after 5 and 30 minutes, then it waits for a person
    (ID-60). What was said before is ``unchanged``. A row that is another's, or nobody's, is ``NOT_FOUND``. Raises
    ``NOT_ALLOWED``, ``NOT_FOUND`` (integration), ``TOO_MANY_RECORDS``, and ``STATE_CONFLICT`` for an integration
    into which we write ourselves.
    """
    unit.actor.require("writeback")
    if len(said) > records.MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"A call takes at most {records.MAX_SYNC_RECORDS} acknowledgements. "
                                               "Send several calls.")
    integration_id, name = sender_of(unit, ImportOptions(integration=integration))
    if integrations.is_written_to(integrations.get(unit, integration_id)):
        raise GatewayError("STATE_CONFLICT", f"The integration '{name}' has a bridge or a webhook, which writes its "
                                             "writebacks. An operator can let it fetch them: gateway integration set "
                                             "--writebacks pull.", field="integration")
    rows = queries.named(unit.connection, unit.brand_id, integration_id,
                         [each.writeback_id for each in said if each.writeback_id is not None])
    changed: dict[int, WritebackView] = {}
    outcomes = [_outcome(index, each, rows, changed, unit) for index, each in enumerate(said)]
    queries.store(unit.connection, unit.brand_id, integration_id, list(changed.values()))
    return _report(unit, name, outcomes)


def retry(unit: Unit, writeback_id: int, integration: str | None = None) -> None:
    """Offers a failed row of the credentials' integration again; see :func:`gateway.services.writebacks.retry`.

    Only an administrator may name another ``integration``.
    """
    writebacks.retry(unit, writeback_id, _own(unit, integration))


def dismiss(unit: Unit, writeback_id: int, integration: str | None = None) -> None:
    """Closes a row of the credentials' integration; see :func:`gateway.services.writebacks.dismiss`.

    Only an administrator may name another ``integration``.
    """
    writebacks.dismiss(unit, writeback_id, _own(unit, integration))


def _own(unit: Unit, integration: str | None) -> int:
    unit.actor.require("writeback")
    return sender_of(unit, ImportOptions(integration=integration))[0]


def _outcome(index: int, said: Acknowledgement, rows: dict[int, WritebackView], changed: dict[int, WritebackView],
             unit: Unit) -> Outcome:
    row = rows.get(said.writeback_id or 0)
    problem = _problem(said, row)
    if row is None or problem is not None:
        return _told(index, records.FAILED, row, problem)
    try:
        after = rules.acknowledge(row, said, unit.now)
    except GatewayError as conflict:
        return _told(index, records.FAILED, row, Problem(conflict.code, conflict.message, "status"))
    if after is row:
        return _told(index, records.UNCHANGED, row)
    rows[row.writeback_id] = changed[row.writeback_id] = after
    return _told(index, records.UPDATED, row)


def _problem(said: Acknowledgement, row: WritebackView | None) -> Problem | None:
    if said.problem is not None:
        return said.problem
    if said.message is not None and holds_forbidden(said.message):
        return forbidden_character("message")
    if row is None:
        return Problem("NOT_FOUND", "This integration has no writeback of this id.", "writebackId")
    return None


def _told(index: int, status: str, row: WritebackView | None, problem: Problem | None = None) -> Outcome:
    if row is None:
        return Outcome(index, status, RULE, problem=problem)
    return Outcome(index, status, RULE, row.subscriber_id, row.remote_id or None, row.email, problem=problem)


def _report(unit: Unit, integration: str, outcomes: Sequence[Outcome]) -> BatchReport:
    counters = Counters()
    for outcome in outcomes:
        counters.add(outcome)
    failed = [outcome for outcome in outcomes if outcome.status == records.FAILED]
    decisions.record(unit.connection, unit.brand_id, upload_id=upload_of(unit, counters) if failed else None,
                     actor=unit.actor.label, door=unit.actor.door, now=unit.now,
                     outcomes=failed)  # for the error log (PUSH-14); the others are no decisions
    event(log, "writebacks acknowledged", brand=unit.brand_id, integration=integration, settled=counters.updated,
          unchanged=counters.unchanged, failed=counters.failed)
    return BatchReport(counters, tuple(outcomes), unit.actor.request_id, unit.now)
