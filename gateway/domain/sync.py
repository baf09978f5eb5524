"""What does a sync run count, when must it stop for a person, and how does it end? (ID-65..72)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from gateway.domain import records
from gateway.domain.brake import Brake
from gateway.domain.records import Outcome

REQUESTED, RUNNING = "requested", "running"
SUCCESS, PARTIAL, SKIPPED, HELD, FAILED = "success", "partial", "skipped", "held", "failed"
ENDED = (SUCCESS, PARTIAL, SKIPPED, HELD, FAILED)
STATES = (REQUESTED, RUNNING, *ENDED)
"""``requested``: somebody asked for the run, and a worker will take it: the wish outlives whoever was rung for it."""

SCHEDULE, HAND, MAILING, FOLDER = "schedule", "hand", "mailing", "folder"
TRIGGERS = (SCHEDULE, HAND, MAILING, FOLDER)
"""Why a run was made (ID-66)."""

LEASE = dt.timedelta(minutes=5)
CLOCK_TOLERANCE = dt.timedelta(minutes=1)
"""What hosts that share a database may be apart. A moment further ahead was written by a clock that was wrong."""
NIGHTLY, AFTER_FAILURE = dt.timedelta(hours=24), dt.timedelta(hours=1)
HOURLY, WEEKLY = dt.timedelta(hours=1), dt.timedelta(days=7)
TELL_AGAIN = dt.timedelta(days=7)
"""After so long somebody is told again of what has not changed."""
DIED = "The worker died."
MAX_DEATHS = 3
"""So many workers in a row may die over the same run before it is left to the schedule."""
WATCH = dt.timedelta(minutes=5)
"""How often a folder is looked at, after a run that ended as one of ``WATCHABLE``."""
WATCHABLE = (SUCCESS, PARTIAL, SKIPPED)
MAX_SAMPLES = 5

ROW_CLASSES = ("new", "changed", "adopted", "revived", "unchanged", "ended", "conflicting", "rejected")
"""What became of a row: every row read is counted in exactly one of them (ID-72)."""
EFFECTS = ("flagged", "overwritten", "orphaned", "swept", "held")
"""What happened beside: flags newly set, addresses overwritten, records left without a link, links ended because
their remote ID is gone, and links that are gone but may not be ended."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as an example of its class."""

    remote_id: str | None
    email: str | None
    detail: str = ""


@dataclass(slots=True)
class SyncCounters:
    """Counts of one run by name (``read``, ``ROW_CLASSES``, ``EFFECTS``) and some samples of each."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("read", *ROW_CLASSES, *EFFECTS), 0))
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, name: str, count: int = 1, sample: Sample | None = None) -> None:
        """Counts ``count`` rows or effects of this name."""
        self.counts[name] += count
        kept = self.samples.setdefault(name, [])
        if sample is not None and len(kept) < MAX_SAMPLES:
            kept.append(sample)

    def add_rows(self, name: str, remote_ids: Sequence[str | None], emails: Sequence[str | None]) -> None:
        """Counts rows of one class that came together, of which there is nothing else to say."""
        for remote_id, email in islice(zip(remote_ids, emails, strict=True), MAX_SAMPLES):
            self.add(name, 0, Sample(remote_id, email))
        self.add(name, len(remote_ids))

    def add_outcome(self, outcome: Outcome) -> None:
        """Counts what became of one record that went through the import."""
        sample = Sample(outcome.remote_id, outcome.email, outcome.problem.message if outcome.problem else "")
        self.add(row_class(outcome), 1, sample)
        if outcome.status == records.FAILED:
            return
        old, new = outcome.changes.get("email", (None, None))
        if "email" in outcome.changes:
            self.add("overwritten", 1, Sample(outcome.remote_id, new, f"was {old}"))
        if outcome.changes.get("doNotEmail", (None, None))[1] == "true":
            self.add("flagged", 1, sample)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a run ended. ``counters`` has ``read``, every name of ``ROW_CLASSES`` (they sum to it) and ``EFFECTS``.

    ``state``: success; partial (the source broke off, or links that are gone were not ended); skipped (an empty
    answer although there are links); held (the brake: an administrator must release it, and nothing was
    applied: the counters say what would be); failed. ``run_id`` is None for a preview, which stores nothing.
    """

    integration: str
    state: str
    full: bool
    preview: bool
    counters: Mapping[str, int]
    samples: Mapping[str, tuple[Sample, ...]]
    message: str
    run_id: int | None
    started_at: dt.datetime
    finished_at: dt.datetime


@dataclass(frozen=True, slots=True)
class SyncRunView:
    """A run as every door shows it. ``counters`` are empty until it has ended.

    ``trigger``: one of :data:`TRIGGERS`, None of an earlier version; ``instance_id``: the mailing instance before
    which it was made. ``samples`` are there while it is the last one and held. ``started_at`` of a requested one is
    when it was asked for.
    """

    run_id: int
    integration_id: int
    integration: str
    state: str
    trigger: str | None
    full: bool
    counters: Mapping[str, int]
    message: str | None
    started_at: dt.datetime
    finished_at: dt.datetime | None
    requested_by: str | None = None
    released_by: str | None = None
    instance_id: int | None = None
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: of an integration, in a state; ``since`` and ``until`` compare when they were started."""

    integration_id: int | None = None
    state: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Impact:
    """What applying the staged rows would do to the ``links`` that the integration has now."""

    links: int
    ended: int
    flagged: int
    overwritten: int


def row_class(outcome: Outcome) -> str:
    """The one class in which a record that went through the import is counted."""
    if outcome.status in (records.FAILED, records.SUPPRESSED, records.SKIPPED):
        return "rejected"
    if outcome.status == records.UPDATED:
        return "revived" if "link" in outcome.changes or "orphan" in outcome.changes else "changed"
    return {records.CREATED: "new", records.ADOPTED: "adopted", records.UNCHANGED: "unchanged"}[outcome.status]


def brake(impact: Impact, limit: Brake) -> str:
    """Why the run must be held, or nothing: more than the share of the links, and more than the rows, of ``limit``
    (ID-70)."""
    reasons = []
    for what, count in (("links to end", impact.ended), ("do-not-email flags newly set", impact.flagged),
                        ("addresses overwritten", impact.overwritten)):
        if limit.holds(count, impact.links):
            reasons.append(f"{count} of {impact.links} {what}")
    return f"Held before anything was applied: {'; '.join(reasons)}. Look at the preview; an administrator may " \
           "release the run." if reasons else ""


def is_alive(lease_until: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a run with this lease is still at work (ID-67). A lease that ends later than one given now would is of a
    clock that was wrong: else a clock that was far ahead for a moment would block the integration for years."""
    return lease_until is not None and now < lease_until <= now + LEASE + CLOCK_TOLERANCE


def is_news(state: str, told_state: str | None, told_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether somebody must be told that a run ended so, after the last of which they were told."""
    if state == SUCCESS:
        return told_state not in (None, SUCCESS)
    return state != told_state or told_at is None or not now - TELL_AGAIN < told_at <= now + CLOCK_TOLERANCE
