"""Which interests does a record join or leave, and may it? (ID-39, ID-42)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as member

from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.records import MAX_INTEREST, MAX_INTERESTS_PER_RECORD, Problem

INTERESTS_FIELD = "interests"
MAX_INTERESTS = 10_000
"""Of a brand: there are no more; else one careless sender fills every list of interests."""


@dataclass(frozen=True, slots=True)
class OwnInterest:
    """An interest that the sender's integration keeps under a name of its own (PUSH-23, PUSH-24)."""

    interest_id: int
    name: str


@dataclass(frozen=True, slots=True)
class InterestChange:
    """Somebody ``joined`` or ``left`` an interest; ``key`` orders what happened in one moment.

    ``source``: ``integration:NAME``, ``upload:LABEL`` or ``local``; ``origin``: how, when it was the person's own wish.
    """

    key: int
    change: str
    at: dt.datetime
    interest_id: int
    interest: str
    subscriber_id: int
    email: str | None
    source: str
    origin: str | None


@dataclass(slots=True)
class Interests:
    """The brand's interests by name, and the sender's own by their external id, as far as the batch names them.

    ``create`` and ``create_own`` store a new one and answer it, None when there is no room for another; they are None
    without the right to. ``call``: the ids that the whole call names. ``wanted``: id -> how the sender shows its own
    interest, the last word; :func:`new_names` settles them.
    """

    by_name: dict[str, int]
    create: Callable[[str], int | None] | None = None
    call: tuple[int, ...] = ()
    by_external: dict[str, OwnInterest] = member(default_factory=dict)
    create_own: Callable[[str, str], OwnInterest | None] | None = None
    wanted: dict[int, str] = member(default_factory=dict)

    def find(self, name: str) -> int | None:
        """The id of the interest of exactly this name; outer blanks do not count."""
        return self.by_name.get(name.strip())

    def find_or_create(self, name: str) -> int | None:
        """Like ``find``, but makes a missing one where the credential has the right (ID-42)."""
        found = self.find(name)
        if found is None and self.create is not None:
            found = self.create(name.strip())
            if found is not None:
                self.by_name[name.strip()] = found
        return found

    def find_or_create_own(self, external_id: str, name: str) -> int | None:
        """The sender's interest of this external id, made where the credential has the right (ID-42).

        How it is to be shown is noted in ``wanted`` (PUSH-23).
        """
        found = self.by_external.get(external_id)
        if found is None:
            found = None if self.create_own is None else self.create_own(external_id, name)
            if found is None:
                return None
            self.by_external[external_id] = found
            self.by_name[found.name] = found.interest_id
        self.wanted[found.interest_id] = name
        return found.interest_id


def new_names(wanted: Mapping[int, str], holders: Mapping[str, int]) -> dict[int, str]:
    """Those of the ``wanted`` names, by id, that their interests can have when all change at once (PUSH-23).

    Interests may swap names. ``holders``: name -> id, of every interest that has one of these names now. A name stays
    with a holder that keeps it; of two that want the same, the first gets it.
    """
    found = {interest_id: name for interest_id, name in wanted.items() if holders.get(name) != interest_id}
    while True:
        first: dict[str, int] = {}
        for interest_id, name in found.items():
            first.setdefault(name, interest_id)
        stuck = [interest_id for interest_id, name in found.items()
                 if first[name] != interest_id or holders.get(name, interest_id) not in found]
        if not stuck:
            return found
        for interest_id in stuck:
            del found[interest_id]


def check_names(names: Iterable[str]) -> Problem | None:
    """Why these cannot be names of interests, or None."""
    count = 0
    for name in names:
        count += 1
        if not name.strip():
            return Problem("INVALID_VALUE", "The name of an interest is empty. Leave it out or name it.",
                           INTERESTS_FIELD)
        if holds_forbidden(name):
            return forbidden_character(INTERESTS_FIELD)
        if len(name.strip()) > MAX_INTEREST:
            return Problem("FIELD_TOO_LONG", f"The name of an interest has at most {MAX_INTEREST} characters.",
                           INTERESTS_FIELD)
    if count > MAX_INTERESTS_PER_RECORD:
        return Problem("FIELD_TOO_LONG", f"A record names at most {MAX_INTERESTS_PER_RECORD} interests. Send fewer.",
                       INTERESTS_FIELD)
    return None


def unknown(name: str, field: str = INTERESTS_FIELD) -> Problem:
    """The warning of a name that is no interest here."""
    return Problem("LIST_UNKNOWN", f"There is no interest '{name.strip()}', and it was not created: these credentials "
                                   f"may not, or the brand has {MAX_INTERESTS}. Create it first, or correct the name.",
                   field)


def opted_out(name: str, field: str = INTERESTS_FIELD) -> Problem:
    """The warning that the person has left this interest by their own act (ID-39)."""
    return Problem("INTEREST_OPTED_OUT", f"The person has left '{name}'; an import does not add them again.",
                   field)
