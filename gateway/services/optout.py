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
from gateway.domain.writeback import INTEREST_JOINED, INTEREST_LEFT, Fact
from gateway.errors import GatewayError
from gateway.services import writebacks
from gateway.services.interests import resolve_names
from gateway.services.named import Book, find_meant, open_entries, outcome_of, people_of, report_of, require_batch

_Change = Callable[[Sequence[int], int], list[int]]
_Interests = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Act:
    """Leaving or rejoining: what it changes, its event and rule, and who is told by which writeback."""

    change: _Change
    kind: str
    rule: str
    written: str
    takers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One entry: whom it means and the interests it is about, or why it fails."""

    entry: StatusEntry
    people: Sequence[Person]
    matched_by: str | None
    interests: _Interests
    problem: Problem | None = None


def opt_out(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry],
            own: Mapping[int, Sequence[str]] | None = None) -> BatchReport:
    """Lets people leave these interests and no others; they stay subscribed to all the rest (ID-39, ID-50).

    ``own``: interests that the entry of this place leaves in place of ``interest_names``; one that is not there fails
    its entry alone. An address means every record that has it, a remote ID that one record. Whoever is not in an
    interest has left it all the same: later imports add nobody who left. An outcome each: ``updated``, ``unchanged``,
    ``failed``. Idempotent. Raises ``LIST_UNKNOWN``, ``INVALID_REQUEST`` (no interest), ``NOT_ALLOWED``,
    ``TOO_MANY_RECORDS``.
    """
    origin = ADMIN if unit.actor.is_admin else API

    def leave(people: Sequence[int], interest_id: int) -> list[int]:
        return members.leave(unit.connection, unit.brand_id, people, interest_id, origin, unit.now)
    return _run(unit, interest_names, entries, own or {}, leave, OPTED_OUT, "ID-50")


def rejoin(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry],
           own: Mapping[int, Sequence[str]] | None = None) -> BatchReport:
    """Ends that people have left these interests, by a deliberate act with a reason each (ID-39).

    Memberships that are still open count again at once; nobody is added to an interest. Answers and raises as
    :func:`opt_out`.
    """
    def undo(people: Sequence[int], interest_id: int) -> list[int]:
        return members.undo_leave(unit.connection, unit.brand_id, people, interest_id, unit.now)
    return _run(unit, interest_names, entries, own or {}, undo, REJOINED, "ID-39")


def _run(unit: Unit, interest_names: Sequence[str], entries: Sequence[StatusEntry], own: Mapping[int, Sequence[str]],
         change: _Change, kind: str, rule: str) -> BatchReport:
    require_batch(unit, len(entries))
    if not interest_names and not any(own.values()):
        raise GatewayError("INVALID_REQUEST", "Name the interests that this is about, one at least.", field="interests")
    shared = resolve_names(unit, interest_names, False) if interest_names else {}
    theirs = {index: _resolve(unit, names) for index, names in own.items()}
    written = INTEREST_LEFT if kind == OPTED_OUT else INTEREST_JOINED
    takers = tuple(found for found in writebacks.takers(unit, written) if found != unit.actor.integration_id)
    act = _Act(change, kind, rule, written, takers)
    read, book = open_entries(unit, entries)
    turns = [_turn(act, entry, who, book, theirs.get(index, shared))
             for index, (entry, who) in enumerate(zip(entries, read, strict=True))]
    changed = _change(turns, act)
    news: list[tuple[_Turn, Person, str, int]] = []
    outcomes = [_outcome(index, turn, act, changed, news) for index, turn in enumerate(turns)]
    _tell(unit, act, news)
    return report_of(unit, outcomes)


def _resolve(unit: Unit, names: Sequence[str]) -> _Interests | Problem:
    """The interests that one entry names itself (ID-42)."""
    try:
        return resolve_names(unit, names, False)
    except GatewayError as error:
        return Problem(error.code, error.message, "interests")


def _turn(act: _Act, entry: StatusEntry, who: Identifier | Problem, book: Book,
          interests: _Interests | Problem) -> _Turn:
    meant = who if isinstance(who, Problem) else find_meant(who, book, only_known=True)
    if isinstance(meant, Problem):
        return _Turn(entry, (), None, {}, meant)
    people = [meant.person] if meant.person is not None else people_of(book, meant)
    if isinstance(interests, Problem):
        return _Turn(entry, people, None, {}, interests)
    if not people:
        return _Turn(entry, (), None, {}, Problem(
            "NOT_FOUND", "Nobody has this address. An address alone is opted out of everything by Unsubscribe."))
    if act.kind == REJOINED and not (entry.reason or "").strip():
        return _Turn(entry, people, None, {}, Problem(
            "INVALID_VALUE", "Rejoining needs a reason: say how the person asked for it.", "reason"))
    return _Turn(entry, people, meant.matched_by, interests)


def _change(turns: Sequence[_Turn], act: _Act) -> set[tuple[int, int]]:
    """Changes what all entries want, interest by interest; answers (interest, record) of what was different before."""
    wanted: dict[int, dict[int, None]] = {}
    for turn in turns:
        for interest_id in turn.interests.values():
            wanted.setdefault(interest_id, {}).update(dict.fromkeys(each.subscriber_id for each in turn.people))
    return {(interest_id, subscriber_id) for interest_id, people in wanted.items()
            for subscriber_id in act.change(list(people), interest_id)}


def _outcome(index: int, turn: _Turn, act: _Act, changed: set[tuple[int, int]],
             news: list[tuple[_Turn, Person, str, int]]) -> Outcome:
    """What became of an entry: the first one that names a change made it. Adds to ``news`` what is to be told."""
    first = turn.people[0] if turn.people else None
    if turn.problem is not None:
        return outcome_of(index, turn.entry.who, act.rule, first, turn.problem)
    done = []
    for name, interest_id in turn.interests.items():
        for person in turn.people:
            if (interest_id, person.subscriber_id) in changed:
                changed.remove((interest_id, person.subscriber_id))
                news.append((turn, person, name, interest_id))
                done.append(name)
    was, is_now = ("in", "left") if act.kind == OPTED_OUT else ("left", "in")
    return outcome_of(index, turn.entry.who, act.rule, first, changed=bool(done), matched_by=turn.matched_by,
                      changes={f"interest {name}": (was, is_now) for name in done})


def _tell(unit: Unit, act: _Act, news: Sequence[tuple[_Turn, Person, str, int]]) -> None:
    """One event per person and interest, so that feeds tell who left what; and its writebacks (ID-56)."""
    told: dict[str, tuple[Person, str, NewEvent]] = {}
    found = []
    for turn, person, interest, interest_id in news:
        live = {integration_id: remote_id for (integration_id, remote_id), key in person.keys.items()
                if key.ended_at is None}
        event = NewEvent(
            act.kind, unit.now, f"{act.kind}:{uuid.uuid4()}", subscriber_id=person.subscriber_id, address=person.email,
            remote_id=live.get(unit.actor.integration_id or 0), origin=ADMIN if unit.actor.is_admin else API,
            reason=printable(turn.entry.reason, MAX_REASON), raw={"interestId": interest_id})
        found.append(event)
        if live.keys() & set(act.takers):
            told[event.once_key] = person, interest, event
    events.add_all(unit.connection, unit.brand_id, found, unit.now)
    if told:
        ids = events.ids(unit.connection, unit.brand_id, list(told))
        writebacks.queue_all(unit, act.written, [
            Fact(ids[key], None, {"interest": interest, "time": instant(unit.now), "origin": event.origin,
                                  "reason": event.reason}, (person.subscriber_id,))
            for key, (person, interest, event) in told.items()], only=act.takers)
