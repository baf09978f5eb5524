"""Which interests does a record join or leave, and may it? (ID-39, ID-42)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.records import MAX_INTEREST, MAX_INTERESTS_PER_RECORD, Problem

INTERESTS_FIELD = "interests"


@dataclass(slots=True)
class Interests:
    """The brand's interests by name, as far as the batch names them.

    ``create`` stores a new one, None without the right to. ``call``: the ids that the whole call names.
    """

    by_name: dict[str, int]
    create: Callable[[str], int] | None = None
    call: tuple[int, ...] = ()

    def find(self, name: str) -> int | None:
        """The id of the interest of exactly this name; outer blanks do not count."""
        return self.by_name.get(name.strip())

    def find_or_create(self, name: str) -> int | None:
        """Like ``find``, but makes a missing one where the credential has the right (ID-42)."""
        found = self.find(name)
        if found is None and self.create is not None:
            found = self.by_name[name.strip()] = self.create(name.strip())
        return found


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


def unknown(name: str) -> Problem:
    """The warning of a name that is no interest here."""
    return Problem("LIST_UNKNOWN", f"There is no interest '{name.strip()}', and these credentials may not create it. "
                                   "Create it first, or correct the name.", INTERESTS_FIELD)


def opted_out(name: str) -> Problem:
    """The warning that the person has left this interest by their own act (ID-39)."""
    return Problem("INTEREST_OPTED_OUT", f"The person has left '{name}'; an import does not add them again.",
                   INTERESTS_FIELD)
