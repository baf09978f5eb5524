"""What goes into an import and what comes out of it: one record, one outcome, one report.

Every door turns its own dialect into these and back; identity.md decides what happens between.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.suppression import UNSUBSCRIBED, status

ADD, UPDATE, ADD_OR_UPDATE, REMOVE, REPLACE_ALL = "Add", "Update", "AddOrUpdate", "Remove", "ReplaceAll"
MODES = (ADD, UPDATE, ADD_OR_UPDATE, REMOVE, REPLACE_ALL)
UNSUBSCRIBE, RESUBSCRIBE = "Unsubscribe", "Resubscribe"
STATUS_MODES = (UNSUBSCRIBE, RESUBSCRIBE)
"""What a declared table may do besides: its rows change nothing but whether people are mailed (aapi.md section 5.4)."""

KEEP, CLEAR = "Keep", "Clear"

CREATED, ADOPTED, UPDATED, UNCHANGED = "created", "adopted", "updated", "unchanged"
SKIPPED, SUPPRESSED, FAILED = "skipped", "suppressed", "failed"
STATUSES = (CREATED, ADOPTED, UPDATED, UNCHANGED, SKIPPED, SUPPRESSED, FAILED)
"""Status words of PUSH-29, in the order in which every door lists the counters."""

EMAIL_CHANGED, MET_UNSUBSCRIBED = "emailChanged", "metUnsubscribed"
"""What is counted besides: records whose address was overwritten, and those that met somebody who is unsubscribed."""

MAX_SYNC_RECORDS = 1000
MAX_REMOTE_ID, MAX_EMAIL, MAX_NAME, MAX_VALUE, MAX_INTEREST = 255, 254, 100, 4000, 255
MAX_INTERESTS_PER_RECORD, MAX_FIELDS_PER_RECORD = 200, 200


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one record failed, or what its sender is warned of. ``code`` is of the catalogue."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A membership that a whole record brings (PUSH-23). ``external_id``: the sender's own name of the interest.

    Outside ``begins_at`` and ``ends_at`` it rests; None is open. ``detail``: type, subType, role, joined, as texts.
    """

    external_id: str
    name: str
    begins_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubscriberRecord:
    """One record as a door read it, not yet normalised (ID-41).

    ``remote_id`` / ``email``: None when not given. ``values``: field name -> text; None clears; ``""``
    follows the import's empty-value rule; a field that is not in the mapping is kept. ``do_not_email``:
    None when not given. ``problem``: the door could not read the record; it fails with that, in its place.
    ``warnings``: what the door itself has to say (an unknown member). ``line``: of the file, 1-based.

    ``whole``: the record is the person's whole state at this source (ID-40): a field that is not named is cleared,
    a membership of channel ``groups`` that is not in ``groups`` ends, an empty address withdraws it (ID-33).
    ``deleted``: the link ends (ID-32); only ``remote_id`` counts. ``withdrawn``: so it does, for the person is listed
    there without an address (ID-33). ``listed``: the names of all interests that the person is in through the sender's
    channel ``native``, which leaves the others (ID-38, ID-40); None: only what is added and removed changes.
    """

    remote_id: str | None = None
    email: str | None = None
    values: Mapping[str, str | None] = field(default_factory=dict)
    add_interests: tuple[str, ...] = ()
    remove_interests: tuple[str, ...] = ()
    do_not_email: bool | None = None
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    line: int | None = None
    whole: bool = False
    groups: tuple[Group, ...] = ()
    deleted: bool = False
    withdrawn: bool = False
    listed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a batch is applied (PUSH-50..56). ``interests`` join or leave as the mode says.

    ``label`` names the upload where records come without remote ID. ``integration`` names the foreign
    system when it is not the credential's own (SOAP-19). ``detail``: All, Failures or None. ``notify``: addresses
    that get a mail when a job has ended. ``change_addresses``: whether a known remote ID may come with another
    address (ID-28); None: an integration may, an upload by a person may not. ``create_fields``: a field that the brand
    does not have is made, whatever the brand's setting says (Demographics of PUSH-16). ``known_interests``: an interest
    that a record names is never made; those of the whole call may be.
    """

    mode: str = ADD_OR_UPDATE
    empty_value: str = KEEP
    interests: tuple[str, ...] = ()
    dry_run: bool = False
    detail: str = "All"
    label: str = ""
    integration: str | None = None
    notify: tuple[str, ...] = ()
    change_addresses: bool | None = None
    create_fields: bool = False
    known_interests: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record. ``index`` is the 0-based position sent; ``rule`` is of identity.md.

    ``matched_by``: ``remoteId`` or ``email`` when a stored record was found. ``changes``: what changed,
    name -> (old, new), for the decision log. ``blocked_by``: facts that kept mail from the person, words of
    :mod:`gateway.domain.suppression`.
    """

    index: int
    status: str
    rule: str | None = None
    subscriber_id: int | None = None
    remote_id: str | None = None
    email: str | None = None
    matched_by: str | None = None
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    changes: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    line: int | None = None
    blocked_by: tuple[str, ...] = ()


