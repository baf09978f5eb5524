"""Who has left an interest by their own wish, and what ends that? (ID-39, ID-50, SOAP-47)"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.clock import instant
from gateway.db.queries import events, members
from gateway.db.unit import Unit
from gateway.domain.addresses import printable
from gateway.domain.events import OPTED_OUT, REJOINED, NewEvent
from gateway.domain.people import Person
from gateway.domain.records import BatchReport, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import ADMIN, API, MAX_REASON
from gateway.domain.writeback import INTEREST_JOINED, INTEREST_LEFT
from gateway.errors import GatewayError
from gateway.services import writebacks
from gateway.services.interests import resolve_names
from gateway.services.named import Book, find_meant, open_entries, outcome_of, people_of, report_of, require_batch

_Change = Callable[[Sequence[int], int], list[int]]


@dataclass(frozen=True, slots=True)
class _Act:
    """Leaving or rejoining: what it changes, its event and rule, and who is told by which writeback."""

    change: _Change
    kind: str
    rule: str
    written: str
    takers: tuple[int, ...]


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
    written = INTEREST_LEFT if kind == OPTED_OUT else INTEREST_JOINED
    takers = tuple(found for found in writebacks.takers(unit, written) if found != unit.actor.integration_id)
    act = _Act(change, kind, rule, written, takers)
    read, book = open_entries(unit, entries)
    return report_of(unit, [_one(unit, index, entry, who, book, interests, act)
                            for index, (entry, who) in enumerate(zip(entries, read, strict=True))])


def _one(unit: Unit, index: int, entry: StatusEntry, who: Identifier | Problem, book: Book,
         interests: Mapping[str, int], act: _Act) -> Outcome:
    meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=True)
    if isinstance(meant, Problem):
        return outcome_of(index, entry.who, act.rule, None, meant)
    people = [meant.person] if meant.person is not None else people_of(book, meant)
    if not people:
        return outcome_of(index, entry.who, act.rule, None, Problem(
            "NOT_FOUND", "Nobody has this address. An address alone is opted out of everything by Unsubscribe."))
    if act.kind == REJOINED and not (entry.reason or "").strip():
        return outcome_of(index, entry.who, act.rule, people[0], Problem(
            "INVALID_VALUE", "Rejoining needs a reason: say how the person asked for it.", "reason"))
    changed = []
    for name, interest_id in interests.items():
        for subscriber_id in act.change([person.subscriber_id for person in people], interest_id):
            person = next(each for each in people if each.subscriber_id == subscriber_id)
            _tell(unit, act, person, name, interest_id, entry)
            changed.append(name)
    was, is_now = ("in", "left") if act.kind == OPTED_OUT else ("left", "in")
    return outcome_of(index, entry.who, act.rule, people[0], changed=bool(changed), matched_by=meant.matched_by,
                      changes={f"interest {name}": (was, is_now) for name in changed})


def _tell(unit: Unit, act: _Act, person: Person, interest: str, interest_id: int, entry: StatusEntry) -> None:
    """One event per person and interest, so that feeds tell who left what; and its writebacks (ID-56)."""
    origin, reason = ADMIN if unit.actor.is_admin else API, printable(entry.reason, MAX_REASON)
    event_id = events.add(unit.connection, unit.brand_id, NewEvent(
        act.kind, unit.now, f"{act.kind}:{uuid.uuid4()}", subscriber_id=person.subscriber_id, address=person.email,
        remote_id=next((remote_id for (integration_id, remote_id), key in person.keys.items()
                        if integration_id == unit.actor.integration_id and key.ended_at is None), None),
        origin=origin, reason=reason, raw={"interestId": interest_id}), unit.now)
    assert event_id is not None
    for integration_id in act.takers:
        writebacks.queue(unit, kind=act.written, event_id=event_id, email=None, subscriber_ids=[person.subscriber_id],
                         payload={"interest": interest, "time": instant(unit.now), "origin": origin, "reason": reason},
                         only_integration_id=integration_id)
