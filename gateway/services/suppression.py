"""Who asked not to be mailed, whose address is dead, and what ends it? (ID-43..55)

Every change stores the fact, its event and the writebacks in the caller's unit (ID-59).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.clock import instant
from gateway.db.queries import accounts, decisions, events, identities, locks
from gateway.db.queries import status as stored
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import (
    forbidden_character,
    holds_forbidden,
    normalise,
    normalise_remote_id,
    printable,
)
from gateway.domain.events import RESUBSCRIBED, UNSUBSCRIBED, NewEvent
from gateway.domain.people import Directory, Person
from gateway.domain.records import BatchReport, Counters, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import ADMIN, API, COMPLAINT, MAX_REASON, ORIGINS, ORPHAN, REMOTE_FLAG, AddressFacts
from gateway.domain.writeback import BAD_EMAIL, RESUBSCRIBE, UNSUBSCRIBE
from gateway.errors import GatewayError
from gateway.services import writebacks

_STILL_BLOCKED = {
    REMOTE_FLAG: "a do-not-email flag remains: the integration that set it must clear it",
    ORPHAN: "the record is an orphan: it is mailed again when its remote ID comes again",
}


@dataclass(frozen=True, slots=True)
class _Book:
    """What is known of everybody whom a call names, kept up to date entry by entry."""

    directory: Directory
    by_id: dict[int, Person]
    survivors: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Meant:
    """Whom a status entry names: an address, a record, or both."""

    email: str | None
    person: Person | None
    matched_by: str | None


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of an entry."""

    changed: bool
    warnings: tuple[Problem, ...] = ()


_Act = Callable[[Unit, StatusEntry, _Meant, _Book], _Done | Problem]


