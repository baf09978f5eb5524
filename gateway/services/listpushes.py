"""How are several lists of a foreign system changed in one call, each on its own? (PUSH-11, PUSH-24)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gateway.db.queries import batches, decisions
from gateway.db.unit import Unit
from gateway.domain.contactgroups import ListElement
from gateway.domain.records import (
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

RULE = "ID-38"
MAX_NAMED = 20


def change_lists(unit: Unit, elements: Sequence[ListElement]) -> tuple[BatchReport, list[tuple[str, ...]]]:
    """Changes the lists in order; one that fails, also one that the brake holds, changes nothing.

    Answers one outcome for each, and the remote IDs of each that nobody has. The same call again changes nothing.
    Nothing is committed here. Raises ``NOT_ALLOWED``, and what is our own fault.
    """
    unit.actor.require("import")
    counters, outcomes, unknown = Counters(), [], []
    for at, element in enumerate(elements):
        outcome, strangers = _change(unit, at, element)
        counters.add(outcome)
        outcomes.append(outcome)
        unknown.append(strangers)
    if counters.failed:
        _keep_failures(unit, counters, outcomes)
    return BatchReport(counters, tuple(outcomes), unit.actor.request_id, unit.now), unknown


def _change(unit: Unit, at: int, element: ListElement) -> tuple[Outcome, tuple[str, ...]]:
    if element.problem is not None or element.list_id is None:
        return Outcome(at, FAILED, RULE, problem=element.problem, warnings=element.warnings), ()
    try:
        with unit.connection.begin_nested():  # a list that was made for a change that fails must not stay
            found = lists.change_list(unit, element.list_id, element.name, element.mode, element.remote_ids)
    except GatewayError as error:
        if error.side != "Client":
            raise
        return Outcome(at, FAILED, RULE, problem=Problem(error.code, error.message, error.field),
                       warnings=element.warnings), ()
    warnings = (*element.warnings, *_opted_out(found.opted_out))
    return Outcome(at, UPDATED if found.changed else UNCHANGED, RULE, warnings=warnings), found.unknown


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
