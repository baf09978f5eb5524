"""What is a bulk import between its acceptance and its end? (PUSH-58, PUSH-65..72)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.records import Counters, ImportOptions
from gateway.errors import GatewayError

CSV, TSV, NDJSON = "text/csv", "text/tab-separated-values", "application/x-ndjson"
JSON, XML = "application/json", "application/xml"
MEDIA_TYPES = (CSV, TSV, NDJSON, JSON, XML)
DECLARED = "text/x-declared-table"
"""A table without header whose sender says what each column is; no request names it (aapi.md section 5.4)."""

ALSO = {"text/json": JSON, "text/xml": XML}
"""Other names that senders use (PUSH-3, PUSH-57)."""

TABLES = (CSV, TSV)
WHOLE = (JSON, XML)
"""Formats that are one document: one whose end cannot be read changes nothing at all (PUSH-11)."""


QUEUED, RUNNING, HELD = "queued", "running", "held"
FINISHED, FINISHED_WITH_ERRORS, REJECTED = "finished", "finished_with_errors", "rejected"
CANCELLED, FAILED = "cancelled", "failed"
STATES = (QUEUED, RUNNING, HELD, FINISHED, FINISHED_WITH_ERRORS, REJECTED, CANCELLED, FAILED)

START, END_CLEAN, END_WITH_ERRORS, REJECT, HOLD, CANCEL, GIVE_UP, RELEASE, RESUME = (
    "start", "end_clean", "end_with_errors", "reject", "hold", "cancel", "give_up", "release", "resume")

TRANSITIONS: dict[tuple[str, str], str] = {
    (QUEUED, START): RUNNING,
    (QUEUED, CANCEL): CANCELLED,
    (RUNNING, START): RUNNING,  # a worker died: the next one goes on from the checkpoint
    (RUNNING, END_CLEAN): FINISHED,
    (RUNNING, END_WITH_ERRORS): FINISHED_WITH_ERRORS,
    (RUNNING, REJECT): REJECTED,
    (RUNNING, HOLD): HELD,
    (RUNNING, CANCEL): CANCELLED,  # the chunk in work still commits, or not, as a whole
    (RUNNING, GIVE_UP): FAILED,
    (HELD, CANCEL): CANCELLED,
    (HELD, RELEASE): RUNNING,  # the records are in; the mass change of its end is done now
    (FAILED, RESUME): RUNNING,
}
"""Every legal step of a job; FINISHED and the others that never stand on the left are final."""


def next_state(state: str, step: str) -> str:
    """The state after ``step``; raises ``STATE_CONFLICT`` naming the state for a step that is not in the table."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise GatewayError("STATE_CONFLICT", f"The import is {state}; it cannot take this step any more.",
                           field="state") from None


@dataclass(frozen=True, slots=True)
class Spooled:
    """A body that lies complete on disk. ``name`` is the file below the spool folder; sizes are of the wire."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """How the spooled body is to be read and applied. ``gzip``: it is packed; ``charset``: None is UTF-8.

    Of tables alone: ``columns`` name the columns of a file without header, ``quoted`` says whether quotes mean
    anything (PUSH-60), in a declared table whether cells may be quoted. ``delimiter`` is of CSV and of declared
    tables. ``mapping``: the name of a saved mapping, whose content at acceptance is in ``mapped`` (column -> what it
    is) or in ``columns``; in neither, there was none of this name.
    """

    options: ImportOptions
    media_type: str = CSV
    gzip: bool = False
    charset: str | None = None
    delimiter: str = ","
    columns: tuple[str, ...] = ()
    quoted: bool = True
    mapping: str | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobView:
    """A bulk import as every door shows it. ``bytes_done`` of ``size_bytes`` counts the file as it lies, packed or not.

    ``has_rejects``: its failed rows can be fetched as a file.
    """

    upload_id: int
    state: str
    options: ImportOptions
    counters: Counters
    rows_done: int
    bytes_done: int
    queued_at: dt.datetime
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    message: str | None = None
    replayed: bool = False
    size_bytes: int = 0
    has_rejects: bool = False


@dataclass(frozen=True, slots=True)
class Rejects:
    """The failed rows of a job as a file, in the format of what was sent (PUSH-33).

    ``blocks`` are its bytes as they lie, ``packed`` with gzip or not; they can be read once.
    """

    file_name: str
    media_type: str
    packed: bool
    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs a list shows; times compare ``queued_at``."""

    state: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RowErrorFilter:
    """Whose failed rows a list shows."""

    upload_id: int


@dataclass(frozen=True, slots=True)
class RowError:
    """One failed row (PUSH-72). ``row`` counts records from 1, ``line`` lines of the file."""

    error_id: int
    recorded_at: dt.datetime
    row: int
    line: int | None
    remote_id: str | None
    email: str | None
    code: str
    field: str | None
    message: str


def request_of(options: Mapping[str, Any], label: str, media_type: str, encoding: str | None) -> UploadRequest:
    """The request as its row keeps it."""
    wanted = ImportOptions(options["mode"], options["emptyValue"], tuple(options["interests"]), options["dryRun"],
                           options["detail"], label, options["integration"], tuple(options.get("notify", ())),
                           options.get("changeAddresses"), known_interests=options.get("knownInterests", False))
    return UploadRequest(wanted, media_type, encoding == "gzip", options["charset"], options["delimiter"],
                         tuple(options["columns"]), options.get("quoted", True),
                         options.get("mapping"), options.get("mapped", {}))
