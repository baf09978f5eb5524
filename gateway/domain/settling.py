"""Whose record is it then, and what becomes of address, keys and twins? (ID-10..25, ID-32..34)

The step of applying a record between its resolution and its values; it changes the picture only.
"""

from __future__ import annotations

from gateway.domain import links, merge
from gateway.domain.batch import Batch
from gateway.domain.links import Changes
from gateway.domain.people import Document, Membership, Person
from gateway.domain.records import ADOPTED, CREATED, UNCHANGED, Problem
from gateway.domain.resolution import ADOPT, CREATE, END, MOVE, Identity, Resolution


def settle(batch: Batch, who: Identity, resolution: Resolution, changes: Changes,
           warnings: list[Problem]) -> tuple[Person, str]:
    """Makes, adopts or finds the person, gives the address and the key it should have, merges the twin.

    Answers the status as far as it is known; what changed of a known person is in ``changes``.
    """
    person, status = _settled(batch, who, resolution, changes, warnings)
    directory = batch.directory
    if directory.one_to_many and person.email is not None and directory.main_at(person.email) is person:
        person.is_main = True
    return person, status


def _settled(batch: Batch, who: Identity, resolution: Resolution, changes: Changes,
             warnings: list[Problem]) -> tuple[Person, str]:
    if resolution.action == CREATE:
        return _create(batch, who), CREATED
    person = resolution.person
    assert person is not None
    if resolution.action == ADOPT:
        return _adopt(batch, who, person, changes), ADOPTED
    if resolution.action == MOVE:
        return _move_link(batch, who, resolution, changes, warnings)
    if resolution.action == END:
        assert who.remote_id is not None
        links.end(batch, person, who.remote_id, changes)
        return person, UNCHANGED
    _update(batch, who, resolution, person, changes)
    return person, UNCHANGED


def _create(batch: Batch, who: Identity) -> Person:
    keyless = who.remote_id is None
    source_id = batch.upload_source_id if keyless else batch.value_source_id
    person = Person(batch.directory.next_id(), who.email, keyless, source_id, source_id, is_new=True)
    batch.directory.add(person)
    if who.remote_id is not None:
        batch.directory.give_key(person, who.remote_id)
    batch.seen.add(person.subscriber_id)
    return person


def _adopt(batch: Batch, who: Identity, person: Person, changes: Changes) -> Person:
    """The remote key becomes one of the person (ID-12, ID-21)."""
    assert who.remote_id is not None
    links.revive(person, batch.directory.give_key(person, who.remote_id), changes)
    changes["remoteId"] = (None, who.remote_id)
    _change_source(batch, person, changes)
    return person


def _update(batch: Batch, who: Identity, resolution: Resolution, person: Person, changes: Changes) -> None:
    directory = batch.directory
    if who.remote_id is not None:
        links.revive(person, person.keys[(directory.integration_id, who.remote_id)], changes)
    if who.email is not None and who.email != person.email:
        changes["email"] = (person.email, who.email)
        directory.move(person, who.email)
    if resolution.twin is not None:
        changes["merged"] = (str(resolution.twin.subscriber_id), str(person.subscriber_id))
        batch.touch(resolution.twin)
        merge.absorb(directory, person, resolution.twin, who.remote_id, batch.now)


def _move_link(batch: Batch, who: Identity, resolution: Resolution, changes: Changes,
               warnings: list[Problem]) -> tuple[Person, str]:
    """The remote key goes to the main of its new address, with what the sender said of the person (ID-25)."""
    assert who.remote_id is not None and who.email is not None and resolution.person is not None
    directory, old, new = batch.directory, resolution.person, resolution.main
    status = CREATED if new is None else ADOPTED
    if new is None:
        new = _heir(batch, who.email, old)
    elif old.opted_out_at is not None:
        warnings.append(Problem("OPTED_OUT_LINK_MOVED", "The remote ID left a person who does not want mail; the "
                                                        "person at the new address keeps their own status."))
    changes["email"] = (old.email, who.email)
    changes["subscriber"] = (str(old.subscriber_id), str(new.subscriber_id))
    _carry(batch, old, new)
    links.revive(new, directory.move_key(who.remote_id, old, new), changes)
    if status == ADOPTED:
        _change_source(batch, new, changes)
    left: Changes = {}
    links.leave_sender(batch, old, left)
    if "orphan" in left:
        changes["orphaned"] = (None, str(old.subscriber_id))
    _forget(batch, old)
    directory.settle_keyless(old)
    batch.touch(old)
    batch.seen.add(new.subscriber_id)
    return new, status


def _heir(batch: Batch, email: str, old: Person) -> Person:
    """A new main that takes over what the old one did not want."""
    new = Person(batch.directory.next_id(), email, False, batch.value_source_id, batch.value_source_id,
                 opted_out_at=old.opted_out_at, opt_out_origin=old.opt_out_origin, is_main=True, left=set(old.left),
                 is_new=True)
    batch.directory.add(new)
    batch.directory.heirs.append((old.subscriber_id, new.subscriber_id))
    return new


def _carry(batch: Batch, old: Person, new: Person) -> None:
    """The sender's values and memberships go where its remote key goes; what is there already stays, and so does what
    either of them has left (ID-39)."""
    source_id = batch.value_source_id
    document = old.documents.get(source_id)
    if document is not None and source_id not in new.documents:
        new.documents[source_id] = Document(document.text, document.changed, document.changed_at, is_new=True)
    inside = {(row.interest_id, row.channel) for row in new.memberships if row.until is None}
    left = old.left | new.left
    for row in old.memberships:
        if row.until is None and (row.interest_id, row.channel) not in inside and row.interest_id not in left:
            new.memberships.append(Membership(row.interest_id, row.channel, batch.now, begins_at=row.begins_at,
                                              ends_at=row.ends_at, detail=row.detail))


def _forget(batch: Batch, old: Person) -> None:
    """Somebody who has other links, and none of the sender any more, keeps no values of it; an orphan keeps all."""
    links_of_sender = [name for name in old.keys if name[0] == batch.directory.integration_id]
    if not old.orphan and not links_of_sender:
        cleared = merge.whole_state(old, batch.value_source_id, {})
        merge.write_values(old, batch.value_source_id, cleared, batch.now)


def _change_source(batch: Batch, person: Person, changes: Changes) -> None:
    if person.source_id != batch.value_source_id:
        changes["source"] = (batch.source_names.get(person.source_id), batch.source_names.get(batch.value_source_id))
        person.source_id = batch.value_source_id
