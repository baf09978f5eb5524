"""What does the error log keep of a request or a record that was refused? (PUSH-14)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

REQUEST, RECORD = "request", "record"
KINDS = (REQUEST, RECORD)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was refused as a whole. ``operation`` names it without its parameters; no bodies, no secrets.

    ``remote_id`` and ``email`` are there where the request was about one person.
    """

    brand_id: int
    actor: str
    door: str
    operation: str
    code: str
    message: str
    field: str | None = None
    request_id: str | None = None
    remote_id: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorView:
    """A line of the error log: a refused request, or a record that failed. ``row`` counts from 1.

    ``error_id`` orders lines of one moment; ``upload_id`` is there for a record of a bulk import.
    """

    error_id: int
    kind: str
    recorded_at: dt.datetime
    actor: str
    door: str
    code: str
    message: str
    operation: str | None = None
    request_id: str | None = None
    upload_id: int | None = None
    row: int | None = None
    line: int | None = None
    remote_id: str | None = None
    email: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorFilter:
    """Which lines are wanted; None does not filter. Times compare when the line was recorded."""

    code: str | None = None
    remote_id: str | None = None
    email: str | None = None
    actor: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
