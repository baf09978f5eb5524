"""How are the records of one upload read, and whom have they named? (ID-6..8, ID-27, PUSH-55)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain import identity, merge, records
from gateway.domain.addresses import normalise, normalise_remote_id, repaired
from gateway.domain.interests import Interests
from gateway.domain.people import Directory, Person
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.resolution import FAIL, Identity, Resolution
from gateway.domain.values import Catalogue


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What the brand wants of addresses: the longest one, whether slips are corrected (ID-9), and whether letters
    outside ASCII may stand before the @ (ID-8)."""

    max_length: int = records.MAX_EMAIL
    repairs: bool = False
    utf8: bool = False


DEFAULT_RULES = AddressRules()


@dataclass(slots=True)
class Batch:
    """How the records of one upload are applied, and the picture they change.

    ``value_source_id``: the sender's source, to which values and memberships belong (ID-30).
    ``upload_source_id``: what a record without remote ID shows as its source. ``source_names``: source id
    -> what the decision log calls it. ``seen``: who was named so far, for ReplaceAll.
    """

    directory: Directory
    catalogue: Catalogue
    interests: Interests
    mode: str
    empty_value: str
    upload_id: int
    now: dt.datetime
    value_source_id: int
    upload_source_id: int
    source_names: Mapping[int, str]
    rank: merge.Rank
    reading: AddressRules = DEFAULT_RULES
    seen: set[int] = field(default_factory=set)

    def touch(self, person: Person) -> None:
        """Notes that this upload has created or changed the person (ID-27)."""
        person.last_upload_id = self.upload_id
        self.directory.touched[person.subscriber_id] = person


def read_identity(record: SubscriberRecord, rules: AddressRules = DEFAULT_RULES) -> Identity | Problem:
    """The normalised identifiers of a record, or the first thing that is wrong with it."""
    if record.problem is not None:
        return record.problem
    remote_id = normalise_remote_id(record.remote_id)
    if isinstance(remote_id, Problem):
        return remote_id
    if remote_id is None and (record.whole or record.deleted or record.withdrawn):
        return Problem("REMOTE_ID_REQUIRED", "A record that says everything of a person is known by its remote ID. "
                                             "Send it.", "remoteId")
    if record.deleted or record.withdrawn:
        return Identity(remote_id, None, record.withdrawn, record.deleted)  # all else is ignored (PUSH-22)
    email = spelled = None
    if record.email is not None and record.email.strip():
        email = normalise(record.email, rules.max_length, utf8=rules.utf8)
        if isinstance(email, Problem) and rules.repairs:
            spelled, refused = record.email, email
            email = normalise(repaired(record.email), rules.max_length, utf8=rules.utf8)
            email = refused if isinstance(email, Problem) else email  # its own words fit what was sent
        if isinstance(email, Problem):
            return email
    return Identity(remote_id, email, whole=record.whole, spelled=spelled)


def note(batch: Batch, record: SubscriberRecord, who: Identity | Problem) -> None:
    """Adds whom the record names to ``batch.seen`` and changes nothing else."""
    if isinstance(who, Problem):
        _note_unread(batch, record)
    else:
        note_resolved(batch, who, identity.resolve(who, batch.directory))


def note_resolved(batch: Batch, who: Identity, resolution: Resolution) -> None:
    """Adds whom these identifiers turned out to name to ``batch.seen``; all whom an ambiguous address may mean."""
    if resolution.person is not None:
        batch.seen.add(resolution.person.subscriber_id)
    elif resolution.action == FAIL and who.email is not None:
        batch.seen.update(person.subscriber_id for person in batch.directory.living_at(who.email))


def _note_unread(batch: Batch, record: SubscriberRecord) -> None:
    """Whoever a failed record names is not missing from the body: ReplaceAll must not end their memberships."""
    remote_id = normalise_remote_id(record.remote_id)
    if isinstance(remote_id, str):
        person = batch.directory.holder(remote_id)
        if person is not None:
            batch.seen.add(person.subscriber_id)
    if record.email is not None:
        email = normalise(record.email, batch.reading.max_length, utf8=batch.reading.utf8)
        if isinstance(email, str):
            batch.seen.update(person.subscriber_id for person in batch.directory.living_at(email))
