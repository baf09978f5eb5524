"""Who asked not to be mailed, whose address is dead, and what ends it? (ID-43..55)

Every change stores the fact, its event and the writebacks in the caller's unit (ID-59).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.clock import instant
from gateway.db.queries import decisions, events, locks
from gateway.db.queries import status as stored
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import printable
from gateway.domain.events import RESUBSCRIBED, UNSUBSCRIBED, NewEvent
from gateway.domain.people import Person
from gateway.domain.records import BatchReport, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import ADMIN, API, COMPLAINT, MAX_REASON, ORIGINS, ORPHAN, REMOTE_FLAG, AddressFacts
from gateway.domain.writeback import BAD_EMAIL, RESUBSCRIBE, UNSUBSCRIBE
from gateway.services import writebacks
from gateway.services.erased import SUPPRESSED, erased_addresses
from gateway.services.named import (
    Book,
    Meant,
    find_meant,
    open_book,
    open_entries,
    people_of,
    record_of,
    report_of,
    require_batch,
)

_STILL_BLOCKED = {
    REMOTE_FLAG: "a do-not-email flag remains: the integration that set it must clear it",
    ORPHAN: "the record is an orphan: it is mailed again when its remote ID comes again",
}


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of an entry."""

    changed: bool
    warnings: tuple[Problem, ...] = ()


_Act = Callable[[Unit, StatusEntry, Meant, Book], _Done | Problem]


def unsubscribe(unit: Unit, entries: Sequence[StatusEntry]) -> BatchReport:
    """Opts out each address named, and every record that has it (ID-50); an address needs no record for it.

    An outcome each, in the order sent: ``updated``, ``unchanged``, ``failed``, or ``suppressed`` for an address that
    was erased and that nobody has: it gets no mail anyhow and is not written down again (ID-35). Idempotent. Raises
    ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``.
    """
    return _run(unit, entries, "ID-50", _unsubscribe_one)


def resubscribe(unit: Unit, entries: Sequence[StatusEntry]) -> BatchReport:
    """Ends opt-out and bounce at each address named and on its records; needs a reason each (ID-51).

    What still blocks is a warning. A complaint is ended by an administrator only. Raises as ``unsubscribe``.
    """
    return _run(unit, entries, "ID-51", _resubscribe_one)


def opt_out(unit: Unit, *, email: str, origin: str, reason: str | None = None, subscriber_id: int | None = None,
            instance_id: int | None = None, delivery_id: int | None = None, remote_id: str | None = None,
            except_integration_id: int | None = None) -> bool:
    """Opts out a normalised address and every live record that has it now (ID-43); whether anything changed.

    So is ``subscriber_id``, wherever that record is by now. A change stores the event ``unsubscribed`` and one
    writeback per remote key, of whoever moved away too, without the integration that made the call (ID-53).
    Doing it again changes nothing and stores nothing.
    """
    if origin not in ORIGINS:
        raise ValueError(f"unknown origin {origin}")
    locks.lock_brand(unit.connection, unit.brand_id)
    book = open_book(unit, (), [email], [] if subscriber_id is None else [subscriber_id])
    meant = Meant(email, None if subscriber_id is None else record_of(book, subscriber_id), None)
    event = NewEvent(UNSUBSCRIBED, unit.now, "", instance_id, delivery_id, subscriber_id, remote_id, email,
                     origin=origin, reason=_cut(reason))
    if not _opt_out(unit, book, meant, event, except_integration_id):
        return False
    _record(unit, [Outcome(0, words.UPDATED, "ID-50", subscriber_id, remote_id, email)])
    return True


def set_bounced(unit: Unit, *, email: str, code: str, bounce_class: str, event_id: int) -> bool:
    """Sets the bounce fact of a normalised address and queues its writebacks (ID-44, ID-55); whether it is new."""
    locks.lock_brand(unit.connection, unit.brand_id)
    if not stored.set_bounced(unit.connection, unit.brand_id, email, code or None, unit.now):
        return False
    stored.touch_address(unit.connection, unit.brand_id, email, unit.now)
    payload = {"bounce_class": bounce_class, "code": code, "time": instant(unit.now)}
    writebacks.queue(unit, kind=BAD_EMAIL, event_id=event_id, email=email, payload=payload)
    return True


def _run(unit: Unit, entries: Sequence[StatusEntry], rule: str, act: _Act) -> BatchReport:
    require_batch(unit, len(entries))
    read, book = open_entries(unit, entries)
    erased = erased_addresses(unit, {who.email for who in read if isinstance(who, Identifier) and who.email})
    outcomes = []
    for index, (entry, who) in enumerate(zip(entries, read, strict=True)):
        meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=rule == "ID-51")
        if isinstance(meant, Meant) and meant.email in erased and not people_of(book, meant):
            outcomes.append(Outcome(index, words.SUPPRESSED, "ID-35", problem=SUPPRESSED))
            continue
        answer = meant if isinstance(meant, Problem) else act(unit, entry, meant, book)
        outcomes.append(_outcome(index, entry, rule, meant, answer))
    return report_of(unit, outcomes)


def _unsubscribe_one(unit: Unit, entry: StatusEntry, meant: Meant, book: Book) -> _Done | Problem:
    person = _one_person(meant, book)
    event = NewEvent(
        UNSUBSCRIBED, unit.now, "", subscriber_id=person and person.subscriber_id,
        remote_id=entry.who.remote_id and entry.who.remote_id.strip(), address=meant.email,
        origin=ADMIN if unit.actor.is_admin else API, reason=_cut(entry.reason))
    return _Done(_opt_out(unit, book, meant, event, unit.actor.integration_id))


