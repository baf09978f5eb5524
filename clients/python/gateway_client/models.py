"""What goes into a call and what comes out of it, as plain dataclasses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Clear:
    """The value that clears a field; a field that is not named is kept."""

    def __repr__(self) -> str:
        return "CLEAR"


CLEAR = Clear()


@dataclass(frozen=True, slots=True)
class Record:
    """One person to import. With a remote ID that is the identity, else the address is.

    ``fields``: name -> text, or :data:`CLEAR`. ``do_not_email``: None leaves the AMS's own flag as it is.
    """

    email: str | None = None
    remote_id: str | None = None
    fields: Mapping[str, str | Clear] = field(default_factory=dict)
    add_interests: Sequence[str] = ()
    remove_interests: Sequence[str] = ()
    do_not_email: bool | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Something to look at that stopped nothing."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class RecordResult:
    """What became of one record: ``index`` is its position over all chunks, ``rule`` what decided."""

    index: int
    status: str
    subscriber_id: str | None = None
    remote_id: str | None = None
    email: str | None = None
    rule: str | None = None
    code: str | None = None
    field: str | None = None
    message: str | None = None
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Counts and results of one call, or of all chunks of a long one; counters sum to ``received``."""

    received: int
    created: int
    adopted: int
    updated: int
    unchanged: int
    skipped: int
    suppressed: int
    failed: int
    results: tuple[RecordResult, ...]

    @property
    def failures(self) -> tuple[RecordResult, ...]:
        """The records that failed."""
        return tuple(r for r in self.results if r.status == "failed")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A stored person. ``blocked_by`` says why mail would not reach them."""

    subscriber_id: str
    email: str | None
    remote_id: str | None
    status: str
    sendable: bool
    blocked_by: tuple[str, ...]
    source: str
    first_source: str
    fields: Mapping[str, str]
    interests: tuple[str, ...]
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Interest:
    """A named list; ``members`` are in it, ``sendable`` of them would get mail."""

    interest_id: str
    name: str
    members: int
    sendable: int


@dataclass(frozen=True, slots=True)
class MailingDraft:
    """The content of a mailing and who gets it."""

    name: str
    subject: str
    from_address: str
    html: str
    interests: Sequence[str]
    from_name: str | None = None
    reply_to: str | None = None
    text: str | None = None
    exclude_interests: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Mailing:
    """A stored mailing with its instances."""

    mailing_id: str
    name: str
    subject: str
    state: str
    instances: tuple[Instance, ...] = ()
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """One publication of a mailing. ``counts``: deliveries by state; ``facts``: what came later than this library, by
    name."""

    instance_id: str
    state: str
    send_at: dt.datetime | None = None
    warnings: tuple[Warned, ...] = ()
    mailing_id: str | None = None
    reason: str | None = None
    not_after: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MailingFile:
    """A file that a mailing carries: an attachment, or an image that the HTML shows by its ``content_id``."""

    name: str
    data: bytes
    content_type: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a mailing would reach now, and how many would be left out for which reason."""

    recipients: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Decided:
    """How many messages in doubt were decided, and the instance as it is now."""

    number: int
    instance: Instance


@dataclass(frozen=True, slots=True)
class Preview:
    """A mailing as one person would get it, and how many would."""

    subject: str
    html: str
    text: str
    recipients: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test copy."""

    __test__ = False

    address: str
    status: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of an instance or a mailing by name (``targeted``, ``sent``, ``uniqueOpens`` ...)."""

    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    settled: bool
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> int:
        return self.counts[name]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a delivery or a person."""

    event_id: str
    type: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    mailing_id: str | None
    instance_id: str | None
    subscriber_id: str | None
    remote_id: str | None
    address: str | None
    url: str | None
    reason: str | None
    code: str | None
    automated: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk import. ``codes``: why records failed or were skipped, and how often; ``facts``: what came later than this
    library, by name."""

    job_id: str
    state: str
    received: int
    created: int
    adopted: int
    updated: int
    unchanged: int
    skipped: int
    suppressed: int
    failed: int
    codes: Mapping[str, int]
    rows_done: int
    queued_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    message: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself; one that is held waits for an administrator."""
        return self.finished_at is not None or self.state == "held"


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One record of a job that was refused; ``row`` counts from 1, ``line`` is of the file."""

    row: int
    code: str
    message: str
    field: str | None = None
    remote_id: str | None = None
    email: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class InterestChange:
    """Somebody ``joined`` or ``left`` an interest."""

    change: str
    at: dt.datetime
    interest: str
    subscriber_id: str
    email: str | None
    source: str
    origin: str | None


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """A member or field of a record."""

    name: str
    label: str
    type: str
    max_length: int
    editable: bool
    pick_list: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What records may hold, and the limits in force by name."""

    integration: str
    fields: tuple[FieldDescription, ...]
    limits: Mapping[str, int]
    unknown_field: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one person that a mailing was for."""

    delivery_id: str
    subscriber_id: str
    address: str | None
    remote_id: str | None
    state: str
    reason: str | None
    attempts: int
    code: str | None
    bounce_class: str | None
    accepted_at: dt.datetime | None
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing in the history of a person: ``kind`` is import, change, delivery or event; ``sentence`` tells it."""

    kind: str
    what: str
    recorded_at: dt.datetime
    occurred_at: dt.datetime
    sentence: str
    rule: str | None = None
    code: str | None = None
    interest: str | None = None
    mailing_id: str | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Blocker:
    """One fact that keeps mail from a person, and where it can be undone."""

    fact: str
    sentence: str
    undo: str


@dataclass(frozen=True, slots=True)
class Writeback:
    """A fact that your system should know: set its value, the same may come again. ``remote_id`` is your ID.

    ``kind``: unsubscribe, resubscribe, bad_email, corrected_address, interest_left, interest_joined; others may come.
    ``tries``: how often your system refused it, last with ``message``.
    """

    writeback_id: str
    kind: str
    state: str
    remote_id: str
    email: str | None
    occurred_at: dt.datetime
    origin: str | None
    reason: str | None
    code: str | None
    interest: str | None
    tries: int
    message: str | None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What became of a writeback in your system; with ``done`` false ``message`` says why, for a person."""

    writeback_id: str
    done: bool = True
    message: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """What a record that named the person led to, by which rule; ``meaning`` is the rule in one sentence."""

    recorded_at: dt.datetime
    status: str
    rule: str | None
    meaning: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class ExplainedPerson:
    """One record: ``verdict`` says whether mail reaches the person (``reaches``: None while that is not decided)."""

    subscriber_id: str
    email: str | None
    status: str
    mode: str
    reaches: bool | None
    verdict: str
    blockers: tuple[Blocker, ...]
    fields: Mapping[str, str]
    links: Mapping[str, str]
    decisions: tuple[DecisionMade, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Who somebody is and why mail reaches them or not. ``answer`` is the whole answer as zeep reads it."""

    sentence: str
    people: tuple[ExplainedPerson, ...]
    answer: Any
