"""Who is this record? The one resolver that every door uses (ID-10..19, ID-28).

Pure: it reads the picture and changes nothing. One-to-Many brands get a second table beside this one.
"""

from __future__ import annotations

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
)

__all__ = ["ADOPT", "BY_EMAIL", "BY_REMOTE_ID", "CREATE", "END", "FAIL", "UPDATE", "Identity", "Resolution", "resolve"]


def resolve(identity: Identity, directory: Directory) -> Resolution:
    """The rule that holds for these identifiers in this picture; the same input always gives the same answer."""
    if identity.remote_id is not None:
        if identity.deleted or (identity.whole and identity.email is None):
            return _ended(identity, directory)
        return _by_remote_id(identity.remote_id, identity.email, directory)
    if identity.email is None:
        return Resolution("ID-19", FAIL, problem=Problem(
            "IDENTIFIER_MISSING", "The record names nobody. Send a remote ID or an e-mail address."))
    return _by_email(identity.email, directory)


def _ended(identity: Identity, directory: Directory) -> Resolution:
    """The remote key was deleted over there, or its address withdrawn; nobody is made for it (ID-32, ID-33)."""
    assert identity.remote_id is not None
    found = directory.holder(identity.remote_id)
    if identity.deleted:
        return Resolution("ID-32", END, found, BY_REMOTE_ID if found is not None else None)
    if found is not None:
        return Resolution("ID-33", END, found, BY_REMOTE_ID)
    return _by_remote_id(identity.remote_id, None, directory)


def _by_remote_id(remote_id: str, email: str | None, directory: Directory) -> Resolution:
    found = directory.holder(remote_id)
    if email is None:
        if found is not None:
            return Resolution("ID-18", UPDATE, found, BY_REMOTE_ID)
        return Resolution("ID-18", FAIL, problem=Problem(
            "EMAIL_MISSING", "Nobody has this remote ID yet, and a new person needs an e-mail address.", "email"))
    twin = _keyless(directory.living_at(email))
    if found is not None and found.email == email:
        return Resolution("ID-10", UPDATE, found, BY_REMOTE_ID, twin)
    if found is not None and not directory.may_change_addresses:
        return Resolution("ID-28", FAIL, found, BY_REMOTE_ID, problem=Problem(
            "IDENTITY_MISMATCH", "The remote ID belongs to another address, and this sender may not change addresses. "
                                 "Allow it for the upload, or correct the record.", "email"))
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
