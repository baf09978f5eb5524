"""What does the gateway answer when somebody asks about one person? (ID-79)

A tree of plain facts, and beside each one the sentence that a person reads. Every door shows the same tree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.records import Identifier

REMOTE_ID, EMAIL_ONLY, IMIS_ID, ONE_TO_MANY = "emailAndRemoteId", "emailOnly", "imisLegacy", "oneToMany"
"""Modes of a record (ID-1..4)."""

ONLY_SOURCE, PRIORITY, NEWEST, WRITEBACK = "onlySource", "priority", "newest", "writeback"
"""Why a value counts (ID-36)."""

OPEN, RESTING, ENDED, LEFT = "open", "resting", "ended", "left"
"""States of a membership: ``left`` is open at its source, and the person left the interest (ID-39)."""

OPT_OUT, REMOTE_FLAG, BAD_EMAIL, ORPHAN = "opt_out", "remote_flag", "bad_email", "orphan"
INVALID_ADDRESS, DUPLICATE_ADDRESS, EXCLUDED_INTEREST = "invalid_address", "duplicate_address", "excluded_interest"
RECEIVED_BEFORE, OPENED_BEFORE, NOT_RECEIVED = "received_before", "opened_before", "not_received"
NOT_FAILED, FREQUENCY_CAP = "not_failed", "frequency_cap"
NOT_TARGETED, MERGED, ERASED = "not_targeted", "merged", "erased"
"""Facts that keep a mailing from a record; the first four are the words of ``blocked_by``."""

ON_ADDRESS, ON_RECORD, ON_KEY, ON_NEIGHBOUR, ON_MAILING = "address", "record", "remoteKey", "neighbour", "mailing"
"""Where a blocking fact sits."""

SENDABLE, MAILING, INSTANCE = "sendable", "mailing", "instance"
"""Which question a verdict answers."""

ASKED, DOWN, CALLS_US, NO_LOOKUP, BUSY = "asked", "down", "callsUs", "noLookup", "busy"
"""What came of asking a foreign system. ``busy``: our own store was, so the answer could not be worked out."""

GONE = "gone"
"""The foreign system does not list the remote ID; beside it a forecast has the words of ``sync.ROW_CLASSES``."""


@dataclass(frozen=True, slots=True)
class LinkFact:
    """A remote key of a record. ``label``: what the ID is called, "remote ID" or "iMIS ID" (ID-3).

    ``ended_at``: since when the link is over (ID-32). ``flagged_at`` is None also for a flag of unknown age.
    """

    integration: str
    label: str
    remote_id: str
    since: dt.datetime
    ended_at: dt.datetime | None
    do_not_email: bool
    flagged_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class SourceValue:
    """What one source says of a field."""

    source: str
    value: str
    changed_at: dt.datetime
    effective: bool


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """Every source's value of one field, the effective one first. ``why``: one of the words of ID-36 above."""

    name: str
    value: str
    why: str
    sentence: str
    values: tuple[SourceValue, ...]


