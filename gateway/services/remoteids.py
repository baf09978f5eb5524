"""How does a foreign system say that one person has another remote ID by now? (ID-29, SOAP-49)"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.db.queries import accounts, decisions, identities, locks, remote_keys
from gateway.db.unit import Unit
from gateway.domain.addresses import normalise_remote_id, printable
from gateway.domain.links import revive
from gateway.domain.people import Directory, Key, Person
from gateway.domain.records import (
    FAILED,
    MAX_REMOTE_ID,
    SUPPRESSED,
    UNCHANGED,
    UPDATED,
    ImportOptions,
    Outcome,
    Problem,
)
from gateway.domain.resolution import Identity
from gateway.domain.switching import is_one_to_many, merge_into
from gateway.services import joining
from gateway.services.erased import withheld
from gateway.services.importcontext import sender_of

RULE = "ID-29"
_LOOK_BACK = 100
"""Changes of one person's remote ID that a repeated call is looked for among."""

ERASED_ID = Problem("SUPPRESSED", "The person of the new remote ID asked to be erased; it is not stored again.",
                    "newRemoteId")


@dataclass(frozen=True, slots=True)
class _Change:
    """Both keys, and who has them now."""

    unit: Unit
    directory: Directory
    old: tuple[int, str]
    new: tuple[int, str]


def change_remote_id(unit: Unit, old: str, new: str, integration: str | None = None) -> Outcome:
    """Tells that ``old`` is called ``new`` in this integration: the one act that joins two remote IDs.

    Nobody has the new ID: the key is renamed, with its flag. Somebody has it: the record of the old ID is merged
    into that one (ID-26), or, if it has other links or the brand has one main per address, only its link goes. The
    old ID then stands for the same record as an ended link. The outcome is ``updated``, ``unchanged`` (this was done
    before), ``failed``, or ``suppressed`` (the new ID is an erased person's). Raises ``NOT_ALLOWED``, ``NOT_FOUND``
    (integration).
    """
    unit.actor.require("import")
    locks.lock_brand(unit.connection, unit.brand_id)
    integration_id, _ = sender_of(unit, ImportOptions(integration=integration))
    outcome = _change(unit, integration_id, normalise_remote_id(old), normalise_remote_id(new), old)
    decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                     now=unit.now, outcomes=[outcome])
    return outcome


def _change(unit: Unit, integration_id: int, old: str | Problem | None, new: str | Problem | None,
            sent: str) -> Outcome:
    for member, value in (("oldRemoteId", old), ("newRemoteId", new)):
        if isinstance(value, Problem):
            return _failed(sent, Problem(value.code, value.message, member))
        if value is None:
            return _failed(sent, Problem("REMOTE_ID_REQUIRED", "Send both remote IDs.", member))
    assert isinstance(old, str) and isinstance(new, str)
    directory = Directory(integration_id, lambda: 0)
    for person in identities.people(unit.connection, unit.brand_id, integration_id, {old, new}, ()).values():
        directory.add(person)
    change = _Change(unit, directory, (integration_id, old), (integration_id, new))
    loser, survivor = directory.holder(old), directory.holder(new)
    if loser is None and survivor is not None and _was_renamed(unit, survivor, old, new):
        return Outcome(0, UNCHANGED, RULE, survivor.subscriber_id, new, survivor.email, "remoteId")
    if loser is None:
        return _failed(sent, Problem("NOT_FOUND", "Nobody has the old remote ID.", "oldRemoteId"))
    if old == new or (loser is survivor and loser.keys[change.old].ended_at is not None):
        return Outcome(0, UNCHANGED, RULE, loser.subscriber_id, new, loser.email, "remoteId")
    if survivor is None and isinstance(withheld(unit, integration_id, [Identity(new, None)])[0], Problem):
        return replace(_failed(sent, ERASED_ID), status=SUPPRESSED)
    if survivor is None:
        remote_keys.rename(unit.connection, unit.brand_id, integration_id, old, new)
        directory.touched[loser.subscriber_id] = loser
        loser.keys.clear()  # the store has them right already
        return _store(change, loser, {})
    return _join(change, loser, survivor)


def _was_renamed(unit: Unit, person: Person, old: str, new: str) -> bool:
    """Whether this very change was made before: a renamed key keeps no trace of its old name."""
    made = decisions.of_rule(unit.connection, unit.brand_id, person.subscriber_id, RULE, _LOOK_BACK)
    return any(each.changes.get("remoteId") == (old, new) for each in made)


def _join(change: _Change, loser: Person, survivor: Person) -> Outcome:
    changes: dict[str, tuple[str | None, str | None]] = {}
    key = loser.keys[change.old]
    warnings = []
    if loser is not survivor and not _keeps_its_record(change, loser):
        merge_into(change.directory, survivor, [loser], change.unit.now)
        changes["merged"] = (str(loser.subscriber_id), str(survivor.subscriber_id))
    elif loser is not survivor:
        if loser.opted_out_at is not None and survivor.opted_out_at is None:
            warnings.append(Problem("OPTED_OUT_LINK_MOVED", "The record of the old remote ID is opted out, that of the "
                                                            "new one is not."))
        survivor.keys[change.old] = loser.keys.pop(change.old)
        change.directory.settle_keyless(loser)
        loser.orphan = loser.orphan or all(other.ended_at is not None for other in loser.keys.values())
        change.directory.touched[loser.subscriber_id] = loser
    if key.ended_at is None:
        revive(survivor, survivor.keys[change.new], changes)  # it is what its system calls the person now
    _end(change, key, survivor.keys[change.new])
    change.directory.touched[survivor.subscriber_id] = survivor
    return _store(change, survivor, changes, tuple(warnings))


def _keeps_its_record(change: _Change, loser: Person) -> bool:
    settings = accounts.brand_settings(change.unit.connection, change.unit.brand_id)
    others = [name for name, key in loser.keys.items() if name != change.old and key.ended_at is None]
    return bool(others) or loser.email is None or is_one_to_many(settings)


def _end(change: _Change, old: Key, new: Key) -> None:
    """The old link ends; its flag goes to the new one, for its system will never speak of the old ID again (ID-45)."""
    if old.flagged and not new.flagged:
        new.flagged, new.flagged_at, new.is_changed = True, old.flagged_at, True
    old.flagged, old.flagged_at, old.is_changed = False, None, True
    old.ended_at = old.ended_at or change.unit.now


def _store(change: _Change, person: Person, changes: dict[str, tuple[str | None, str | None]],
           warnings: tuple[Problem, ...] = ()) -> Outcome:
    joining.store(change.unit, change.directory, RULE)
    return Outcome(0, UPDATED, RULE, person.subscriber_id, change.new[1], person.email, "remoteId", warnings=warnings,
                   changes={"remoteId": (change.old[1], change.new[1]), **changes})


def _failed(sent: str, problem: Problem) -> Outcome:
    return Outcome(0, FAILED, RULE, remote_id=printable(sent, MAX_REMOTE_ID), problem=problem)