def _opt_out(unit: Unit, book: Book, meant: Meant, event: NewEvent, except_integration_id: int | None) -> bool:
    facts = _facts(book, meant.email)
    people = [person for person in people_of(book, meant) if person.opted_out_at is None]
    if (facts.opted_out_at is not None or meant.email is None) and not people:
        return False
    origin = event.origin or API
    if meant.email is not None and facts.opted_out_at is None:
        stored.opt_out_address(unit.connection, unit.brand_id, meant.email, origin, event.reason, unit.now)
        facts.opted_out_at, facts.opt_out_origin = unit.now, origin
    stored.opt_out_people(unit.connection, unit.brand_id, [p.subscriber_id for p in people], origin, unit.now)
    for person in people:
        person.opted_out_at, person.opt_out_origin = unit.now, origin
    event_id = _add_event(unit, event)
    if meant.email is not None:
        payload = {"address": meant.email, "time": instant(unit.now), "origin": origin, "reason": event.reason}
        writebacks.queue(unit, kind=UNSUBSCRIBE, event_id=event_id, email=meant.email, payload=payload,
                         subscriber_ids=[p.subscriber_id for p in people], except_integration_id=except_integration_id)
    return True


def _resubscribe_one(unit: Unit, entry: StatusEntry, meant: Meant, book: Book) -> _Done | Problem:
    if not (entry.reason or "").strip():
        return Problem("INVALID_VALUE", "Resubscribe needs a reason: say how the person asked for it.", "reason")
    facts, people = _facts(book, meant.email), people_of(book, meant)
    known = facts.opted_out_at is not None or facts.bounced_at is not None
    if not people and not known:
        return Problem("NOT_FOUND", "Nobody has this address, and nothing blocks it.")
    marked = [person for person in people if person.opted_out_at is not None]
    origins = {facts.opt_out_origin, *(person.opt_out_origin for person in marked)}
    if COMPLAINT in origins and not unit.actor.is_admin:
        return Problem("NOT_ALLOWED", "The person complained of mail as spam; only an administrator may resubscribe "
                                      "them.")
    if known or marked:
        _clear(unit, entry, meant, book, marked, was_opted_out=facts.opted_out_at is not None or bool(marked))
    return _Done(known or bool(marked), _still_blocked(book, people))


def _clear(unit: Unit, entry: StatusEntry, meant: Meant, book: Book, marked: list[Person], *,
           was_opted_out: bool) -> None:
    stored.clear_people(unit.connection, unit.brand_id, [person.subscriber_id for person in marked], unit.now)
    for person in marked:
        person.opted_out_at = person.opt_out_origin = None
    if meant.email is not None:
        stored.clear_address(unit.connection, unit.brand_id, meant.email)
        stored.touch_address(unit.connection, unit.brand_id, meant.email, unit.now)
        book.directory.facts[meant.email] = AddressFacts()
    person = _one_person(meant, book)
    event_id = _add_event(unit, NewEvent(
        RESUBSCRIBED, unit.now, "", subscriber_id=person and person.subscriber_id,
        remote_id=entry.who.remote_id and entry.who.remote_id.strip(), address=meant.email,
        origin=ADMIN if unit.actor.is_admin else API, reason=_cut(entry.reason)))
    if meant.email is not None and was_opted_out:
        payload = {"address": meant.email, "time": instant(unit.now), "reason": _cut(entry.reason)}
        writebacks.queue(unit, kind=RESUBSCRIBE, event_id=event_id, email=meant.email, payload=payload,
                         except_integration_id=unit.actor.integration_id)


def _still_blocked(book: Book, people: list[Person]) -> tuple[Problem, ...]:
    blockers = {blocker for person in people for blocker in book.directory.blockers(person)}
    return tuple(Problem("NOT_SENDABLE", f"Still not mailed ({blocker}): {remedy}.")
                 for blocker, remedy in _STILL_BLOCKED.items() if blocker in blockers)


def _one_person(meant: Meant, book: Book) -> Person | None:
    people = people_of(book, meant)
    return meant.person or (people[0] if len(people) == 1 else None)


def _facts(book: Book, email: str | None) -> AddressFacts:
    return AddressFacts() if email is None else book.directory.facts.setdefault(email, AddressFacts())


def _add_event(unit: Unit, event: NewEvent) -> int:
    """Stores the event of a change of state; the state was read under the brand's lock, so it is a new one."""
    once_key = f"{event.type}:{uuid.uuid4()}"
    event_id = events.add(unit.connection, unit.brand_id, replace(event, once_key=once_key), unit.now)
    assert event_id is not None
    return event_id


def _outcome(index: int, entry: StatusEntry, rule: str, meant: Meant | Problem,
             answer: _Done | Problem) -> Outcome:
    who = entry.who
    remote_id, email = printable(who.remote_id, words.MAX_REMOTE_ID), printable(who.email, words.MAX_EMAIL)
    if isinstance(meant, Problem) or isinstance(answer, Problem):
        problem = meant if isinstance(meant, Problem) else answer
        assert isinstance(problem, Problem)
        return Outcome(index, words.FAILED, rule, who.subscriber_id, remote_id, email, None, problem)
    subscriber_id = who.subscriber_id if meant.person is None else meant.person.subscriber_id
    return Outcome(index, words.UPDATED if answer.changed else words.UNCHANGED, rule, subscriber_id, remote_id,
                   meant.email, meant.matched_by, warnings=answer.warnings)


def _record(unit: Unit, outcomes: Sequence[Outcome]) -> None:
    decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                     now=unit.now, outcomes=outcomes)


def _cut(reason: str | None) -> str | None:
    return printable(reason, MAX_REASON)
