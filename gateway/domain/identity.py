"""Who is this record? The one resolver that every door uses (ID-3, ID-10..19, ID-28, ID-32, ID-33).

Pure: it reads the picture and changes nothing. One-to-Many brands have a table of their own beside this one,
:mod:`gateway.domain.onetomany`.
"""

from __future__ import annotations

from gateway.domain import onetomany
from gateway.domain.integration import IMIS_ID
from gateway.domain.people import Directory, Person
from gateway.domain.records import Problem
from gateway.domain.resolution import (
    ADOPT,
    BY_EMAIL,
    BY_REMOTE_ID,
    CREATE,
    END,
    FAIL,
    UPDATE,
    Identity,
    Resolution,
    may_not_move,
    nobody,
    without_address,
)


def resolve(identity: Identity, directory: Directory) -> Resolution:
    """The rule that holds for these identifiers in this picture; the same input always gives the same answer."""
    if identity.remote_id is not None:
        if identity.deleted or (identity.whole and identity.email is None):
            return _ended(identity, directory)
    elif directory.legacy:
        return Resolution("ID-3", FAIL, problem=Problem(
            "REMOTE_ID_REQUIRED", f"Records of this integration are known by their {IMIS_ID} alone. Send it.",
            "remoteId"))
    if directory.one_to_many:
        return onetomany.resolve(identity, directory)
    if identity.remote_id is not None:
        return _by_remote_id(identity.remote_id, identity.email, directory)
    return nobody() if identity.email is None else _by_email(identity.email, directory)


def _ended(identity: Identity, directory: Directory) -> Resolution:
    """The remote key was deleted over there, or its address withdrawn; nobody is made for it (ID-32, ID-33)."""
    assert identity.remote_id is not None
    found = directory.holder(identity.remote_id)
    if identity.deleted:
        return Resolution("ID-32", END, found, BY_REMOTE_ID if found is not None else None)
    if found is not None:
        return Resolution("ID-33", END, found, BY_REMOTE_ID)
    return without_address(None)


def _by_remote_id(remote_id: str, email: str | None, directory: Directory) -> Resolution:
    found = directory.holder(remote_id)
    if email is None:
        return without_address(found)
    twin = _keyless(directory.living_at(email))
    if found is not None and found.email == email:
        return Resolution("ID-10", UPDATE, found, BY_REMOTE_ID, twin)
    if found is not None and not directory.may_change_addresses:
        return may_not_move(found)
    if found is not None:
        return Resolution("ID-11", UPDATE, found, BY_REMOTE_ID, twin)
    if twin is not None:
        return Resolution("ID-12", ADOPT, twin, BY_EMAIL)
    return Resolution("ID-13", CREATE)


def _by_email(email: str, directory: Directory) -> Resolution:
    people = directory.living_at(email)
    if not people:
        return Resolution("ID-14", CREATE)
    if len(people) == 1:
        return Resolution("ID-15", UPDATE, people[0], BY_EMAIL)
    return Resolution("ID-16", FAIL, matched_by=BY_EMAIL, problem=Problem(
        "AMBIGUOUS_EMAIL", f"{len(people)} records have this address. Send the remote ID of the one you mean.",
        "email"))


def _keyless(people: list[Person]) -> Person | None:
    for person in people:
        if person.keyless:
            return person
    return None
