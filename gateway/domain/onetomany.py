"""Who is this record in a brand that has one main record per address? The second table (ID-20..25, ID-28).

Pure, beside :mod:`gateway.domain.identity`, which asks it where the brand is switched to One-to-Many Sync (ID-4).
"""

from __future__ import annotations

from gateway.domain.people import Directory, Person
from gateway.domain.resolution import (
    ADOPT,
    BY_EMAIL,
    BY_REMOTE_ID,
    CREATE,
    MOVE,
    UPDATE,
    Identity,
    Resolution,
    may_not_move,
    nobody,
    without_address,
)


def resolve(identity: Identity, directory: Directory) -> Resolution:
    """The rule of section 3 that holds for these identifiers; the same input always gives the same answer."""
    found = None if identity.remote_id is None else directory.holder(identity.remote_id)
    if identity.email is None:
        return nobody() if identity.remote_id is None else without_address(found)
    main = directory.main_at(identity.email)
    if identity.remote_id is None and main is not None:
        return Resolution("ID-23", UPDATE, main, BY_EMAIL)
    if found is None:
        return Resolution("ID-22", CREATE) if main is None else Resolution("ID-21", ADOPT, main, BY_EMAIL)
    if found.email == identity.email:
        return Resolution("ID-20", UPDATE, found, BY_REMOTE_ID)
    if not directory.may_change_addresses:
        return may_not_move(found)
    if main is None and directory.from_integration and not _has_other_link(found, directory, identity.remote_id):
        return Resolution("ID-24", UPDATE, found, BY_REMOTE_ID)
    return Resolution("ID-25", MOVE, found, BY_REMOTE_ID, main=main)


def _has_other_link(person: Person, directory: Directory, remote_id: str | None) -> bool:
    return any(key.ended_at is None for name, key in person.keys.items()
               if name != (directory.integration_id, remote_id))
