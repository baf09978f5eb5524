"""How does a file become an import job, and how does the job come to its end whatever dies on the way? (PUSH-58..75)"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from gateway.clock import instant
from gateway.db.queries import uploads as stored
from gateway.domain import upload as rules
from gateway.domain.accounts import system_actor
from gateway.domain.addresses import holds_forbidden, normalise
from gateway.domain.declared import check_declared
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import ADD_OR_UPDATE, REMOVE, REPLACE_ALL, STATUS_MODES, Counters, Problem
from gateway.domain.upload import JobFilter, JobView, Rejects, RowError, RowErrorFilter, Spooled, UploadRequest
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import imports, mappings, spool
from gateway.services import rejects as rejected
from gateway.services.gateway import Gateway, Unit
from gateway.services.paging import close_page, open_window
from gateway.services.uploadruns import run_import

__all__ = ["accept", "cancel", "check", "due", "errors", "find", "first_in_line", "get", "rejects", "release", "resume",
           "run_import", "tidy"]

log = logging.getLogger("gateway.imports")

MAX_NOTIFY = 10
ORPHAN_AGE_S = 3600.0
_DELIMITER = re.compile(r'[^"\r\n\0]')


def check(request: UploadRequest) -> None:
    """Raises for a request that can be refused before its body is read: a code and its parameter."""
    _check_mode(request)
    if request.mapping is not None and (request.columns or request.media_type not in rules.TABLES):
        raise GatewayError("INVALID_REQUEST", "A saved mapping is for the columns of a table, and instead of columns=.",
                           field="mapping")
    _check_notify(request.options.notify)
    if any(holds_forbidden(name) for name in request.columns):
        raise GatewayError("INVALID_CHARACTER", "The text holds a character that cannot be stored.", field="columns")
    if _DELIMITER.fullmatch(request.delimiter) is None:
        raise GatewayError("INVALID_REQUEST", "The delimiter is one character, and no quote or line end.",
                           field="delimiter")


def _check_mode(request: UploadRequest) -> None:
    """The options as every import's; a declared table may change the status of people instead (aapi.md section 5.4)."""
    options, is_declared = request.options, request.media_type == rules.DECLARED
    if is_declared:
        check_declared(request.columns)
    if is_declared and options.mode in STATUS_MODES:
        if options.dry_run:
            raise GatewayError("INVALID_REQUEST", f"Mode {options.mode} cannot be tried out; leave dryRun out.",
                               field="dryRun")
        options = replace(options, mode=ADD_OR_UPDATE)
    imports.check_options(options)


def _check_notify(addresses: Sequence[str]) -> None:
    if len(addresses) > MAX_NOTIFY:
        raise GatewayError("LIMIT_EXCEEDED", f"At most {MAX_NOTIFY} addresses are told of a job.", field="notify")
    for address in addresses:
        problem = normalise(address)
        if isinstance(problem, Problem):
            raise GatewayError(problem.code, problem.message, field="notify")


def accept(unit: Unit, spooled: Spooled, request: UploadRequest, *, replay: bool = True) -> JobView:
    """A job for a body that lies on disk, in the caller's unit; rings for it.

    With ``replay`` an open job of the same sender, content and options is answered instead, marked
    ``replayed`` (PUSH-75): then the caller discards its file. Raises as :func:`check`, and
    ``TOO_MANY_REQUESTS`` when too many jobs of the credential are open.
    """
    unit.actor.require("import")
    check(request)
    request = _with_mapping(unit, request)
    options = _written(unit, request)
    stored.lock_sender(unit.connection, unit.brand_id, unit.actor.label)  # else two at once see no twin of each other
    if replay:
        for row in stored.twins(unit.connection, unit.brand_id, unit.actor.label, spooled.sha256):
            if (_asked(row.options), row.label, row.media_type, row.encoding) == (
                    options, request.options.label, request.media_type, _encoding(request)):
                return replace(_view(row), replayed=True)
    most = unit.settings.imports_running + unit.settings.imports_waiting  # of one credential (PUSH-13)
    if stored.count_open(unit.connection, unit.brand_id, unit.actor.label) >= most:
        raise GatewayError("TOO_MANY_REQUESTS", f"{most} imports of these credentials wait or run. Wait for one "
                                                "to end.", retry_after_s=60)
    upload_id = stored.insert(
        unit.connection, brand_id=unit.brand_id, door=unit.actor.door, actor=unit.actor.label,
        integration_id=unit.actor.integration_id, label=request.options.label, options=options, state=rules.QUEUED,
        media_type=request.media_type, encoding=_encoding(request), spool_name=spooled.name,
        size_bytes=spooled.size_bytes, sha256=spooled.sha256, counters=asdict(Counters()),
        request_id=unit.actor.request_id, queued_at=unit.now)
    unit.ring("run_import", unit.brand_id, upload_id)
    return get(unit, upload_id)