def unsubscribe(unit: Unit, entries: Sequence[StatusEntry]) -> BatchReport:
    """Opts out each address named, and every record that has it (ID-50); an address needs no record for it.

    An outcome each, in the order sent: ``updated``, ``unchanged`` or ``failed``. Idempotent. Raises
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
    book = _book(unit, (), [email], [] if subscriber_id is None else [subscriber_id])
    meant = _Meant(email, None if subscriber_id is None else _by_id(book, subscriber_id), None)
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
    unit.actor.require("import")
    if len(entries) > words.MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"A call takes at most {words.MAX_SYNC_RECORDS} entries. "
                                               "Send several calls.")
    locks.lock_brand(unit.connection, unit.brand_id)
    read = [_read(entry) for entry in entries]
    book = _book(unit, [who.remote_id for who in read if isinstance(who, Identifier) and who.remote_id],
                 [who.email for who in read if isinstance(who, Identifier) and who.email],
                 [who.subscriber_id for who in read if isinstance(who, Identifier) and who.subscriber_id is not None])
    counters, outcomes = Counters(), []
    for index, (entry, who) in enumerate(zip(entries, read, strict=True)):
        meant = who if isinstance(who, Problem) else _meant(who, book, only_known=rule == "ID-51")
        answer = meant if isinstance(meant, Problem) else act(unit, entry, meant, book)
        outcomes.append(_outcome(index, entry, rule, meant, answer))
        counters.add(outcomes[-1])
    _record(unit, outcomes)
    return BatchReport(counters, tuple(outcomes), unit.actor.request_id, unit.now)


def _unsubscribe_one(unit: Unit, entry: StatusEntry, meant: _Meant, book: _Book) -> _Done | Problem:
    person = _one_person(meant, book)
    event = NewEvent(
        UNSUBSCRIBED, unit.now, "", subscriber_id=person and person.subscriber_id,
        remote_id=entry.who.remote_id and entry.who.remote_id.strip(), address=meant.email,
        origin=ADMIN if unit.actor.is_admin else API, reason=_cut(entry.reason))
    return _Done(_opt_out(unit, book, meant, event, unit.actor.integration_id))


def _opt_out(unit: Unit, book: _Book, meant: _Meant, event: NewEvent, except_integration_id: int | None) -> bool:
    facts = _facts(book, meant.email)
    people = [person for person in _people(book, meant) if person.opted_out_at is None]
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


def _resubscribe_one(unit: Unit, entry: StatusEntry, meant: _Meant, book: _Book) -> _Done | Problem:
    if not (entry.reason or "").strip():
        return Problem("INVALID_VALUE", "Resubscribe needs a reason: say how the person asked for it.", "reason")
    facts, people = _facts(book, meant.email), _people(book, meant)
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


def _clear(unit: Unit, entry: StatusEntry, meant: _Meant, book: _Book, marked: list[Person], *,
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


def _still_blocked(book: _Book, people: list[Person]) -> tuple[Problem, ...]:
    blockers = {blocker for person in people for blocker in book.directory.blockers(person)}
    return tuple(Problem("NOT_SENDABLE", f"Still not mailed ({blocker}): {remedy}.")
                 for blocker, remedy in _STILL_BLOCKED.items() if blocker in blockers)


def _read(entry: StatusEntry) -> Identifier | Problem:
    """The normalised identifiers of an entry, or what is wrong with it."""
    if entry.problem is not None:
        return entry.problem
    if entry.reason is not None and holds_forbidden(entry.reason):
        return forbidden_character("reason")
    remote_id = normalise_remote_id(entry.who.remote_id)
    if isinstance(remote_id, Problem):
        return remote_id
    email = normalise(entry.who.email) if entry.who.email is not None and entry.who.email.strip() else None
    if isinstance(email, Problem):
        return email
    if remote_id is None and email is None and entry.who.subscriber_id is None:
        return Problem("IDENTIFIER_MISSING", "The entry names nobody. Send an e-mail address or a remote ID.")
    return Identifier(entry.who.subscriber_id, remote_id, email)


def _meant(who: Identifier, book: _Book, *, only_known: bool) -> _Meant | Problem:
    """Whom the identifiers name. Two that do not belong together: ``IDENTITY_MISMATCH`` (ID-28).

    An address beside a remote ID that nobody has is opted out all the same, unless ``only_known``.
    """
    people = []
    if who.subscriber_id is not None:
        people.append(_by_id(book, who.subscriber_id))
    if who.remote_id is not None:
        people.append(book.directory.holder(who.remote_id))
    if None in people and (who.email is None or only_known or who.subscriber_id is not None):
        return Problem("NOT_FOUND", "Nobody in this brand has this identifier.")
    found = [person for person in people if person is not None]
    if not found:
        return _Meant(who.email, None, "email")
    if any(person is not found[0] for person in found) or who.email not in (None, found[0].email):
        return Problem("IDENTITY_MISMATCH", "The identifiers name different people or addresses. Send one of them.")
    return _Meant(found[0].email, found[0], "remoteId" if who.remote_id is not None else "subscriberId")


def _book(unit: Unit, remote_ids: Sequence[str], emails: Sequence[str], subscriber_ids: Sequence[int]) -> _Book:
    """Everybody whom these identifiers name, with whoever shares an address with them."""
    survivors: dict[int, int] = {}
    named: dict[int, Person] = {}
    asked = set(subscriber_ids)
    while asked:
        found = identities.by_id(unit.connection, unit.brand_id, asked)
        named |= found
        survivors |= {i: person.merged_into for i, person in found.items() if person.merged_into is not None}
        asked = set(survivors.values()) - named.keys()
    addresses = {*emails, *(p.email for p in named.values() if p.email is not None and p.merged_into is None)}
    integration_id = unit.actor.integration_id
    if integration_id is None:
        integration_id = accounts.integration_id(unit.connection, unit.brand_id, "api") or 0
    living = identities.people(unit.connection, unit.brand_id, integration_id, set(remote_ids), addresses)
    directory = Directory(integration_id, lambda: 0)
    for person in living.values():
        directory.add(person)
    directory.facts = identities.address_facts(unit.connection, unit.brand_id,
                                               {*addresses, *directory.at_address})
    return _Book(directory, named | living, survivors)


def _by_id(book: _Book, subscriber_id: int) -> Person | None:
    while subscriber_id in book.survivors:
        subscriber_id = book.survivors[subscriber_id]
    return book.by_id.get(subscriber_id)


def _people(book: _Book, meant: _Meant) -> list[Person]:
    """Every record at the address, and the one that is meant, wherever it is by now (ID-43)."""
    people = list(book.directory.living_at(meant.email)) if meant.email is not None else []
    if meant.person is not None and all(person is not meant.person for person in people):
        people.append(meant.person)
    return people


def _one_person(meant: _Meant, book: _Book) -> Person | None:
    people = _people(book, meant)
    return meant.person or (people[0] if len(people) == 1 else None)


def _facts(book: _Book, email: str | None) -> AddressFacts:
    return AddressFacts() if email is None else book.directory.facts.setdefault(email, AddressFacts())


def _add_event(unit: Unit, event: NewEvent) -> int:
    """Stores the event of a change of state; the state was read under the brand's lock, so it is a new one."""
    once_key = f"{event.type}:{uuid.uuid4()}"
    event_id = events.add(unit.connection, unit.brand_id, replace(event, once_key=once_key), unit.now)
    assert event_id is not None
    return event_id


def _outcome(index: int, entry: StatusEntry, rule: str, meant: _Meant | Problem,
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
