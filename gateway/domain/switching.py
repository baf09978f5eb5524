"""Which records at one address become one, and what does that cost? (ID-26, ID-73, ID-74)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain import merge
from gateway.domain.people import Directory, Person

STANDARD, ONE_TO_MANY = "standard", "one_to_many"
"""Values of the brand's setting ``identityMode`` (ID-4)."""

IDENTITY_MODE = "identityMode"
"""Name in the brand's settings: how records are known."""

COUNTERS = ("mains", "merged", "fieldConflicts", "statusChanges")
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """The records of one address: all but the survivor merge into it.

    ``conflicts``: fields that count differently in some of them; all values are kept with their sources.
    ``status_changes``: ids of those who are not opted out now and share an opt-out then.
    """

    survivor_id: int
    loser_ids: tuple[int, ...]
    conflicts: tuple[str, ...]
    status_changes: tuple[int, ...]


@dataclass(slots=True)
class SwitchCounters:
    """What a switch does, in numbers; preview and run count alike (ID-P12)."""

    mains: int = 0
    merged: int = 0
    field_conflicts: int = 0
    status_changes: int = 0
    groups: list[MergeGroup] = field(default_factory=list)

    def add(self, group: MergeGroup) -> None:
        """Counts one address; lists it while there is room."""
        self.mains += 1
        self.merged += len(group.loser_ids)
        self.field_conflicts += len(group.conflicts)
        self.status_changes += len(group.status_changes)
        if group.loser_ids and len(self.groups) < MAX_LISTED:
            self.groups.append(group)

    def numbers(self) -> dict[str, int]:
        """The counters by the names that every door shows."""
        return dict(zip(COUNTERS, (self.mains, self.merged, self.field_conflicts, self.status_changes), strict=True))


def is_one_to_many(settings: Mapping[str, object]) -> bool:
    """Whether a brand with these settings is switched to One-to-Many Sync (ID-4)."""
    return settings.get(IDENTITY_MODE, STANDARD) == ONE_TO_MANY


def plan(people: Sequence[Person], rank: merge.Rank, opted_out: bool) -> MergeGroup:
    """What becomes of the live records of one address; ``opted_out``: the address itself is.

    The survivor is of the first source of the brand's priority list, of several the oldest (ID-74); a record that is
    a main already stays it.
    """
    survivor = min(people, key=lambda person: (not person.is_main, rank(person.source_id), person.subscriber_id))
    losers = sorted(person.subscriber_id for person in people if person is not survivor)
    any_out = any(person.opted_out_at is not None for person in people)
    changing = [person.subscriber_id for person in people if person.opted_out_at is None] \
        if any_out and not opted_out else []
    return MergeGroup(survivor.subscriber_id, tuple(losers), tuple(_conflicts(people, rank)), tuple(sorted(changing)))


def merge_into(directory: Directory, survivor: Person, losers: Iterable[Person], now: dt.datetime) -> None:
    """Merges the losers into the survivor, best source first: values, memberships, opt-outs and remote keys (ID-26).

    Whoever of them was mailable stays so unless one was opted out: the survivor is an orphan only if all were.
    """
    for loser in losers:
        merge.absorb(directory, survivor, loser, None, now)
        if loser.keys and survivor.keyless:
            survivor.source_id = loser.source_id  # adopted by the system that knows it (ID-30)
        for name in list(loser.keys):
            key = survivor.keys[name] = loser.keys.pop(name)
            key.is_changed = True
            directory.by_key[name] = survivor
            survivor.keyless = False
        survivor.orphan = survivor.orphan and loser.orphan
        loser.is_main = False
        directory.touched[loser.subscriber_id] = loser
    directory.touched[survivor.subscriber_id] = survivor


def in_order(people: Iterable[Person], rank: merge.Rank) -> list[Person]:
    """The people, whose values come first first: of the same source the first one's stay."""
    return sorted(people, key=lambda person: (rank(person.source_id), person.subscriber_id))


def _conflicts(people: Sequence[Person], rank: Callable[[int], tuple[int, int]]) -> list[str]:
    if len(people) == 1:
        return []
    found: dict[str, set[str]] = {}
    for person in people:
        if len(person.documents) == 1:  # as nearly everybody's: nothing to choose from
            (only,) = person.documents.values()
            for name, text in json.loads(only.text).items():
                found.setdefault(name, set()).add(text)
            continue
        for name, value in merge.effective(person.documents, rank).items():
            found.setdefault(name, set()).add(value.text)
    return sorted(name for name, texts in found.items() if len(texts) > 1)
