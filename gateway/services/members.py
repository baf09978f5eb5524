"""Who is in an interest, changed by hand or by a program, and who came and went? (SOAP-52, SOAP-53, PUSH-37)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, own_interests
from gateway.db.queries import interests as stored_interests
from gateway.db.queries import members as stored
from gateway.db.unit import Unit
from gateway.domain.brake import brake_of
from gateway.domain.interests import InterestChange, opted_out
from gateway.domain.merge import NATIVE
from gateway.domain.paging import Page, PageRequest
from gateway.domain.people import Person
from gateway.domain.records import (
    ADD,
    REMOVE,
    REPLACE_ALL,
    UPDATED,
    BatchReport,
    Identifier,
    ImportOptions,
    Outcome,
    Problem,
    StatusEntry,
)
from gateway.errors import GatewayError
from gateway.services.importcontext import sender_of
from gateway.services.interests import resolve_names
from gateway.services.named import Book, find_meant, open_entries, outcome_of, report_of, require_batch
from gateway.services.paging import close_page, open_window

MODES = (ADD, REMOVE, REPLACE_ALL)
RULE = "ID-38"
FEED_DAYS = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class InterestChangeFilter:
    """FindInterestChanges (SOAP-53); None does not filter. Times compare when the change was recorded."""

    interest: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def change_members(unit: Unit, interest: str, mode: str, members: Sequence[Identifier], *,
                   released: bool = False) -> BatchReport:
    """Adds to, takes from or replaces the native members that the caller's source has in the interest (SOAP-52).

    People must be known; other sources' and channels' memberships stay. Who has left by their own act is not added
    again: warning ``INTEREST_OPTED_OUT``. The same call again is ``unchanged``. Raises ``LIST_UNKNOWN``,
    ``INVALID_VALUE`` (mode), ``INVALID_REQUEST`` (ReplaceAll with nobody), ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``, and
    ``BRAKE_HELD`` when a ReplaceAll would end more than a tenth and more than 10 memberships (ID-70), unless an
    administrator ``released`` it; then nothing is changed.
    """
    require_batch(unit, len(members))
    if mode not in MODES:
        raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(MODES)}.", field="mode")
    if mode == REPLACE_ALL and not members:
        raise GatewayError("INVALID_REQUEST", "ReplaceAll without members would empty the interest. Send the complete "
                                              "list, or Remove the members.", field="members")
    if released:
        unit.actor.require("admin")
    interest_id = resolve_names(unit, [interest], False)[interest.strip()]
    integration_id, name = sender_of(unit, ImportOptions())
    source_id = accounts.add_source(unit.connection, unit.brand_id, "integration", name, integration_id)
    found = [_find(book, who) for book, who in _read(unit, members)]
    inside = {person: row_id for row_id, person in stored_interests.other_members(
        unit.connection, unit.brand_id, [interest_id], source_id, NATIVE)}
    named = {person.subscriber_id for people, problem in found for person in people
             if problem is None or mode == REPLACE_ALL}
    leaving = {} if mode == ADD else {who: row for who, row in inside.items() if (who in named) == (mode == REMOVE)}
    brake = brake_of(accounts.brand_settings(unit.connection, unit.brand_id))
    if mode == REPLACE_ALL and not released and brake.holds(len(leaving), len(inside)):
        raise GatewayError("BRAKE_HELD", f"{len(leaving)} of {len(inside)} memberships would end. Check that the list "
                                         "is complete; an administrator can release it.", field="mode")
    left = stored.who_left(unit.connection, unit.brand_id, interest_id, sorted(named))
    joining = sorted({people[0].subscriber_id for people, problem in found if problem is None}
                     - inside.keys() - left) if mode != REMOVE else []
    own_interests.join(unit.connection, unit.brand_id, interest_id, source_id, NATIVE, joining, unit.now)
    if leaving:
        stored_interests.end_memberships(unit.connection, unit.brand_id, list(leaving.values()), unit.now)
    changed = set(joining) | (set(leaving) if mode == REMOVE else set())
    outcomes = _outcomes(interest.strip(), mode, members, found, changed, left)
    others = () if mode == REMOVE else tuple(leaving)
    return _report(unit, interest.strip(), outcomes, others)


def find_changes(unit: Unit, wanted: InterestChangeFilter, request: PageRequest) -> Page[InterestChange]:
    """A page of who joined and left, oldest first. The first page runs in ``gateway.feed`` (SOAP-53).

    A merge of records is no change. Raises ``NOT_ALLOWED``, ``INVALID_TOKEN``, ``LIST_UNKNOWN``, and
    ``INVALID_VALUE`` for a bad page or, unless an interest is named, for more than a week.
    """
    if "import" not in unit.actor.scopes:
        unit.actor.require("report")
    interest_id = None if wanted.interest is None else resolve_names(
        unit, [wanted.interest], False)[wanted.interest.strip()]
    if interest_id is None and request.token is None:
        until = unit.now if wanted.until is None else wanted.until
        if wanted.since is None or until - wanted.since > FEED_DAYS:
            raise GatewayError("INVALID_VALUE", "Without an interest, ask for a week at most: say since when, or name "
                                                "the interest.", field="since")
    window = open_window(unit, "interestChanges", wanted, request)
    rows = stored.changes(unit.connection, unit.brand_id, window, interest_id)
    return close_page(unit, "interestChanges", wanted, window, rows, lambda row: (row.at, row.key))


def _read(unit: Unit, members: Sequence[Identifier]) -> list[tuple[Book, Identifier | Problem]]:
    read, book = open_entries(unit, [StatusEntry(who) for who in members])
    return [(book, who) for who in read]


def _find(book: Book, who: Identifier | Problem) -> tuple[list[Person], Problem | None]:
    """The one person who is meant; several at an address are named all the same: ReplaceAll keeps them."""
    meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=True)
    if isinstance(meant, Problem):
        return [], meant
    if meant.person is not None:
        return [meant.person], None
    people = book.directory.living_at(meant.email or "")
    if not people:
        return [], Problem("NOT_FOUND", "Nobody has this address. Import the person first.")
    if len(people) > 1:
        return people, Problem("AMBIGUOUS_EMAIL", f"{len(people)} records have this address. Send the remote ID of the "
                                                  "one you mean.", "email")
    return people, None


def _outcomes(interest: str, mode: str, members: Sequence[Identifier],
              found: Sequence[tuple[list[Person], Problem | None]], changed: set[int], left: set[int]) -> list[Outcome]:
    outcomes, done = [], set()
    for index, (who, (people, problem)) in enumerate(zip(members, found, strict=True)):
        person = people[0] if problem is None else None
        is_new = person is not None and person.subscriber_id in changed - done
        warnings = []
        if person is not None:
            done.add(person.subscriber_id)
            if person.subscriber_id in left and mode != REMOVE:
                warnings.append(opted_out(interest))
        change = (interest, None) if mode == REMOVE else (None, interest)
        outcomes.append(outcome_of(index, who, RULE, person, problem, changed=is_new, warnings=warnings,
                                   changes={"interest": change} if is_new else None))
    return outcomes


def _report(unit: Unit, interest: str, outcomes: Sequence[Outcome], others: Sequence[int]) -> BatchReport:
    """The report of those who were named; that others left is stored beside it."""
    report = report_of(unit, outcomes)
    if others:
        report_of(unit, [Outcome(len(outcomes) + at, UPDATED, RULE, person, changes={"interest": (interest, None)})
                         for at, person in enumerate(others)])
    return report