@dataclass(slots=True)
class Counters:
    """Counts that add up: ``received`` is the sum of the seven status counters (PUSH-28).

    ``notes``: how many records were ``EMAIL_CHANGED`` and ``MET_UNSUBSCRIBED``.
    """

    received: int = 0
    created: int = 0
    adopted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    suppressed: int = 0
    failed: int = 0
    by_code: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        self.received += 1
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)
        if outcome.problem is not None:
            self.by_code[outcome.problem.code] = self.by_code.get(outcome.problem.code, 0) + 1
        for warning in outcome.warnings:
            self.warnings[warning.code] = self.warnings.get(warning.code, 0) + 1
        if outcome.status in (UPDATED, ADOPTED) and "email" in outcome.changes:
            self._note(EMAIL_CHANGED)
        if outcome.blocked_by and status(outcome.blocked_by) == UNSUBSCRIBED:
            self._note(MET_UNSUBSCRIBED)

    def _note(self, what: str) -> None:
        self.notes[what] = self.notes.get(what, 0) + 1

    def add_many(self, status: str, count: int) -> None:
        """Counts so many outcomes of this status, of which there is nothing else to say."""
        self.received += count
        setattr(self, status, getattr(self, status) + count)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The answer to a synchronous batch. ``outcomes`` are in the order sent, trimmed by ``detail``."""

    counters: Counters
    outcomes: tuple[Outcome, ...]
    request_id: str
    as_of: dt.datetime
    dry_run: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Identifier:
    """Who is meant; at least one is given. Two that name different people: ``IDENTITY_MISMATCH``."""

    subscriber_id: int | None = None
    remote_id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One line of an Unsubscribe or Resubscribe batch."""

    who: Identifier
    reason: str | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class FieldView:
    """One value of a subscriber, with the source that gave it."""

    name: str
    value: str | None
    source: str
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class MembershipView:
    """One membership of a subscriber."""

    name: str
    source: str
    since: dt.datetime
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class SubscriberView:
    """A subscriber as every door shows it (SOAP section 4, type Subscriber).

    ``source`` reads ``integration:NAME``, ``upload``, ``upload:LABEL`` or ``local``. ``status``:
    unsubscribed, bad_email or active. ``blocked_by``: facts that block mail (opt_out, remote_flag,
    bad_email, orphan).
    """

    subscriber_id: int
    email: str | None
    remote_id: str | None
    links: tuple[tuple[str, str], ...]
    status: str
    sendable: bool
    blocked_by: tuple[str, ...]
    source: str
    first_source: str
    orphan: bool
    merged_into: int | None
    fields: tuple[FieldView, ...]
    interests: tuple[MembershipView, ...]
    created_at: dt.datetime
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class InterestView:
    """An interest with its member counts (open memberships; those of them that mail would reach).

    ``group``: the id of the group of its integration that defines who is in it; the counts are then of ``resolved_at``,
    when the system was last asked (None: never).
    """

    interest_id: int
    name: str
    description: str | None
    public: bool
    integration: str | None
    members: int
    sendable: int
    created_at: dt.datetime
    group: str | None = None
    resolved_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class SubscriberFilter:
    """FindSubscribers (SOAP-44); None does not filter. Times compare ``changed_at``."""

    email: str | None = None
    remote_id: str | None = None
    status: str | None = None
    interest: str | None = None
    source: str | None = None
    orphan: bool | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