@dataclass(frozen=True, slots=True)
class MembershipFact:
    """One membership. ``state``: open, resting (outside ``begins_at`` and ``ends_at``), ended or left."""

    interest: str
    source: str
    channel: str
    state: str
    since: dt.datetime
    until: dt.datetime | None = None
    begins_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeftInterest:
    """An interest that the person has left; no import undoes it (ID-39)."""

    interest: str
    left_at: dt.datetime
    origin: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision, or a sync to come, changes: ``old`` or ``new`` is None where there is nothing."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A stored decision (ID-78) with the meaning of its rule in one sentence.

    ``row`` counts the records of the upload from 1, ``line`` the lines of its file. ``subscriber_id`` differs from
    the person's where it was taken about a record that was merged into it later.
    """

    decision_id: int
    recorded_at: dt.datetime
    door: str
    actor: str
    upload_id: int | None
    row: int | None
    line: int | None
    subscriber_id: int | None
    remote_id: str | None
    email: str | None
    rule: str | None
    meaning: str | None
    status: str
    code: str | None
    field: str | None
    message: str | None
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blocker:
    """One fact that keeps mail from a record, and where it can be undone (ID-52).

    ``fact``: opt_out, remote_flag, bad_email, orphan, invalid_address, duplicate_address, excluded_interest,
    not_targeted, merged, erased. ``on``: address, record, remoteKey, neighbour (another record of the same address)
    or mailing. ``origin``: who set it (link, one-click, form, complaint, admin, api; ``integration:NAME`` of a flag
    or an ended link; a status code of a bounce). ``subscriber_id``: the neighbour, or who gets the copy instead.
    """

    fact: str
    on: str
    sentence: str
    undo: str
    since: dt.datetime | None = None
    origin: str | None = None
    reason: str | None = None
    subscriber_id: int | None = None
    integration: str | None = None
    remote_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Would, or did, a mailing reach this record?

    ``question``: sendable (in general), mailing (as of now) or instance (what is stored of it; before its audience
    is frozen as of now). ``reaches``: None when it is not decided yet, or in doubt. ``state`` and ``reason`` are the
    delivery's words (SEND-8, SEND-10); ``not_targeted`` is the reason of who is in none of the interests.
    ``blockers``: every fact that stands against it now, the deciding one first.
    """

    question: str
    reaches: bool | None
    sentence: str
    mailing_id: int | None = None
    instance_id: int | None = None
    state: str | None = None
    reason: str | None = None
    code: str | None = None
    at: dt.datetime | None = None
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenWriteback:
    """A fact that is on its way to a foreign system; until it is there it beats what a sync brings (ID-64)."""

    writeback_id: int
    integration: str
    remote_id: str
    kind: str
    state: str
    occurred_at: dt.datetime
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next sync of one integration would make of one remote key.

    ``asked``: asked, down, callsUs, noLookup or busy. ``outcome``: a class of a sync's rows (new, changed, adopted,
    revived, unchanged, ended, conflicting, rejected) or gone; None when the system could not be asked.
    ``would_be_orphan``: the record would be left without a link (ID-32).
    """

    integration: str
    remote_id: str
    asked: str
    sentence: str
    outcome: str | None = None
    rule: str | None = None
    would_be_orphan: bool = False
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """One record, whole. ``mode``: emailAndRemoteId, emailOnly, imisLegacy or oneToMany (ID-1..4).

    ``merged_into``: it is a tombstone of that record, which is explained beside it. ``merged``: the tombstones of
    this record. ``decisions``: newest first, at most as many as were asked for; ``more_decisions``: there are older
    ones.
    """

    subscriber_id: int
    email: str | None
    mode: str
    mode_sentence: str
    status: str
    sendable: bool
    source: str
    first_source: str
    orphan: bool
    merged_into: int | None
    merged: tuple[int, ...]
    erased_at: dt.datetime | None
    created_at: dt.datetime
    changed_at: dt.datetime
    links: tuple[LinkFact, ...]
    fields: tuple[FieldAnswer, ...]
    memberships: tuple[MembershipFact, ...]
    left: tuple[LeftInterest, ...]
    decisions: tuple[Decision, ...]
    more_decisions: bool
    verdict: Verdict
    writebacks: tuple[OpenWriteback, ...]
    next_sync: tuple[Forecast, ...]


@dataclass(frozen=True, slots=True)
class AddressAnswer:
    """What is known of an address by itself, whoever has it. ``erased``: its person asked to be forgotten (ID-35)."""

    email: str
    records: int
    opted_out_at: dt.datetime | None
    opt_out_origin: str | None
    opt_out_reason: str | None
    bounced_at: dt.datetime | None
    bounce_code: str | None
    erased: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class NextRecord:
    """What would become of a record that came now with exactly these identifiers; ``meaning`` is of the rule."""

    status: str
    rule: str | None
    meaning: str | None
    code: str | None
    message: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer. ``people``: everybody meant, lowest id first; a tombstone is followed by its survivor.

    ``address``: when an address was named. ``next_record``: unless only a subscriber id was named, or the store was
    busy. ``unmatched``: decisions about records with these identifiers that came to nobody, newest
    first; of an address that nobody has also what was done to it.
    """

    asked: Identifier
    as_of: dt.datetime
    people: tuple[PersonAnswer, ...]
    address: AddressAnswer | None
    next_record: NextRecord | None
    unmatched: tuple[Decision, ...]
    more_unmatched: bool
    sentence: str
