"""What does a record turn out to mean? The answer that both tables of resolution give (identity.md, sections 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.people import Person
from gateway.domain.records import Problem

CREATE, ADOPT, UPDATE, FAIL, END, MOVE = "create", "adopt", "update", "fail", "end", "move"
"""What is to be done; ``end``: the remote key's link ends (ID-32, ID-33); ``move``: it goes to another main (ID-25)."""

BY_REMOTE_ID, BY_EMAIL = "remoteId", "email"


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers of one record, normalised; at least one is there, or the record fails (ID-19).

    ``whole``: of a face that says everything, where no address means that it is withdrawn (ID-33).
    ``deleted``: the remote ID was deleted over there (ID-32). ``spelled``: how the address came, if it was
    corrected (ID-9).
    """

    remote_id: str | None
    email: str | None
    whole: bool = False
    deleted: bool = False
    spelled: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a record means. ``rule`` is the one rule that decided.

    ``person``: who is meant, where ``action`` is adopt, update, end or move. ``twin``: a record without
    remote ID at the same address, which is to be merged into the resolved one (ID-17). ``main``: to whom the link
    moves, None to make one (ID-25). ``problem``: why it fails.
    """

    rule: str
    action: str
    person: Person | None = None
    matched_by: str | None = None
    twin: Person | None = None
    problem: Problem | None = None
    main: Person | None = None


def nobody() -> Resolution:
    """A record without any identifier."""
    return Resolution("ID-19", FAIL, problem=Problem(
        "IDENTIFIER_MISSING", "The record names nobody. Send a remote ID or an e-mail address."))


def without_address(found: Person | None) -> Resolution:
    """A record with a remote ID, of this person if of anybody, and without an address."""
    if found is not None:
        return Resolution("ID-18", UPDATE, found, BY_REMOTE_ID)
    return Resolution("ID-18", FAIL, problem=Problem(
        "EMAIL_MISSING", "Nobody has this remote ID yet, and a new person needs an e-mail address.", "email"))


def may_not_move(found: Person) -> Resolution:
    """A remote ID with another address, of a sender who may not change addresses."""
    return Resolution("ID-28", FAIL, found, BY_REMOTE_ID, problem=Problem(
        "IDENTITY_MISMATCH", "The remote ID belongs to another address, and this sender may not change addresses. "
                             "Allow it for the upload, or correct the record.", "email"))
