"""What does a record turn out to mean? The answer that both tables of resolution give (identity.md, sections 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.people import Person
from gateway.domain.records import Problem

CREATE, ADOPT, UPDATE, FAIL, END = "create", "adopt", "update", "fail", "end"
"""What is to be done; ``end``: the remote key's link ends (ID-32, ID-33)."""

BY_REMOTE_ID, BY_EMAIL = "remoteId", "email"


@dataclass(frozen=True, slots=True)
class Identity:
    """The identifiers of one record, normalised; at least one is there, or the record fails (ID-19).

    ``whole``: of a face that says everything, where no address means that it is withdrawn (ID-33).
    ``deleted``: the remote ID was deleted over there (ID-32).
    """

    remote_id: str | None
    email: str | None
    whole: bool = False
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a record means. ``rule`` is the one rule that decided.

    ``person``: who is meant, where ``action`` is adopt, update or end. ``twin``: a record without remote ID
    at the same address, which is to be merged into the resolved one (ID-17). ``problem``: why it fails.
    """

    rule: str
    action: str
    person: Person | None = None
    matched_by: str | None = None
    twin: Person | None = None
    problem: Problem | None = None
