"""Who is on a list that a foreign system keeps? Channel list of its memberships (PUSH-24, ID-38)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, decisions, interests, locks, own_interests
from gateway.db.queries.own_interests import Listed
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import normalise_remote_id, printable
from gateway.domain.brake import brake_of
from gateway.domain.contactgroups import ADD, MODES, REMOVE, REPLACE, mode_of
from gateway.domain.groups import check_groups
from gateway.domain.interests import OwnInterest, unknown
from gateway.domain.merge import LIST
from gateway.domain.records import Group, ImportOptions, Outcome
from gateway.errors import GatewayError
from gateway.services.importcontext import sender_of
from gateway.services.interests import may_create
from gateway.services.own_interests import own_interest_maker


@dataclass(frozen=True, slots=True)
class ListOutcome:
    """What became of a list. ``made``: it is new. ``joined``, ``left``, ``unchanged`` count people; ``unknown`` are the
    remote IDs that nobody has (any more), ``opted_out`` those whose people have left the list by their own act
    (ID-39)."""

    interest: OwnInterest
    made: bool
    joined: int
    left: int
    unchanged: int
    unknown: tuple[str, ...]
    opted_out: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether anybody joined or left."""
        return self.joined + self.left > 0


def change_list(unit: Unit, list_id: str, list_name: str | None, spelled_mode: str,
                remote_ids: Sequence[str]) -> ListOutcome:
    """Adds, removes or replaces the members of the sender's list ``list_id``; other channels and sources stay.

    A list that is new is made (ID-42), under its name if that is free; ``own_interests.settle_names`` renames those
    that are known. Remote IDs that are not known are skipped and named. The same call again changes nothing. Nothing
    is committed here. Raises ``NOT_ALLOWED``, ``LIST_UNKNOWN``, ``INVALID_VALUE`` (mode, id), ``INVALID_CHARACTER``,
    ``FIELD_TOO_LONG``, and ``BRAKE_HELD`` for a Replace that would take out more than the brand's brake lets through
    (ID-70); then nothing changed, but the caller must not commit a list that was made for it.
    """
    unit.actor.require("import")
    mode = mode_of(spelled_mode)
    if mode is None:
        raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(MODES)}.", field="Mode")
    locks.lock_brand(unit.connection, unit.brand_id)
    integration_id, name = sender_of(unit, ImportOptions())
    interest, made = _list(unit, integration_id, name, list_id.strip(), (list_name or "").strip())
    interest_id = interest.interest_id
    source_id = accounts.add_source(unit.connection, unit.brand_id, "integration", name, integration_id)
    named = [remote_id for remote_id in dict.fromkeys(map(_read, remote_ids)) if remote_id]
    found = own_interests.listed(unit.connection, unit.brand_id, integration_id, interest_id,
                                 [remote_id for remote_id in named if normalise_remote_id(remote_id) == remote_id])
    inside = {person: row_id for row_id, person in interests.other_members(
        unit.connection, unit.brand_id, [interest_id], source_id, LIST)}
    people = {listed.subscriber_id: listed for listed in found.values()}
    joining = [listed for person, listed in people.items() if person not in inside and not listed.has_left]
    leaving = {person: row_id for person, row_id in inside.items() if (person in people) == (mode == REMOVE)}
    if mode == REPLACE:
        _brake(unit, len(leaving), len(inside))
    joined = joining if mode != REMOVE else []
    left = leaving if mode != ADD else {}
    own_interests.join(unit.connection, unit.brand_id, interest_id, source_id, LIST,
                       [listed.subscriber_id for listed in joined], unit.now)
    if left:
        interests.end_memberships(unit.connection, unit.brand_id, list(left.values()), unit.now)
    _record(unit, list_name or list_id, joined, left)
    return ListOutcome(
        interest, made, len(joined), len(left), len(people.keys() - left.keys()) - len(joined),
        tuple(remote_id for remote_id in named if remote_id not in found),
        tuple(remote_id for remote_id, listed in found.items() if listed.has_left and mode != REMOVE))


def _list(unit: Unit, integration_id: int, integration: str, list_id: str, list_name: str) -> tuple[OwnInterest, bool]:
    """The list, and whether it was made now."""
    problem = check_groups([Group(list_id, list_name)])
    if problem is not None:
        raise GatewayError(problem.code, problem.message.replace("group", "list"), field="ListId")
    known = own_interests.by_external(unit.connection, unit.brand_id, integration_id, [list_id]).get(list_id)
    if known is not None:
        return known, False
    make = own_interest_maker(unit, integration_id, integration) if may_create(unit) else None
    made = None if make is None else make(list_id, list_name or list_id)
    if made is None:
        problem = unknown(list_name or list_id)
        raise GatewayError(problem.code, problem.message.replace("interest", "list"), field="ListId")
    return made, True


def _read(text: str) -> str:
    """The remote ID; one that cannot be one is unknown, and named as far as it can be printed."""
    read = normalise_remote_id(text)
    return read if isinstance(read, str) else (printable(text, words.MAX_REMOTE_ID) or "")


def _brake(unit: Unit, leaving: int, members: int) -> None:
    if brake_of(accounts.brand_settings(unit.connection, unit.brand_id)).holds(leaving, members):
        raise GatewayError("BRAKE_HELD", f"{leaving} of {members} memberships would end. Check that the list is "
                                         "complete; if it is, an administrator sets the brand's brakeShare or "
                                         "brakeRows for it.", field="Mode")


def _record(unit: Unit, name: str, joined: Sequence[Listed], left: Collection[int]) -> None:
    """Logs who joined and left (ID-78)."""
    outcomes = [Outcome(at, words.UPDATED, "ID-38", listed.subscriber_id, listed.remote_id,
                        changes={"interest": (None, name)}) for at, listed in enumerate(joined)]
    outcomes += [Outcome(at, words.UPDATED, "ID-38", person, changes={"interest": (name, None)})
                 for at, person in enumerate(left, len(outcomes))]
    decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                     now=unit.now, outcomes=outcomes)
