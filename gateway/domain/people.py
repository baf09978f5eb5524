"""What is known of the people that a batch touches? A picture in memory that each record changes in turn.

Loaded before a chunk, changed record by record "as if each came alone" (ID-27), written back at its end.
Nothing here decides: :mod:`gateway.domain.identity` and :mod:`gateway.domain.applying` do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.domain.suppression import AddressFacts, blocked_by

NO_FACTS = AddressFacts()


@dataclass(slots=True)
class Key:
    """A remote key (integration, remote ID) of a person; ``ended_at``: since when the link is over (ID-32)."""

    flagged: bool = False
    flagged_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    is_new: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class Document:
    """All values that one source gave to one person, as stored: JSON texts (ID-36)."""

    text: str
    changed: str
    changed_at: dt.datetime
    is_new: bool = False
    is_changed: bool = False


@dataclass(slots=True)
class Membership:
    """The sender's membership of a person in an interest, open while ``until`` is None (ID-38).

    Outside ``begins_at`` and ``ends_at`` it rests (PUSH-23). ``detail``: JSON text of what a group says of it.
    """

    interest_id: int
    channel: str
    since: dt.datetime
    until: dt.datetime | None = None
    row_id: int | None = None
    begins_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    detail: str | None = None
    is_changed: bool = False


@dataclass(slots=True)
class Person:
    """One subscriber. ``keyless``: has no remote key, nor an ended one; its address is its identity (ID-12).

    ``is_main``: the one record of its address (ID-4). ``has_moved``: its address changed since it was loaded.
    """

    subscriber_id: int
    email: str | None
    keyless: bool
    source_id: int
    first_source_id: int
    orphan: bool = False
    merged_into: int | None = None
    opted_out_at: dt.datetime | None = None
    opt_out_origin: str | None = None
    last_upload_id: int | None = None
    is_main: bool = False
    keys: dict[tuple[int, str], Key] = field(default_factory=dict)
    documents: dict[int, Document] = field(default_factory=dict)
    memberships: list[Membership] = field(default_factory=list)
    left: set[int] = field(default_factory=set)
    is_new: bool = False
    has_moved: bool = False

    @property
    def flagged(self) -> bool:
        """Whether an integration asked not to mail this person; an ended key still counts (ID-32, ID-45)."""
        for key in self.keys.values():  # a loop: this is asked for every record of every batch
            if key.flagged:
                return True
        return False


@dataclass(slots=True)
class Merge:
    """A tombstone to be made: what the loser has in the store goes to the survivor (ID-26)."""

    loser_id: int
    survivor_id: int
    remote_id: str | None
    email: str


@dataclass(slots=True)
class Directory:
    """The picture, as one sender of one brand sees it.

    ``integration_id``: whose remote IDs the sender speaks. ``next_id`` answers a fresh subscriber id.
    ``may_change_addresses``: whether a known remote key may come with another address (ID-28).
    ``one_to_many``: the brand has one main per address (ID-4); ``legacy``: the remote ID alone is the identity of
    the sender's records (ID-3); ``from_integration``: a foreign system sends, not a person (ID-24).
    ``heirs``: (old, new) ids of people of whom the new one leaves what the old one has left (ID-25).
    Changes are made through the methods, which keep the indexes right.
    """

    integration_id: int
    next_id: Callable[[], int]
    may_change_addresses: bool = True
    one_to_many: bool = False
    legacy: bool = False
    from_integration: bool = True
    by_key: dict[tuple[int, str], Person] = field(default_factory=dict)
    at_address: dict[str, list[Person]] = field(default_factory=dict)
    facts: dict[str, AddressFacts] = field(default_factory=dict)
    touched: dict[int, Person] = field(default_factory=dict)
    merges: list[Merge] = field(default_factory=list)
    heirs: list[tuple[int, int]] = field(default_factory=list)

    def add(self, person: Person) -> None:
        """Takes a live person into the picture."""
        if person.email is not None:
            self.at_address.setdefault(person.email, []).append(person)
        for key in person.keys:
            self.by_key[key] = person

    def holder(self, remote_id: str) -> Person | None:
        """Whoever has this remote ID in the sender's integration."""
        return self.by_key.get((self.integration_id, remote_id))

    def living_at(self, email: str) -> list[Person]:
        """The live records at the address, lowest id first."""
        people = self.at_address.get(email)
        if not people:
            return []
        return people if len(people) == 1 else sorted(people, key=lambda person: person.subscriber_id)

    def main_at(self, email: str) -> Person | None:
        """The main of the address; while a brand is on its way to One-to-Many, the oldest record there (ID-74)."""
        people = self.living_at(email)
        return next((person for person in people if person.is_main), people[0] if people else None)

    def give_key(self, person: Person, remote_id: str) -> Key:
        """Sets a new remote key of the sender's integration on the person."""
        name = (self.integration_id, remote_id)
        key = person.keys[name] = Key(is_new=True)
        self.by_key[name] = person
        person.keyless = False
        return key

    def move_key(self, remote_id: str, old: Person, new: Person) -> Key:
        """Hangs a remote key of the sender's integration on another person, with its flag (ID-25, ID-45)."""
        name = (self.integration_id, remote_id)
        key = new.keys[name] = old.keys.pop(name)
        key.is_changed = True
        self.by_key[name] = new
        new.keyless = False
        return key

    def settle_keyless(self, person: Person) -> None:
        """Whom no remote key names any more is known by the address, unless somebody is already (ID-2, ID-12)."""
        if not person.keys and not any(other.keyless for other in self.living_at(person.email or "")):
            person.keyless = True

    def move(self, person: Person, email: str) -> None:
        """Gives the person another address. Without One-to-Many it is no main there: there may be one (ID-75)."""
        self._leave_address(person)
        person.email, person.has_moved = email, True
        person.is_main = person.is_main and self.one_to_many
        self.at_address.setdefault(email, []).append(person)

    def bury(self, loser: Person, survivor: Person) -> None:
        """Makes the loser a tombstone, found neither by address nor by key any more (ID-26)."""
        self._leave_address(loser)
        loser.merged_into = survivor.subscriber_id

    def blockers(self, person: Person) -> tuple[str, ...]:
        """The facts that block mail to the person now (ID-46)."""
        facts = self.facts.get(person.email or "", NO_FACTS)
        neighbours: Sequence[Person] = self.at_address.get(person.email or "", ())
        flagged = person.flagged or (len(neighbours) > 1 and any(neighbour.flagged for neighbour in neighbours))
        if facts is NO_FACTS and not flagged and person.opted_out_at is None and not person.orphan:
            return ()
        return blocked_by(
            opted_out=facts.opted_out_at is not None or person.opted_out_at is not None, flagged=flagged,
            bounced=facts.bounced_at is not None, orphan=person.orphan)

    def _leave_address(self, person: Person) -> None:
        if person.email is not None:
            self.at_address[person.email].remove(person)
