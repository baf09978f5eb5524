"""How does a worker take an import job to its end, exactly once, whoever was killed before it? (PUSH-63..71)

The row is the truth: a worker claims it under a lease, and every chunk commits its records, their outcomes, the
counters and the checkpoint together. Whoever comes next skips as many records as the checkpoint says.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from gateway.db.queries import fields, locks
from gateway.db.queries import uploads as stored
from gateway.domain import upload as rules
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.addresses import printable
from gateway.domain.recordblock import Records
from gateway.domain.records import ADD_OR_UPDATE, REPLACE_ALL, STATUS_MODES, Counters
from gateway.domain.upload import UploadRequest
from gateway.errors import GatewayError
from gateway.formats.records import RecordStream, open_records
from gateway.log import event
from gateway.services import imports, integrations, rejects, spool, statusrows
from gateway.services.gateway import Gateway, Unit
from gateway.services.importcontext import undone_if
from gateway.services.imports import ImportContext

log = logging.getLogger("gateway.imports")

CHUNK_ROWS = 2000
STATUS_ROWS = 200
"""Rows of a chunk that change the status of people: each may have its writebacks, and others must not wait long."""

LEASE = dt.timedelta(seconds=30)
"""How long a job whose worker died waits for the next one; a chunk in work keeps its job, however long it takes."""

DRY_ROWS = 20_000
"""Rows that a dry run applies and takes back in one transaction: a few seconds, in which others wait."""

MAX_ATTEMPTS = 5
"""Claims in a row that stored nothing before the job is given up."""

MAX_NAMED_COLUMNS = 20
MAX_MESSAGE = 5000


class _LostLease(Exception):
    """The job was cancelled, or another worker has it: this one stops, and its open transaction is undone."""


@dataclass(slots=True)
class _Run:
    """A claimed job in the hands of this worker."""

    gateway: Gateway
    actor: Actor
    upload_id: int
    integration_id: int
    owner: str
    request: UploadRequest
    counters: Counters
    rows_done: int
    spool_name: str
    attempts: int
    started_at: dt.datetime
    position: list[int] = field(default_factory=lambda: [0])  # bytes of the file read so far
    unread: int = 0  # rows that nobody can say whom they mean
    released: bool = False  # from the brake
    rejects_name: str | None = None
    pieces: int = 0  # of a dry run


def run_import(gateway: Gateway, brand_id: int, upload_id: int, *,
               stopping: Callable[[], bool] = lambda: False) -> None:
    """Works on the job until its end, or until ``stopping`` says so after a chunk; may be called any number of times.

    Does nothing for a job that has ended, is in another worker's hands, or must wait for an older one of the same
    integration (PUSH-64). Raises what a later call may get over (``UNAVAILABLE``, our own faults); the job then waits
    for it, and is ``failed`` after five claims that stored nothing. A dry run gives the numbers of the real one, of a
    file of one piece exactly, and writes nothing but the job.
    """
    run = _claim(gateway, brand_id, upload_id)
    if run is None:
        return
    event(log, "import started", brand=brand_id, upload=upload_id, rows_done=run.rows_done, attempt=run.attempts)
    try:
        if run.attempts > MAX_ATTEMPTS:
            _end(run, rules.GIVE_UP, message="The import failed several times in a row at the same place; an operator "
                                             "has to look into it.")
        elif not _work(run, stopping):
            _release(run)
    except _LostLease:
        event(log, "import taken away", brand=brand_id, upload=upload_id)
    except GatewayError as error:
        if error.retryable:
            _release(run, attempts=run.attempts - 1)  # a full disk or a store that is away is no fault of the file
            raise
        _refuse(run, error)
    except Exception as error:  # the boundary of the background process: the job must not stay claimed
        event(log, "import broke off", level=logging.ERROR, brand=brand_id, upload=upload_id,
              error=type(error).__name__)
        _release(run)
        raise


def _work(run: _Run, stopping: Callable[[], bool]) -> bool:
    """Reads and applies what is left; False when it was asked to stop before the end."""
    with run.gateway.reading(run.actor) as unit:
        known_fields = {folded: field.name for folded, field in
                        fields.of_brand(unit.connection, unit.brand_id).items()}
    if run.request.media_type in rules.WHOLE and not run.rows_done:
        _check_end(run, known_fields)
    stream = _not_empty(run, open_records(_blocks(run, run.position), run.request, known_fields))
    context = _prepare(run, stream)
    _pass_over(run, context, stream)
    for _ in _steps(run, context, stream):
        if stopping():
            return False
    _finish(run, context)
    return True


def _steps(run: _Run, context: ImportContext, stream: RecordStream) -> Iterator[None]:
    """Applies what is left, one transaction a step."""
    if run.request.options.dry_run:
        while piece := stream.take_piece(DRY_ROWS, CHUNK_ROWS):
            _try(run, context, piece)
            yield
    else:
        rows = STATUS_ROWS if run.request.options.mode in STATUS_MODES else CHUNK_ROWS
        while chunk := stream.take(min(rows, CHUNK_ROWS)):
            _apply(run, context, chunk)
            yield


def _blocks(run: _Run, position: list[int]) -> Iterator[bytes]:
    """The unpacked file; the job is not taken for dead while it is read, and a cancelled one stops."""
    return spool.blocks_of(run.gateway.settings.spool_dir, run.spool_name, gzip=run.request.gzip, position=position,
                           tick=_keeper(run))


def _check_end(run: _Run, known_fields: Mapping[str, str]) -> None:
    """Reads a document once to its end before anything of it is applied: a broken one changes nothing (PUSH-11).

    Raises what its reader raises; the job is then rejected.
    """
    for _ in open_records(_blocks(run, [0]), run.request, known_fields).records:
        pass


def _keeper(run: _Run) -> Callable[[], None]:
    """To be called while something long is read: keeps the job from being taken for dead."""
    renew_at = run.gateway.clock() + LEASE / 2

    def keep() -> None:
        nonlocal renew_at
        if run.gateway.clock() >= renew_at:
            with run.gateway.unit(run.actor) as unit:
                _record(run, unit, lease_until=run.gateway.clock() + LEASE)
            renew_at = run.gateway.clock() + LEASE / 2

    return keep


def _not_empty(run: _Run, stream: RecordStream) -> RecordStream:
    """The stream; raises ``INVALID_REQUEST`` for a ReplaceAll of nothing, before it makes an interest."""
    if run.request.options.mode == REPLACE_ALL and stream.is_empty():
        raise GatewayError("INVALID_REQUEST", "ReplaceAll without records would empty the interests. Send the complete "
                                              "list.")
    return stream


def _prepare(run: _Run, stream: RecordStream) -> ImportContext:
    """What all chunks share; columns that go nowhere are one warning of the job, however many rows it has (PUSH-61)."""
    with run.gateway.unit(run.actor) as unit:
        _hold(run, unit)
        if run.rows_done == 0 and stream.unmapped:
            run.counters.warnings["FIELD_UNKNOWN"] = len(stream.unmapped)
            names = ", ".join(f"'{name[:100]}'" for name in stream.unmapped[:MAX_NAMED_COLUMNS])
            message = f"There is no field for these columns, so their values are not stored: {names}."
            _record(run, unit, counters=asdict(run.counters), message=printable(message, MAX_MESSAGE))
        options = run.request.options
        if options.mode in STATUS_MODES:  # nobody is made or joins an interest
            options = replace(options, mode=ADD_OR_UPDATE, interests=())
        return imports.prepare(unit, options, run.upload_id)


def _pass_over(run: _Run, context: ImportContext, stream: RecordStream) -> None:
    """Skips what is stored already. ReplaceAll must know at the end whom all rows named, also those."""
    left, keep = run.rows_done, _keeper(run)
    while left and (chunk := stream.take(min(left, CHUNK_ROWS))):
        left -= len(chunk)
        if context.options.mode == REPLACE_ALL:
            run.unread += _count_unread(chunk)
            with run.gateway.reading(run.actor) as unit:
                imports.recognise(unit, context, chunk)
        keep()  # to know them all may take longer than to read them


def _apply(run: _Run, context: ImportContext, chunk: Records) -> None:
    """One chunk in one transaction: records, outcomes, counters, checkpoint."""
    counters = Counters(**asdict(run.counters))
    with run.gateway.unit(run.actor) as unit:
        _hold(run, unit)
        if run.request.options.mode in STATUS_MODES:
            statusrows.apply_counted(unit, run.request.options.mode, run.upload_id, chunk, run.rows_done, counters)
        else:
            imports.apply_counted(unit, context, chunk, run.rows_done, counters)
        _record(run, unit, counters=asdict(counters), rows_done=run.rows_done + len(chunk),
                bytes_done=run.position[0], attempts=0)
    run.counters, run.rows_done = counters, run.rows_done + len(chunk)
    if context.options.mode == REPLACE_ALL:
        run.unread += _count_unread(chunk)


def _try(run: _Run, context: ImportContext, piece: list[Records]) -> None:
    """Some chunks of a dry run: applied as a real run would, counted, and taken back as a whole."""
    counters, wrong, rows_done = Counters(**asdict(run.counters)), [], run.rows_done
    real = replace(context, options=replace(context.options, dry_run=False))
    with run.gateway.unit(run.actor) as unit:
        _hold(run, unit)
        with undone_if(unit, True):
            for chunk in piece:
                outcomes = imports.apply_chunk(unit, real, chunk, rows_done)
                rows_done += len(chunk)
                wrong += [outcome for outcome in outcomes if outcome.problem is not None]
                for outcome in outcomes:
                    counters.add(outcome)
        imports.log_outcomes(unit, context, wrong)
        _record(run, unit, counters=asdict(counters), rows_done=rows_done, bytes_done=run.position[0], attempts=0)
    run.counters, run.rows_done, run.pieces = counters, rows_done, run.pieces + 1
    run.unread += sum(map(_count_unread, piece))


def _forecast(run: _Run, context: ImportContext) -> str | None:
    """What the end of a dry run says besides its numbers."""
    said = []
    if run.pieces > 1 or run.rows_done > DRY_ROWS:
        said.append(f"The file was tried in pieces of at most {DRY_ROWS} rows: a new person who comes again in "
                    "another piece is counted as created once more.")
    if context.options.mode == REPLACE_ALL and not run.unread:
        real = replace(context, options=replace(context.options, dry_run=False))
        with run.gateway.unit(run.actor) as unit, undone_if(unit, True):
            _hold(run, unit)
            try:
                said.append(f"{imports.finish(unit, real, joined_by=run.started_at)} memberships would end.")
            except GatewayError as error:
                said.append(f"{error.code}: {error.message}")
    return " ".join(said) or None


def _finish(run: _Run, context: ImportContext) -> None:
    """The end of a complete file; with ReplaceAll the others leave in the transaction of the end (PUSH-55)."""
    step = rules.END_WITH_ERRORS if run.counters.failed else rules.END_CLEAN
    if run.counters.failed:
        run.rejects_name = rejects.build(run.gateway, run.actor, run.upload_id, run.request, run.spool_name,
                                         _keeper(run))
    if context.options.dry_run:
        _end(run, step, message=_forecast(run, context))
    elif context.options.mode != REPLACE_ALL:
        _end(run, step)
    elif run.unread:
        _end(run, step, message=f"Nobody was taken out of the interests, for {run.unread} rows could not be read and "
                                "may mean members. Correct them and send the complete list again.")
    else:
        _end(run, step, before=lambda unit: imports.finish(unit, context, released=run.released,
                                                                joined_by=run.started_at))


def _count_unread(chunk: Records) -> int:
    return sum(1 for record in chunk if record.problem and not record.remote_id and not record.email)


def _claim(gateway: Gateway, brand_id: int, upload_id: int) -> _Run | None:
    owner = uuid.uuid4().hex
    with gateway.unit(system_actor(brand_id)) as unit:
        row = stored.claim(unit.connection, brand_id, upload_id, owner, unit.now, unit.now + LEASE)
        _ring_when_free(unit, upload_id)
        if row is None:
            return None
        integration = integrations.get(unit, row.integration_id)
    actor = Actor(brand_id, row.actor, row.door, frozenset(row.options["scopes"]), row.integration_id,
                  integration.name, row.request_id or "")
    request = rules.request_of(row.options, row.label, row.media_type, row.encoding)
    return _Run(gateway, actor, upload_id, row.integration_id, owner, request, Counters(**row.counters),
                row.rows_done, row.spool_name, row.attempts, row.started_at,
                released="released" in row.options, pieces=min(row.rows_done, 1))


def _ring_when_free(unit: Unit, upload_id: int) -> None:
    """Looks again when the lease of a running job ends, so long as it runs: if its worker was killed, nobody else may
    be woken for it, and the message of the dead one comes back later than that."""
    row = stored.get(unit.connection, unit.brand_id, upload_id)
    if row is not None and row.state == rules.RUNNING and row.lease_until is not None and row.lease_until > unit.now:
        unit.ring("run_import", unit.brand_id, upload_id, delay_s=(row.lease_until - unit.now).total_seconds() + 1.0)


def _hold(run: _Run, unit: Unit) -> None:
    """Takes the brand's turn, then renews the lease inside the chunk's transaction: cancelling waits for its end."""
    locks.lock_brand(unit.connection, unit.brand_id)
    _record(run, unit, lease_until=run.gateway.clock() + LEASE)


def _record(run: _Run, unit: Unit, **values: Any) -> None:
    if not stored.record(unit.connection, unit.brand_id, run.upload_id, run.owner, values):
        raise _LostLease


def _end(run: _Run, step: str, *, message: str | None = None,
         before: Callable[[Unit], object] = lambda unit: None) -> None:
    """Ends the job, wakes the next one of the integration, and removes the file if nobody can want it again.

    ``before`` is done in the same transaction.
    """
    state = rules.next_state(rules.RUNNING, step)
    final = state not in (rules.FAILED, rules.HELD)
    with run.gateway.unit(run.actor) as unit:
        _hold(run, unit)
        before(unit)
        values: dict[str, Any] = {"state": state, "lease_owner": None, "lease_until": None}
        if message is not None:
            values["message"] = message
        if final:
            # the others stay open: an operator or a release takes them up again
            values |= {"finished_at": unit.now, "spool_name": None, "rejects_name": run.rejects_name}
        if run.request.options.notify:
            values["notified_at"] = None
            unit.ring("tell_of_import", unit.brand_id, run.upload_id)
        elif final:
            values["notified_at"] = unit.now
        _record(run, unit, **values)
        following = stored.next_open(unit.connection, unit.brand_id, run.integration_id)
        if following is not None:
            unit.ring("run_import", unit.brand_id, following)
    if final:
        spool.discard(run.gateway.settings.spool_dir, run.spool_name)
    event(log, "import ended", brand=run.actor.brand_id, upload=run.upload_id, state=state, rows=run.rows_done)


def _refuse(run: _Run, error: GatewayError) -> None:
    """The content cannot be applied: rejected while nothing of it is, held by the brake, else failed."""
    if error.code == "BRAKE_HELD":
        step = rules.HOLD
    else:
        step = rules.REJECT if run.rows_done == 0 else rules.GIVE_UP
    try:
        _end(run, step, message=printable(f"{error.code}: {error.message}", MAX_MESSAGE))
    except _LostLease:
        event(log, "import taken away", brand=run.actor.brand_id, upload=run.upload_id)


def _release(run: _Run, **values: Any) -> None:
    """Lets another worker take the job at once; if even that fails, the lease ends by itself."""
    try:
        with run.gateway.unit(run.actor) as unit:
            stored.record(unit.connection, unit.brand_id, run.upload_id, run.owner,
                          {"lease_owner": None, "lease_until": None, **values})
    except GatewayError as error:
        event(log, "import not released", level=logging.WARNING, upload=run.upload_id, code=error.code)
