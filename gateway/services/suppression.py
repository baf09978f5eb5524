"""Who asked not to be mailed, whose address is dead, and what ends it? (ID-43..55)

Every change stores the fact, its event and the writebacks in the caller's unit (ID-59).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.clock import instant
from gateway.db.queries import audience, decisions, instances, locks
from gateway.db.queries import status as stored
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import printable
from gateway.domain.events import RESUBSCRIBED, UNSUBSCRIBED, NewEvent
from gateway.domain.people import Person
from gateway.domain.records import BatchReport, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import (
    ADMIN,
    API,
    BY_THE_PERSON,
    COMPLAINT,
    FORM,
    MAX_REASON,
    OPT_OUT,
    ORIGINS,
    AddressFacts,
)
from gateway.domain.writeback import BAD_EMAIL, RESUBSCRIBE, UNSUBSCRIBE
from gateway.services import statusnews, writebacks
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
    still_blocked,
)
from gateway.services.statusnews import StatusNews

_SKIPPED = ("NOT_FOUND", "NOT_ALLOWED")
"""What is no fault of a row: there is nobody, or nobody who may be resubscribed."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of an entry."""

    changed: bool
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _OptOut:
    """One that stands in the picture and is to be stored: whether it is new for the event's address, for whom."""

    is_new: bool
    people: list[int]
    event: NewEvent


_Act = Callable[[Unit, StatusEntry, Meant, Book], _Done | Problem]


def unsubscribe(unit: Unit, entries: Sequence[StatusEntry]) -> BatchReport:
    """Opts out each address named, and every record that has it (ID-50); an address needs no record for it.

    An outcome each, in the order sent: ``updated``, ``unchanged``, ``failed``, or ``suppressed`` for an address that
    was erased and that nobody has: it gets no mail anyhow and is not written down again (ID-35). Idempotent. Raises
    ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``.
    """
    found: list[_OptOut] = []
    report = _run(unit, entries, "ID-50", partial(_unsubscribe_one, found))
    _store_opt_outs(unit, found, unit.actor.integration_id)
    return report


def resubscribe(unit: Unit, entries: Sequence[StatusEntry]) -> BatchReport:
    """Ends opt-out and bounce at each address named and on its records; needs a reason each (ID-51).

    What still blocks is a warning. A complaint is ended by an administrator only. Raises as ``unsubscribe``.
    """
    news: list[StatusNews] = []
    report = _run(unit, entries, "ID-51", partial(_resubscribe_one, news))
    statusnews.tell(unit, RESUBSCRIBE, news, unit.actor.integration_id)
    return report


def change_rows(unit: Unit, entries: Sequence[StatusEntry], mode: str) -> list[Outcome]:
    """What becomes of rows of a file that unsubscribe or resubscribe people (aapi.md section 5.4); logs no decision.

    Unlike a call's, an address of several records without a remote ID is refused, ``AMBIGUOUS_EMAIL``; resubscribing
    ends opt-outs alone, never a complaint's, whoever asks, nor a bounce; whoever is not there, or must not be
    resubscribed, is ``skipped``. Raises as :func:`unsubscribe`.
    """
    found: list[_OptOut] = []
    news: list[StatusNews] = []
    rule, act = ("ID-50", partial(_unsubscribe_one, found)) if mode == words.UNSUBSCRIBE else (
        "ID-51", partial(_lift_one, news))

    def one(unit: Unit, entry: StatusEntry, meant: Meant, book: Book) -> _Done | Problem:
        people = people_of(book, meant)
        if meant.person is None and len(people) > 1:
            return Problem("AMBIGUOUS_EMAIL", f"{len(people)} records have this address. Send the remote ID of the one "
                                              "you mean.", "email")
        was_out = _facts(book, meant.email).opted_out_at is not None or any(p.opted_out_at for p in people)
        met.update({id(entry)} if was_out else ())
        return act(unit, entry, meant, book)

    met: set[int] = set()  # the entries that found somebody unsubscribed
    outcomes = _outcomes(unit, entries, rule, one)
    _store_opt_outs(unit, found, unit.actor.integration_id)
    statusnews.tell(unit, RESUBSCRIBE, news, unit.actor.integration_id)
    return [replace(outcome, blocked_by=(OPT_OUT,) if id(entry) in met else (), status=words.SKIPPED
                    if outcome.problem is not None and outcome.problem.code in _SKIPPED else outcome.status)
            for entry, outcome in zip(entries, outcomes, strict=True)]


