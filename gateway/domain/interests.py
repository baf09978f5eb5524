"""Which interests does a record join or leave, and may it? (ID-39, ID-42)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import field as member

from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.records import MAX_INTEREST, MAX_INTERESTS_PER_RECORD, Problem

INTERESTS_FIELD = "interests"


@dataclass(slots=True)
class OwnInterest:
    """An interest that the sender's integration keeps under a name of its own (PUSH-23, PUSH-24)."""

    interest_id: int
    name: str


@dataclass(slots=True)
class Interests:
    """The brand's interests by name, and the sender's own by their external id, as far as the batch names them.

    ``create`` and ``create_own`` store a new one, None without the right to. ``rename``: gives an interest another
    name, unless some other has it. ``call``: the ids that the whole call names.
    """

    by_name: dict[str, int]
    create: Callable[[str], int] | None = None
    call: tuple[int, ...] = ()
    by_external: dict[str, OwnInterest] = member(default_factory=dict)
    create_own: Callable[[str, str], OwnInterest] | None = None
    rename: Callable[[int, str], bool] = lambda interest_id, name: False
    refused_names: set[tuple[int, str]] = member(default_factory=set)

    def find(self, name: str) -> int | None:
        """The id of the interest of exactly this name; outer blanks do not count."""
        return self.by_name.get(name.strip())

    def find_or_create(self, name: str) -> int | None:
        """Like ``find``, but makes a missing one where the credential has the right (ID-42)."""
        found = self.find(name)
        if found is None and self.create is not None:
            found = self.by_name[name.strip()] = self.create(name.strip())
        return found

    def find_or_create_own(self, external_id: str, name: str) -> int | None:
        """The sender's interest of this external id, made where the credential has the right (ID-42).

        One that is shown under another name gets this one, unless another interest has it (PUSH-23).
        """
        found = self.by_external.get(external_id)
        if found is None:
            if self.create_own is None:
                return None
            found = self.by_external[external_id] = self.create_own(external_id, name)
            self.by_name[found.name] = found.interest_id
        elif found.name != name and (found.interest_id, name) not in self.refused_names:
            self._rename(found, name)
        return found.interest_id

    def _rename(self, found: OwnInterest, name: str) -> None:
        if not self.rename(found.interest_id, name):
            self.refused_names.add((found.interest_id, name))  # asked once: a batch names a group in every record
            return
        self.refused_names.clear()  # the old name is free
        if self.by_name.get(found.name) == found.interest_id:
            del self.by_name[found.name]
        self.by_name[name], found.name = found.interest_id, name


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
    return Problem("LIST_UNKNOWN", f"There is no interest '{name.strip()}', and these credentials may not create it. "
                                   "Create it first, or correct the name.", field)


def opted_out(name: str, field: str = INTERESTS_FIELD) -> Problem:
    """The warning that the person has left this interest by their own act (ID-39)."""
    return Problem("INTEREST_OPTED_OUT", f"The person has left '{name}'; an import does not add them again.",
                   field)
