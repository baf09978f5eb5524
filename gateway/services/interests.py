"""Which interests does a brand have, and who may make one? (ID-38..42, SOAP-50, SOAP-51)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.db.queries import accounts, locks
from gateway.db.queries import interests as stored
from gateway.db.unit import Unit
from gateway.domain.addresses import holds_forbidden
from gateway.domain.interests import MAX_INTERESTS
from gateway.domain.interests import check_names as name_problem
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import InterestView
from gateway.errors import GatewayError
from gateway.services.paging import close_page, open_window

CREATE_INTERESTS = "createInterests"
"""Name in the brand's settings: false takes the right to create interests from everybody but administrators."""

MAX_DESCRIPTION = 1000


@dataclass(frozen=True, slots=True)
class InterestFilter:
    """FindInterests (SOAP-51); None does not filter. Times compare ``created_at``."""

    name: str | None = None
    public: bool | None = None
    integration: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class InterestChanges:
    """What is to change of an interest (SOAP-50); None keeps. An empty description is taken away."""

    name: str | None = None
    description: str | None = None
    public: bool | None = None


def create(unit: Unit, name: str, description: str | None = None, public: bool = False) -> InterestView:
    """A new interest.

    Raises ``ALREADY_EXISTS``, ``NOT_ALLOWED``, ``LIMIT_EXCEEDED``, ``INVALID_VALUE`` and its kin for a bad name.
    """
    unit.actor.require("import")
    if not may_create(unit):
        raise GatewayError("NOT_ALLOWED", "These credentials may not create interests. Ask an administrator.")
    name = name.strip()
    check_names([name], "name")
    _check_description(description)
    locks.lock_brand(unit.connection, unit.brand_id)
    if stored.by_name(unit.connection, unit.brand_id, [name]):
        raise GatewayError("ALREADY_EXISTS", f"The interest '{name}' exists already. Use it, or choose another name.",
                           field="name")
    _require_room(unit, 1, "name")
    interest_id = stored.add(unit.connection, unit.brand_id, name, description, public, unit.now)
    return InterestView(interest_id, name, description, public, None, 0, 0, unit.now)


def find(unit: Unit, wanted: InterestFilter, request: PageRequest) -> Page[InterestView]:
    """A page of interests in order of creation, with member counts as of now. Runs in ``gateway.feed``.

    Raises ``INVALID_TOKEN``, ``INVALID_VALUE`` for a bad page.
    """
    _require_reading(unit)
    window = open_window(unit, "interests", wanted, request)
    rows = stored.find(unit.connection, unit.brand_id, window, unit.now, name=wanted.name, public=wanted.public,
                       integration_name=wanted.integration)
    return close_page(unit, "interests", wanted, window, rows, lambda row: (row.created_at, row.interest_id))


def get(unit: Unit, interest_id: int) -> InterestView:
    """One interest of the brand; raises ``NOT_FOUND``."""
    _require_reading(unit)
    found = stored.get(unit.connection, unit.brand_id, interest_id, unit.now)
    if found is None:
        raise GatewayError("NOT_FOUND", "There is no interest of this id in this brand.", field="interestId")
    return found


def update(unit: Unit, interest_id: int, changes: InterestChanges) -> InterestView:
    """Renames an interest, describes it or makes it public; what is None stays. The same call again changes nothing.

    Members, mailings and the owning system keep it: they know its id. Raises ``NOT_FOUND``, ``ALREADY_EXISTS`` (the
    name is taken), ``NOT_ALLOWED``, ``INVALID_VALUE`` and its kin for a bad name.
    """
    unit.actor.require("import")
    locks.lock_brand(unit.connection, unit.brand_id)
    found = get(unit, interest_id)
    if not may_create(unit):
        raise GatewayError("NOT_ALLOWED", "These credentials may not change interests. Ask an administrator.")
    name = found.name if changes.name is None else changes.name.strip()
    if name != found.name:
        check_names([name], "name")
        if stored.by_name(unit.connection, unit.brand_id, [name]):
            raise GatewayError("ALREADY_EXISTS", f"Another interest is called '{name}'. Choose another name.",
                               field="name")
    description = found.description if changes.description is None else changes.description or None
    _check_description(description)
    public = found.public if changes.public is None else changes.public
    stored.set_facts(unit.connection, unit.brand_id, interest_id, name, description, public)
    return replace(found, name=name, description=description, public=public)


def may_create(unit: Unit) -> bool:
    """Whether this actor may make an unknown interest (ID-42)."""
    if unit.actor.is_admin:
        return True
    allowed = accounts.brand_settings(unit.connection, unit.brand_id).get(CREATE_INTERESTS, True)
    return "import" in unit.actor.scopes and allowed is not False


def resolve_names(unit: Unit, names: Iterable[str], create_missing: bool) -> dict[str, int]:
    """The ids of interests that a whole call names, by name without outer blanks.

    Missing ones are created with ``create_missing``, else ``LIST_UNKNOWN`` refuses the call (ID-42);
    ``LIMIT_EXCEEDED`` does where the brand has no room for them.
    """
    wanted = list(dict.fromkeys(name.strip() for name in names))
    check_names(wanted)
    found = stored.by_name(unit.connection, unit.brand_id, wanted)
    missing = [name for name in wanted if name not in found]
    if missing and not create_missing:
        raise GatewayError("LIST_UNKNOWN", f"There is no interest '{missing[0]}', and this call does not create it. "
                                           "Create it first, or correct the name.", field="interests")
    if missing:
        _require_room(unit, len(missing), "interests")
    for name in missing:
        found[name] = stored.add(unit.connection, unit.brand_id, name, None, False, unit.now)
    return {name: found[name] for name in wanted}


def _require_room(unit: Unit, more: int, field: str) -> None:
    if stored.count(unit.connection, unit.brand_id) + more > MAX_INTERESTS:
        raise GatewayError("LIMIT_EXCEEDED", f"A brand has at most {MAX_INTERESTS} interests. Use one that is there.",
                           field=field)


def check_names(names: Iterable[str], field: str = "interests") -> None:
    """Raises ``INVALID_VALUE`` or ``INVALID_CHARACTER`` for what cannot be a name of an interest."""
    problem = name_problem(names)
    if problem is not None:
        code = "INVALID_VALUE" if problem.code == "FIELD_TOO_LONG" else problem.code
        raise GatewayError(code, problem.message, field=field)


def _check_description(description: str | None) -> None:
    if description is not None and (holds_forbidden(description) or len(description) > MAX_DESCRIPTION):
        raise GatewayError("INVALID_VALUE", f"A description has at most {MAX_DESCRIPTION} characters and no control "
                                            "characters.", field="description")


def _require_reading(unit: Unit) -> None:
    if "import" not in unit.actor.scopes:
        unit.actor.require("report")