def get(unit: Unit, upload_id: int) -> JobView:
    """The job. Raises ``NOT_FOUND``."""
    return _view(_row(unit, upload_id))


def first_in_line(unit: Unit, upload_id: int) -> int:
    """The job that has to end first so that this one can (PUSH-64): often itself. Raises ``NOT_FOUND``."""
    row = _row(unit, upload_id)
    return stored.next_open(unit.connection, unit.brand_id, row.integration_id) or upload_id


def find(unit: Unit, wanted: JobFilter, request: PageRequest) -> Page[JobView]:
    """A page of jobs, oldest first. The first page needs ``gateway.feed``. Raises as every bad page."""
    window = open_window(unit, "imports", wanted, request)
    rows = stored.find(unit.connection, unit.brand_id, wanted, window)
    page = close_page(unit, "imports", wanted, window, rows, lambda row: (row.queued_at, row.id))
    return Page(tuple(_view(row) for row in page.items), page.next_token, page.as_of)


def errors(unit: Unit, upload_id: int, request: PageRequest) -> Page[RowError]:
    """A page of the job's failed rows, in the order in which they were read. Raises ``NOT_FOUND``; else as `find`."""
    _row(unit, upload_id)
    wanted = RowErrorFilter(upload_id)
    window = open_window(unit, "import errors", wanted, request)
    rows = stored.row_errors(unit.connection, unit.brand_id, upload_id, window)
    return close_page(unit, "import errors", wanted, window, rows, lambda row: (row.recorded_at, row.error_id))


def cancel(unit: Unit, upload_id: int) -> JobView:
    """Ends a job that waits or runs; a chunk in work still commits, or not, as a whole. What is stored stays.

    Cancelling twice changes nothing. Raises ``NOT_FOUND``; ``STATE_CONFLICT`` naming the state of a job that ended.
    """
    unit.actor.require("import")
    row = _row(unit, upload_id)
    if row.state != rules.CANCELLED:
        state = rules.next_state(row.state, rules.CANCEL)
        values = {"state": state, "finished_at": unit.now, "notified_at": unit.now, "lease_owner": None,
                  "lease_until": None}
        if not stored.set_state(unit.connection, unit.brand_id, upload_id, row.state, values):
            raise GatewayError("STATE_CONFLICT", "The import has just changed its state; look again.", field="state")
        # Its next in line may start; the file is removed by the sweep.
        following = stored.next_open(unit.connection, unit.brand_id, row.integration_id)
        if following is not None:
            unit.ring("run_import", unit.brand_id, following)
    return get(unit, upload_id)


def release(unit: Unit, upload_id: int) -> JobView:
    """Lets a job that the brake holds make its mass change; who did it stands in its message and options (PUSH-67).

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` naming the state of a job that is not held, or when a later call has made
    the interests complete or empty: its list is the newer one.
    """
    unit.actor.require("import")
    row = _row(unit, upload_id)
    state = rules.next_state(row.state, rules.RELEASE)
    interests = {name.casefold() for name in row.options["interests"]}
    for options in stored.later(unit.connection, unit.brand_id, upload_id, row.integration_id, (REMOVE, REPLACE_ALL)):
        if not options["dryRun"] and interests & {name.casefold() for name in options["interests"]}:
            raise GatewayError("STATE_CONFLICT", "A later import has changed these interests. Cancel this one and send "
                                                 "the complete list again.", field="state")
    return _go_on(unit, row, state, "released")


def resume(unit: Unit, upload_id: int) -> JobView:
    """Lets a job that failed go on from its checkpoint: an operator's act, once the cause is mended (PUSH-71).

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` naming the state of a job that did not fail.
    """
    unit.actor.require("import")
    row = _row(unit, upload_id)
    return _go_on(unit, row, rules.next_state(row.state, rules.RESUME), "resumed")


