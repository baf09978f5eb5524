"""How are several lists of a foreign system changed in one call, each on its own? (PUSH-11, PUSH-24)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from gateway.db.queries import batches, decisions
from gateway.db.unit import Unit
from gateway.domain.contactgroups import ListElement
from gateway.domain.records import (
    CREATED,
    FAILED,
    UNCHANGED,
    UPDATED,
    BatchReport,
    Counters,
    ImportOptions,
    Outcome,
    Problem,
)
from gateway.errors import GatewayError
from gateway.services import imports, lists
from gateway.services.lists import ListOutcome
from gateway.services.own_interests import settle_names

RULE = "ID-38"
MAX_NAMED = 20

Done = tuple[Outcome, ListOutcome | None]


def change_lists(unit: Unit, elements: Sequence[ListElement]) -> tuple[BatchReport, list[tuple[str, ...]]]:
    """Changes the lists in order; one that fails, also one that the brake holds, changes nothing.

    Answers one outcome for each, and the remote IDs of each that nobody has. A list that is made is ``created``, one
    that gets another name ``updated``; they are named when all are done, so names may be swapped. The same call again
    changes nothing. Nothing is committed here. Raises ``NOT_ALLOWED``, and what is our own fault.
    """
    unit.actor.require("import")
    done = [_change(unit, at, element) for at, element in enumerate(elements)]
    renamed = _name(unit, elements, done)
    counters, outcomes = Counters(), []
    for outcome, found in done:
        if outcome.status == UNCHANGED and found is not None and found.interest.interest_id in renamed:
            outcome = replace(outcome, status=UPDATED)
        counters.add(outcome)
        outcomes.append(outcome)
    if counters.failed:
        _keep_failures(unit, counters, outcomes)
    report = BatchReport(counters, tuple(outcomes), unit.actor.request_id, unit.now)
    return report, [() if found is None else found.unknown for _, found in done]


def _change(unit: Unit, at: int, element: ListElement) -> Done:
    if element.problem is not None or element.list_id is None:
        return Outcome(at, FAILED, RULE, problem=element.problem, warnings=element.warnings), None
    try:
        with unit.connection.begin_nested():  # a list that was made for a change that fails must not stay
            found = lists.change_list(unit, element.list_id, element.name, element.mode, element.remote_ids)
    except GatewayError as error:
        if error.side != "Client":
            raise
        return Outcome(at, FAILED, RULE, problem=Problem(error.code, error.message, error.field),
                       warnings=element.warnings), None
    status = CREATED if found.made else UPDATED if found.changed else UNCHANGED
    return Outcome(at, status, RULE, warnings=(*element.warnings, *_opted_out(found.opted_out))), found


def _name(unit: Unit, elements: Sequence[ListElement], done: Sequence[Done]) -> frozenset[int]:
    """Names the lists as their elements say, the last one of each; answers the interests that were renamed."""
    own = {found.interest.interest_id: found.interest for _, found in done if found is not None}
    wanted = {found.interest.interest_id: element.name for element, (_, found) in zip(elements, done, strict=True)
              if found is not None and element.name is not None}
    return settle_names(unit, own.values(), wanted)


def _keep_failures(unit: Unit, counters: Counters, outcomes: Sequence[Outcome]) -> None:
    """The call as an upload, with the reasons: its sender drops its own copy, even of what failed (PUSH-14)."""
    upload_id = imports.open_upload(unit, ImportOptions())
    decisions.record(unit.connection, unit.brand_id, upload_id=upload_id, actor=unit.actor.label,
                     door=unit.actor.door, now=unit.now,
                     outcomes=[outcome for outcome in outcomes if outcome.problem is not None])
    batches.close_upload(unit.connection, unit.brand_id, upload_id, asdict(counters), counters.received,
                         counters.failed)


def _opted_out(remote_ids: Sequence[str]) -> list[Problem]:
    """One warning for all who have left the list by their own act (ID-39)."""
    if not remote_ids:
        return []
    named = ", ".join(remote_ids[:MAX_NAMED]) + (", ..." if len(remote_ids) > MAX_NAMED else "")
    return [Problem("INTEREST_OPTED_OUT", f"{len(remote_ids)} people have left this list and were not added again: "
                                          f"{named}.", "ContactIds")]
