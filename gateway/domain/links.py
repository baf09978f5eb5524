"""What becomes of a record when the link to a foreign system ends, or comes back? (ID-32..34)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gateway.domain.batch import Batch
from gateway.domain.people import Key, Person
from gateway.domain.records import CREATED, UPDATED, Outcome, Problem

REPLACEMENT = Problem("POSSIBLE_REPLACEMENT", "One remote ID of the address ends here and another comes. If both are "
                                              "one person, ChangeRemoteId joins them.", "remoteId")
_OF_REPLACEMENTS = {(UPDATED, "ID-32"), (UPDATED, "ID-33"), (CREATED, "ID-13")}

Changes = dict[str, tuple[str | None, str | None]]


def end(batch: Batch, person: Person, remote_id: str, changes: Changes) -> bool:
    """Ends the sender's remote key of the person (ID-32); whether it was live. Not an unsubscribe.

    The record leaves the sender's interests with its last link to the sender, keeps everything else, and is an
    orphan if no link at all is left.
    """
    integration_id = batch.directory.integration_id
    key = person.keys[(integration_id, remote_id)]
    if key.ended_at is not None:
        return False
    key.ended_at, key.is_changed = batch.now, True
    changes["link"] = ("live", "ended")
    leave_sender(batch, person, changes)
    return True


def leave_sender(batch: Batch, person: Person, changes: Changes) -> None:
    """Ends the sender's memberships if it has no link to the person any more; an orphan if nobody has (ID-32)."""
    live = {of for (of, _), key in person.keys.items() if key.ended_at is None}
    if batch.directory.integration_id not in live:
        for row in person.memberships:
            if row.until is None:
                row.until, row.is_changed = batch.now, True
    if not live and not person.orphan:
        person.orphan = True
        changes["orphan"] = ("false", "true")


def revive(person: Person, key: Key, changes: Changes) -> None:
    """The key is live again, and whoever was an orphan is none any more (ID-34)."""
    if key.ended_at is not None:
        key.ended_at, key.is_changed = None, True
        changes["link"] = ("ended", "live")
    if person.orphan:
        person.orphan = False
        changes["orphan"] = ("true", "false")


def mark_replacements(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of one call, with a warning where a link ended and a new one came at the same address (ID-29)."""
    ended = _keys_by_email(each for each in outcomes if each.rule in ("ID-32", "ID-33") and each.status == UPDATED)
    new = _keys_by_email(each for each in outcomes if each.rule == "ID-13" and each.status == CREATED)
    both = {email for email in ended.keys() & new.keys() if len(ended[email] | new[email]) > 1}  # two keys, not one
    if not both:
        return list(outcomes)
    return [replace(outcome, warnings=(*outcome.warnings, REPLACEMENT))
            if outcome.email in both and (outcome.status, outcome.rule) in _OF_REPLACEMENTS else outcome
            for outcome in outcomes]


def with_old_mains(outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
    """The outcomes to be logged: before each move of a link, what it did to the record that it left (ID-25, ID-78).

    The new address is not told there: it was never one of that record's (ID-35).
    """
    for outcome in outcomes:
        if outcome.rule == "ID-25" and "subscriber" in outcome.changes:
            old_id = outcome.changes["subscriber"][0]
            assert old_id is not None
            told: Changes = {"remoteId": (outcome.remote_id, None), "subscriber": outcome.changes["subscriber"]}
            if "orphaned" in outcome.changes:
                told["orphan"] = ("false", "true")
            yield replace(outcome, status=UPDATED, subscriber_id=int(old_id), email=outcome.changes["email"][0],
                          warnings=(), changes=told)
        yield outcome


def _keys_by_email(outcomes: Iterable[Outcome]) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for outcome in outcomes:
        if outcome.email is not None:
            found.setdefault(outcome.email, set()).add(outcome.remote_id)
    return found
