"""Whom do the identifiers of a batch name, whose outcome is about people that are known? (ID-28, ID-50)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from gateway.db.queries import accounts, batches, decisions, identities, locks
from gateway.db.unit import Unit
from gateway.domain import records
from gateway.domain.addresses import forbidden_character, holds_forbidden, normalise, normalise_remote_id, printable
from gateway.domain.people import Directory, Person
from gateway.domain.records import BatchReport, Counters, Identifier, Outcome, Problem, StatusEntry
from gateway.domain.suppression import ORPHAN, REMOTE_FLAG
from gateway.errors import GatewayError

_STILL_BLOCKED = {
    REMOTE_FLAG: "a do-not-email flag remains: the integration that set it must clear it",
    ORPHAN: "the record is an orphan: it is mailed again when its remote ID comes again",
}


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of everybody whom a call names, kept up to date entry by entry."""

    directory: Directory
    by_id: dict[int, Person]
    survivors: dict[int, int]


@dataclass(frozen=True, slots=True)
class Meant:
    """Whom a status entry names: an address, a record, or both."""

    email: str | None
    person: Person | None
    matched_by: str | None


def open_entries(unit: Unit, entries: Sequence[StatusEntry]) -> tuple[list[Identifier | Problem], Book]:
    """The identifiers of each entry, or what is wrong with it, and what is known of everybody whom they name."""
    read = [read_entry(entry) for entry in entries]
    good = [who for who in read if isinstance(who, Identifier)]
    return read, open_book(unit, [who.remote_id for who in good if who.remote_id],
                           [who.email for who in good if who.email],
                           [who.subscriber_id for who in good if who.subscriber_id is not None])


def whom(unit: Unit, entries: Sequence[StatusEntry]) -> list[list[Person] | Problem]:
    """The records that each entry names, none where nobody has its address; changes nothing.

    A problem: what is wrong with its identifiers, ``NOT_FOUND`` for a remote ID that nobody has, and
    ``IDENTITY_MISMATCH`` for one that is somebody else's.
    """
    read, book = open_entries(unit, entries)
    found: list[list[Person] | Problem] = []
    for who in read:
        meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=True)
        found.append(meant if isinstance(meant, Problem) else [meant.person] if meant.person else
                     people_of(book, meant))
    return found


def outcome_of(index: int, who: Identifier, rule: str, person: Person | None, problem: Problem | None = None, *,
               changed: bool = False, matched_by: str | None = None, warnings: Sequence[Problem] = (),
               changes: Mapping[str, tuple[str | None, str | None]] | None = None) -> Outcome:
    """What became of one entry; ``who`` is what was sent, of which only what can be printed is shown."""
    status = records.FAILED if problem is not None else records.UPDATED if changed else records.UNCHANGED
    return Outcome(index, status, rule, who.subscriber_id if person is None else person.subscriber_id,
                   printable(who.remote_id, records.MAX_REMOTE_ID), printable(who.email, records.MAX_EMAIL) if person is
                   None else person.email, matched_by, problem, tuple(warnings), changes or {})


def report_of(unit: Unit, outcomes: Sequence[Outcome]) -> BatchReport:
    """The answer to a batch, whose decisions are stored with it (ID-78).

    A call of which something failed is kept as an upload, which knows the request: its sender may ask later (PUSH-14).
    """
    counters = Counters()
    for outcome in outcomes:
        counters.add(outcome)
    decisions.record(unit.connection, unit.brand_id, upload_id=upload_of(unit, counters) if counters.failed else None,
                     actor=unit.actor.label, door=unit.actor.door, now=unit.now, outcomes=outcomes)
    return BatchReport(counters, tuple(outcomes), unit.actor.request_id, unit.now)