def _go_on(unit: Unit, row: Any, state: str, word: str) -> JobView:
    options = {name: value for name, value in row.options.items() if name != "told"}  # its end is news again
    act = {"by": unit.actor.label, "at": instant(unit.now), "requestId": unit.actor.request_id}
    message = f"{row.message or ''} {word.capitalize()} by {unit.actor.label}.".strip()
    values = {"state": state, "options": {**options, word: act}, "attempts": 0, "message": message,
              "lease_owner": None, "lease_until": None}
    if not stored.set_state(unit.connection, unit.brand_id, row.id, row.state, values):
        raise GatewayError("STATE_CONFLICT", "The import has just changed its state; look again.", field="state")
    event(log, f"import {word}", brand=unit.brand_id, upload=row.id, by=unit.actor.label)
    unit.ring("run_import", unit.brand_id, row.id)
    return get(unit, row.id)


def rejects(unit: Unit, upload_id: int) -> Rejects:
    """The failed rows of a job that has ended, as a file that is kept 30 days (PUSH-33).

    Raises ``NOT_FOUND``, also when no row failed or the file is gone, and ``STATE_CONFLICT`` before the end.
    """
    row = _row(unit, upload_id)
    if row.finished_at is None:
        raise GatewayError("STATE_CONFLICT", f"The import is {row.state}; its rejected rows come with its end. Until "
                                             "then they can be read as errors.", field="state")
    if row.rejects_name is None:
        raise GatewayError("NOT_FOUND", "There is no file of rejected rows: none failed, it was removed after 30 days, "
                                        "or the import was cancelled.")
    request = rules.request_of(row.options, row.label, row.media_type, row.encoding)
    return rejected.open_file(unit.settings.spool_dir, row, request)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, job) of what waits or lost its worker: what the sweep rings for."""
    with gateway.reading(system_actor(0)) as unit:
        return stored.due(unit.connection, unit.now)


def tidy(gateway: Gateway) -> int:
    """Removes files that no job wants: of cancelled jobs, of requests that died, and rejected rows after 30 days.

    Answers how many.
    """
    with gateway.unit(system_actor(0)) as unit:
        stored.forget_rejects(unit.connection, unit.now - rejected.KEPT)
        wanted = stored.spool_names(unit.connection)
    return spool.tidy(gateway.settings.spool_dir, wanted, ORPHAN_AGE_S)


def _row(unit: Unit, upload_id: int) -> Any:
    row = stored.get(unit.connection, unit.brand_id, upload_id)
    if row is None:
        raise GatewayError("NOT_FOUND", "There is no import of this id.")
    return row


def _with_mapping(unit: Unit, request: UploadRequest) -> UploadRequest:
    """The request with what its saved mapping says now: all chunks are read alike, whoever changes it meanwhile."""
    if request.mapping is None:
        return request
    try:
        columns = mappings.get(unit, request.mapping).columns
    except GatewayError:
        return request  # its job is rejected (PUSH-69)
    return replace(request, mapped=columns) if isinstance(columns, Mapping) else replace(request, columns=columns)


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without what became of the job since it was taken in."""
    return {name: value for name, value in options.items() if name not in ("released", "resumed", "told")}


def _encoding(request: UploadRequest) -> str | None:
    return "gzip" if request.gzip else None


def _written(unit: Unit, request: UploadRequest) -> dict[str, Any]:
    """What the worker must know besides the row's own columns."""
    return {**imports.options_as_json(request.options), "integration": request.options.integration,
            "charset": request.charset, "delimiter": request.delimiter, "columns": list(request.columns),
            "quoted": request.quoted, "mapping": request.mapping, "mapped": dict(request.mapped),
            "notify": list(request.options.notify), "scopes": sorted(unit.actor.scopes)}


def _view(row: Any) -> JobView:
    request = rules.request_of(row.options, row.label, row.media_type, row.encoding)
    return JobView(row.id, row.state, request.options, Counters(**row.counters), row.rows_done, row.bytes_done,
                   row.queued_at, row.started_at, row.finished_at, row.message, size_bytes=row.size_bytes,
                   has_rejects=row.rejects_name is not None)
