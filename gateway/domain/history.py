"""What happened to one person, one thing after the other? (SOAP-65)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from gateway.domain.explanation import Change

IMPORT, CHANGE, DELIVERY, EVENT = "import", "change", "delivery", "event"
KINDS = (IMPORT, CHANGE, DELIVERY, EVENT)
"""import: a decision about a record of an upload or a sync; change: any other decision, and an interest joined or left;
delivery: where a mailing to the person is now; event: what came back from the world."""

JOINED, LEFT = "joined", "left"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing. ``entry_id`` is unique in a person's history and orders what was recorded at one moment.

    ``what``: the status of a decision (created, updated, failed, ...), joined or left, the state of a delivery, the
    type of an event. ``recorded_at`` is what pages go by (SOAP-70); a delivery's moves with its state.
    ``subscriber_id`` differs from the person's where it happened to a record that was merged into it. ``row`` counts
    from 1.
    """

    entry_id: int
    kind: str
    what: str
    recorded_at: dt.datetime
    occurred_at: dt.datetime
    sentence: str
    subscriber_id: int | None = None
    remote_id: str | None = None
    email: str | None = None
    actor: str | None = None
    door: str | None = None
    upload_id: int | None = None
    row: int | None = None
    rule: str | None = None
    code: str | None = None
    message: str | None = None
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    interest: str | None = None
    source: str | None = None
    mailing_id: int | None = None
    instance_id: int | None = None
    origin: str | None = None
    reason: str | None = None
    url: str | None = None
    automated: bool = False


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Whose history; times compare ``recorded_at``."""

    subscriber_id: int
    since: dt.datetime | None = None
    until: dt.datetime | None = None
