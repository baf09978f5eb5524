"""What does a sync run count, when must it stop for a person, and how does it end? (ID-65..72)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain import records
from gateway.domain.records import Outcome

RUNNING, SUCCESS, PARTIAL, SKIPPED, HELD, FAILED = "running", "success", "partial", "skipped", "held", "failed"

LEASE = dt.timedelta(minutes=5)
NIGHTLY, AFTER_FAILURE = dt.timedelta(hours=24), dt.timedelta(hours=1)
BRAKE_SHARE, BRAKE_ROWS = 0.10, 10
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


def brake(impact: Impact) -> str:
    """Why the run must be held, or nothing: more than 10 % of the links, and more than 10 rows (ID-70)."""
    reasons = []
    for what, count in (("links to end", impact.ended), ("do-not-email flags newly set", impact.flagged),
                        ("addresses overwritten", impact.overwritten)):
        if count > BRAKE_ROWS and count > BRAKE_SHARE * impact.links:
            reasons.append(f"{count} of {impact.links} {what}")
    return f"Held before anything was applied: {'; '.join(reasons)}. Look at the preview; an administrator may " \
           "release the run." if reasons else ""