def opt_out(unit: Unit, *, email: str, origin: str, reason: str | None = None, subscriber_id: int | None = None,
            instance_id: int | None = None, delivery_id: int | None = None, remote_id: str | None = None,
            except_integration_id: int | None = None) -> bool:
    """Opts out a normalised address and every live record that has it now (ID-43); whether anything changed.

    So is ``subscriber_id``, wherever that record is by now. A change stores the event ``unsubscribed`` and one
    writeback per remote key, of whoever moved away too, without the integration that made the call (ID-53).
    Doing it again changes nothing and stores nothing, but that an older opt-out becomes a complaint (ID-51).
    """
    if origin not in ORIGINS:
        raise ValueError(f"unknown origin {origin}")
    locks.lock_brand(unit.connection, unit.brand_id)
    book = open_book(unit, (), [email], [] if subscriber_id is None else [subscriber_id])
    meant = Meant(email, None if subscriber_id is None else record_of(book, subscriber_id), None)
    event = NewEvent(UNSUBSCRIBED, unit.now, "", instance_id, delivery_id, subscriber_id, remote_id, email,
                     origin=origin, reason=_cut(reason))
    found = _note_opt_out(unit, book, meant, event)
    if found is None:
        return False
    _store_opt_outs(unit, [found], except_integration_id)
    _record(unit, [Outcome(0, words.UPDATED, "ID-50", subscriber_id, remote_id, email)])
    return True


def opt_out_recipient(unit: Unit, delivery: StoredDelivery, origin: str) -> None:
    """Opts out whoever got this delivery: the address that was mailed, and the one the person has by now.

    Whoever says no under an old address means it (ID-43), also where One-to-Many gave it to another record since the
    audience was frozen (ID-25). A merged record's survivor is meant (SEND-51); of an erased person nothing is left to
    opt out.
    """
    if not delivery.email:
        return
    for email, person in _homes(unit, delivery, delivery.email):
        opt_out(unit, email=email, origin=origin, subscriber_id=person, instance_id=delivery.instance_id,
                delivery_id=delivery.delivery_id, remote_id=delivery.remote_id)


def _homes(unit: Unit, delivery: StoredDelivery, mailed: str) -> list[tuple[str, int]]:
    """(address, record) of whoever got this delivery, as it was mailed and as it is now; each address once."""
    connection, brand_id = unit.connection, unit.brand_id
    instance = instances.get(connection, brand_id, delivery.instance_id)
    people = [delivery.subscriber_id]
    if instance is not None and instance.frozen_at is not None:
        people += decisions.link_heirs(connection, brand_id, delivery.subscriber_id, instance.frozen_at)
    survivors = audience.survivors(connection, brand_id, people)
    people = [survivors.get(person, person) for person in people]
    homes = {mailed: people[0]}
    for person in people:
        email = audience.current_email(connection, brand_id, person)
        if email is not None:
            homes.setdefault(email, person)
    return list(homes.items())


def may_take_back(unit: Unit, email: str, subscriber_id: int) -> bool:
    """Whether the person is opted out, and every mark of it was made by the person's own act (ID-51).

    ``email``: normalised, the one that the record has. Changes nothing.
    """
    book = open_book(unit, (), [email], [subscriber_id])
    return _is_own_act(book, Meant(email, record_of(book, subscriber_id), None))


