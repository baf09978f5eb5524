"""Who has left an interest by their own wish, and what ends that? (ID-39, ID-50, SOAP-47)"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence

from gateway.db.queries import events, members
from gateway.db.unit import Unit
from gateway.domain.addresses import printable
from gateway.domain.events import OPTED_OUT, REJOINED, NewEvent
from gateway.domain.people import Person
from gateway.domain.records import BatchReport, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import ADMIN, API, MAX_REASON
from gateway.errors import GatewayError
from gateway.services.interests import resolve_names
from gateway.services.named import Book, find_meant, open_entries, outcome_of, people_of, report_of, require_batch

_Change = Callable[[Sequence[int], int], list[int]]


def opt_out(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry]) -> BatchReport:
    """Lets people leave these interests and no others; they stay subscribed to all the rest (ID-39, ID-50).

    An address means every record that has it, a remote ID that one record. Whoever is not in an interest has left it
    all the same: later imports add nobody who left. An outcome each: ``updated``, ``unchanged``, ``failed``.
    Idempotent. Raises ``LIST_UNKNOWN``, ``INVALID_REQUEST`` (no interest), ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``.
    """
    origin = ADMIN if unit.actor.is_admin else API

    def leave(people: Sequence[int], interest_id: int) -> list[int]:
        return members.leave(unit.connection, unit.brand_id, people, interest_id, origin, unit.now)
    return _run(unit, interest_names, entries, leave, OPTED_OUT, "ID-50")


def rejoin(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry]) -> BatchReport:
    """Ends that people have left these interests, by a deliberate act with a reason each (ID-39).

    Memberships that are still open count again at once; nobody is added to an interest. Answers and raises as
    :func:`opt_out`.
    """
    def undo(people: Sequence[int], interest_id: int) -> list[int]:
        return members.undo_leave(unit.connection, unit.brand_id, people, interest_id, unit.now)
    return _run(unit, interest_names, entries, undo, REJOINED, "ID-39")


def _run(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry], change: _Change, kind: str,
         rule: str) -> BatchReport:
    require_batch(unit, len(entries))
    if not interest_names:
        raise GatewayError("INVALID_REQUEST", "Name the interests that this is about, one at least.", field="interests")
    interests = resolve_names(unit, interest_names, False)
    read, book = open_entries(unit, entries)
    return report_of(unit, [
        _one(unit, index, entry, who, book, interests, change, kind, rule)
        for index, (entry, who) in enumerate(zip(entries, read, strict=True))])


def _one(unit: Unit, index: int, entry: StatusEntry, who: Identifier | Problem, book: Book,
         interests: Mapping[str, int], change: _Change, kind: str, rule: str) -> Outcome:
    meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=True)
    if isinstance(meant, Problem):
        return outcome_of(index, entry.who, rule, None, meant)
    people = [meant.person] if meant.person is not None else people_of(book, meant)
    if not people:
        return outcome_of(index, entry.who, rule, None, Problem(
            "NOT_FOUND", "Nobody has this address. An address alone is opted out of everything by Unsubscribe."))
    if kind == REJOINED and not (entry.reason or "").strip():
        return outcome_of(index, entry.who, rule, people[0], Problem(
            "INVALID_VALUE", "Rejoining needs a reason: say how the person asked for it.", "reason"))
    changed = []
    for name, interest_id in interests.items():
        for subscriber_id in change([person.subscriber_id for person in people], interest_id):
            person = next(each for each in people if each.subscriber_id == subscriber_id)
            _add_event(unit, kind, person, interest_id, entry)
            changed.append(name)
    was, is_now = ("in", "left") if kind == OPTED_OUT else ("left", "in")
    return outcome_of(index, entry.who, rule, people[0], changed=bool(changed), matched_by=meant.matched_by,
                      changes={f"interest {name}": (was, is_now) for name in changed})


def _add_event(unit: Unit, kind: str, person: Person, interest_id: int, entry: StatusEntry) -> None:
    """One event per person and interest: feeds tell who left what."""
    events.add(unit.connection, unit.brand_id, NewEvent(
        kind, unit.now, f"{kind}:{uuid.uuid4()}", subscriber_id=person.subscriber_id, address=person.email,
        remote_id=next((remote_id for (integration_id, remote_id), key in person.keys.items()
                        if integration_id == unit.actor.integration_id and key.ended_at is None), None),
        origin=ADMIN if unit.actor.is_admin else API, reason=printable(entry.reason, MAX_REASON),
        raw={"interestId": interest_id}), unit.now)