def upload_of(unit: Unit, counters: Counters) -> int | None:
    """Keeps a call of which something failed as an upload, which knows the request (PUSH-14); None without sender."""
    actor = unit.actor
    if actor.integration_id is None:
        return None
    upload_id = batches.open_upload(
        unit.connection, unit.brand_id, door=actor.door, actor=actor.label, integration_id=actor.integration_id,
        label="", options={}, request_id=actor.request_id, now=unit.now)
    batches.close_upload(unit.connection, unit.brand_id, upload_id, asdict(counters), counters.received,
                         counters.failed)
    return upload_id


def require_batch(unit: Unit, count: int) -> None:
    """Raises ``NOT_ALLOWED`` or ``TOO_MANY_RECORDS``; then waits for the brand's lock."""
    unit.actor.require("import")
    if count > records.MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"A call takes at most {records.MAX_SYNC_RECORDS} entries. "
                                               "Send several calls.")
    locks.lock_brand(unit.connection, unit.brand_id)


def read_entry(entry: StatusEntry) -> Identifier | Problem:
    """The normalised identifiers of an entry, or what is wrong with it."""
    if entry.problem is not None:
        return entry.problem
    if entry.reason is not None and holds_forbidden(entry.reason):
        return forbidden_character("reason")
    remote_id = normalise_remote_id(entry.who.remote_id)
    if isinstance(remote_id, Problem):
        return remote_id
    email = normalise(entry.who.email, utf8=True) if entry.who.email is not None and entry.who.email.strip() else None
    if isinstance(email, Problem):
        return email
    if remote_id is None and email is None and entry.who.subscriber_id is None:
        return Problem("IDENTIFIER_MISSING", "The entry names nobody. Send an e-mail address or a remote ID.")
    return Identifier(entry.who.subscriber_id, remote_id, email)


def find_meant(who: Identifier, book: Book, *, only_known: bool) -> Meant | Problem:
    """Whom the identifiers name. Two that do not belong together: ``IDENTITY_MISMATCH`` (ID-28).

    An address beside a remote ID that nobody has is opted out all the same, unless ``only_known``.
    """
    people = []
    if who.subscriber_id is not None:
        people.append(record_of(book, who.subscriber_id))
    if who.remote_id is not None:
        people.append(book.directory.holder(who.remote_id))
    if None in people and (who.email is None or only_known or who.subscriber_id is not None):
        return Problem("NOT_FOUND", "Nobody in this brand has this identifier.")
    found = [person for person in people if person is not None]
    if not found:
        return Meant(who.email, None, "email")
    if any(person is not found[0] for person in found) or who.email not in (None, found[0].email):
        return Problem("IDENTITY_MISMATCH", "The identifiers name different people or addresses. Send one of them.")
    return Meant(found[0].email, found[0], "remoteId" if who.remote_id is not None else "subscriberId")


def open_book(unit: Unit, remote_ids: Sequence[str], emails: Sequence[str], subscriber_ids: Sequence[int]) -> Book:
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
    return Book(directory, named | living, survivors)


def record_of(book: Book, subscriber_id: int) -> Person | None:
    """The live record that this id leads to by now, or None."""
    while subscriber_id in book.survivors:
        subscriber_id = book.survivors[subscriber_id]
    return book.by_id.get(subscriber_id)


def people_of(book: Book, meant: Meant) -> list[Person]:
    """Every record at the address, and the one that is meant, wherever it is by now (ID-43)."""
    people = list(book.directory.living_at(meant.email)) if meant.email is not None else []
    if meant.person is not None and all(person is not meant.person for person in people):
        people.append(meant.person)
    return people


def still_blocked(book: Book, people: Sequence[Person]) -> tuple[Problem, ...]:
    """What keeps mail from these people although they may be mailed again, with its remedy (ID-51)."""
    blockers = {blocker for person in people for blocker in book.directory.blockers(person)}
    return tuple(Problem("NOT_SENDABLE", f"Still not mailed ({blocker}): {remedy}.")
                 for blocker, remedy in _STILL_BLOCKED.items() if blocker in blockers)