def take_back(unit: Unit, delivery: StoredDelivery, email: str, subscriber_id: int, reason: str) -> bool:
    """Lets whoever got this delivery receive mailings again at ``email``, as they ask on the preference form (ID-51).

    Ends opt-out and bounce at the address and its records, with event and writebacks; only where
    :func:`may_take_back`, so doing it again changes nothing. Whether anything changed.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    book = open_book(unit, (), [email], [subscriber_id])
    meant = Meant(email, record_of(book, subscriber_id), None)
    if not _is_own_act(book, meant):
        return False
    marked = [person for person in people_of(book, meant) if person.opted_out_at is not None]
    entry = StatusEntry(Identifier(subscriber_id, delivery.remote_id, email), reason)
    news: list[StatusNews] = []
    _clear(news, unit, entry, meant, book, marked, was_opted_out=True, asked_by=delivery)
    statusnews.tell(unit, RESUBSCRIBE, news, unit.actor.integration_id)
    _record(unit, [Outcome(0, words.UPDATED, "ID-51", subscriber_id, delivery.remote_id, email)])
    return True


def _is_own_act(book: Book, meant: Meant) -> bool:
    marks = (_facts(book, meant.email), *people_of(book, meant))
    origins = {mark.opt_out_origin for mark in marks if mark.opted_out_at is not None}
    return bool(origins) and origins <= set(BY_THE_PERSON)


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
    return report_of(unit, _outcomes(unit, entries, rule, act))


def _outcomes(unit: Unit, entries: Sequence[StatusEntry], rule: str, act: _Act) -> list[Outcome]:
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
    return outcomes


def _unsubscribe_one(found: list[_OptOut], unit: Unit, entry: StatusEntry, meant: Meant,
                     book: Book) -> _Done | Problem:
    """Adds to ``found`` what is to be stored at the end of the batch."""
    person = _one_person(meant, book)
    event = NewEvent(
        UNSUBSCRIBED, unit.now, "", subscriber_id=person and person.subscriber_id,
        remote_id=entry.who.remote_id and entry.who.remote_id.strip(), address=meant.email,
        origin=ADMIN if unit.actor.is_admin else API, reason=_cut(entry.reason))
    made = _note_opt_out(unit, book, meant, event)
    found += [] if made is None else [made]
    return _Done(made is not None)


def _note_opt_out(unit: Unit, book: Book, meant: Meant, event: NewEvent) -> _OptOut | None:
    """Notes in the picture that the address and its records are opted out, and answers what of it is new."""
    facts = _facts(book, meant.email)
    if event.origin == COMPLAINT:
        _mark_complaint(unit, book, meant, facts)
    people = [person for person in people_of(book, meant) if person.opted_out_at is None]
    if (facts.opted_out_at is not None or meant.email is None) and not people:
        return None
    origin = event.origin or API
    is_new = meant.email is not None and facts.opted_out_at is None
    if is_new:
        facts.opted_out_at, facts.opt_out_origin = unit.now, origin
    for person in people:
        person.opted_out_at, person.opt_out_origin = unit.now, origin
    return _OptOut(is_new, [person.subscriber_id for person in people],
                   replace(event, origin=origin, address=meant.email, once_key=_once_key(event.type)))


def _store_opt_outs(unit: Unit, found: Sequence[_OptOut], except_integration_id: int | None) -> None:
    """Stores what a batch has opted out: the facts at once, the events in their order with their writebacks (ID-53)."""
    for origin in dict.fromkeys(each.event.origin for each in found):
        of_origin = [each for each in found if each.event.origin == origin]
        stored.opt_out_addresses(unit.connection, unit.brand_id, {
            each.event.address: each.event.reason for each in of_origin if each.is_new and each.event.address},
            origin or API, unit.now)
        people = [subscriber_id for each in of_origin for subscriber_id in each.people]
        if people:
            stored.opt_out_people(unit.connection, unit.brand_id, people, origin or API, unit.now)
    statusnews.tell(unit, UNSUBSCRIBE, [StatusNews(each.event, tuple(each.people)) for each in found],
                    except_integration_id)


def _mark_complaint(unit: Unit, book: Book, meant: Meant, facts: AddressFacts) -> None:
    """Whoever had opted out before has complained now: only an administrator may resubscribe them (ID-51)."""
    marked = [fact for fact in (facts, *people_of(book, meant)) if fact.opted_out_at is not None]
    if all(fact.opt_out_origin == COMPLAINT for fact in marked):
        return
    stored.mark_complaint(unit.connection, unit.brand_id, meant.email,
                          [fact.subscriber_id for fact in marked if isinstance(fact, Person)])
    for fact in marked:
        fact.opt_out_origin = COMPLAINT


def _resubscribe_one(news: list[StatusNews], unit: Unit, entry: StatusEntry, meant: Meant,
                     book: Book) -> _Done | Problem:
    """Adds to ``news`` what is to be told at the end of the batch."""
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
        _clear(news, unit, entry, meant, book, marked, was_opted_out=facts.opted_out_at is not None or bool(marked))
    return _Done(known or bool(marked), still_blocked(book, people))


def _lift_one(news: list[StatusNews], unit: Unit, entry: StatusEntry, meant: Meant, book: Book) -> _Done | Problem:
    """Ends an opt-out as :func:`_resubscribe_one`, but neither a complaint nor a bounce."""
    facts, people = _facts(book, meant.email), people_of(book, meant)
    marked = [person for person in people if person.opted_out_at is not None]
    if not people and facts.opted_out_at is None:
        return Problem("NOT_FOUND", "Nobody has this address, and nothing blocks it.")
    if COMPLAINT in {facts.opt_out_origin, *(person.opt_out_origin for person in marked)}:
        return Problem("NOT_ALLOWED", "The person complained of mail as spam; an upload resubscribes nobody who did.")
    if facts.opted_out_at is None and not marked:
        return _Done(False, still_blocked(book, people))
    bounced_at = facts.bounced_at
    _clear(news, unit, entry, meant, book, marked, was_opted_out=True, with_bounce=False)
    _facts(book, meant.email).bounced_at = bounced_at
    return _Done(True, still_blocked(book, people))


def _clear(news: list[StatusNews], unit: Unit, entry: StatusEntry, meant: Meant, book: Book, marked: list[Person], *,
           was_opted_out: bool, with_bounce: bool = True, asked_by: StoredDelivery | None = None) -> None:
    """``asked_by``: the delivery by whose form the person asked for it; else the unit's actor did."""
    stored.clear_people(unit.connection, unit.brand_id, [person.subscriber_id for person in marked], unit.now)
    for person in marked:
        person.opted_out_at = person.opt_out_origin = None
    if meant.email is not None:
        clear = stored.clear_address if with_bounce else stored.clear_opt_out
        clear(unit.connection, unit.brand_id, meant.email)
        stored.touch_address(unit.connection, unit.brand_id, meant.email, unit.now)
        book.directory.facts[meant.email] = AddressFacts()
    person = _one_person(meant, book)
    news.append(StatusNews(NewEvent(
        RESUBSCRIBED, unit.now, _once_key(RESUBSCRIBED), asked_by and asked_by.instance_id,
        asked_by and asked_by.delivery_id, subscriber_id=person and person.subscriber_id,
        remote_id=entry.who.remote_id and entry.who.remote_id.strip(), address=meant.email,
        origin=FORM if asked_by else ADMIN if unit.actor.is_admin else API, reason=_cut(entry.reason)),
        is_told=was_opted_out))


def _one_person(meant: Meant, book: Book) -> Person | None:
    people = people_of(book, meant)
    return meant.person or (people[0] if len(people) == 1 else None)


def _facts(book: Book, email: str | None) -> AddressFacts:
    return AddressFacts() if email is None else book.directory.facts.setdefault(email, AddressFacts())


def _once_key(kind: str) -> str:
    return f"{kind}:{uuid.uuid4()}"


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
