"""What goes into a call and what comes out of it, as plain dataclasses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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
    """One publication of a mailing."""

    instance_id: str
    state: str
    send_at: dt.datetime | None = None
    warnings: tuple[Warned, ...] = ()


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
