"""How do the members of a foreign system become and stay our subscribers? (ID-65..72)"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from gateway.bridges import registry
from gateway.bridges.port import Bridge, MemberStream, Outage, Refused
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import locks
from gateway.db.queries import sync as queries
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.queries.sync import RunRow
from gateway.db.unit import Unit
from gateway.domain import sync as rules
from gateway.domain.accounts import SCOPES, Actor, system_actor
from gateway.domain.integration import IntegrationView
from gateway.domain.records import ImportOptions
from gateway.domain.sync import Impact, SyncCounters, SyncReport
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import imports, integrations, syncrows
from gateway.services.gateway import Gateway
from gateway.services.syncrows import CHUNK_ROWS

log = logging.getLogger("gateway.services")


@dataclass(slots=True)
class _Run:
    """One run in work. ``row`` is None for a preview, which holds no lease and stores nothing."""

    gateway: Gateway
    actor: Actor
    integration: IntegrationView
    stage: Stage
    started: RunRow | None
    previous: RunRow | None
    full: bool
    counters: SyncCounters = field(default_factory=SyncCounters)
    complete: bool = False
    may_sweep: bool = False
    broke_off: str = ""
    cursor: str | None = None

    @property
    def integration_id(self) -> int:
        """The integration that is synced."""
        return self.integration.integration_id


class _Undo(Exception):
    """Rolls a preview back; it never leaves this module."""


def run(gateway: Gateway, brand_id: int, integration_id: int, *, preview: bool = False, full: bool = True,
        release: bool = False) -> SyncReport:
    """Syncs one integration: everybody, or what changed if ``full`` is false and the bridge has a cursor.

    The source is read into a file first, so memory stays flat and the brake is counted before anything is
    applied; then chunks of 2,000 rows are applied, each committed on its own. ``release`` lets go of the
    brake (an administrator's act). ``preview`` runs the same code in a transaction that is rolled back: it
    gives the numbers of a run on the same state and stores nothing, but holds the brand's lock meanwhile.
    May be repeated at any time; a run that was killed is simply run again.

    A source that fails ends the run as ``failed`` or ``partial``, not with an error. Raises ``NOT_FOUND``,
    ``STATE_CONFLICT`` for an integration without a bridge, ``IN_PROGRESS`` while another run is at work.
    """
    with gateway.reading(system_actor(brand_id, "sync")) as unit:
        integration = integrations.get(unit, integration_id)
        previous = queries.newest(unit.connection, brand_id, integration_id)
        began_at = unit.now
    actor = Actor(brand_id, f"sync:{integration.name}", "sync", frozenset(SCOPES), integration_id, integration.name)
    full = full or integration.cursor is None
    with closing(integrations.bridge(gateway, integration)) as bridge, \
            closing(Stage(gateway.settings.spool_dir)) as stage:
        started = None if preview else _begin(gateway, actor, full)
        work = _Run(gateway, actor, integration, stage, started, previous, full)
        state, message = _guarded(work, bridge, release)
    return _end(work, state, message, began_at if started is None else started.started_at)


def run_sync(gateway: Gateway, brand_id: int, integration_id: int) -> None:
    """The worker's run: like :func:`run`; nothing happens while another run is at work."""
    try:
        run(gateway, brand_id, integration_id, full=False)
    except GatewayError as error:
        if error.code != "IN_PROGRESS":
            raise


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, integration) that the sweep must ring for (ID-66): the last run is a day old, failed an hour ago, or
    died. The first run of an integration is a person's decision."""
    with gateway.reading(system_actor(0)) as unit:
        return queries.due(unit.connection, registry.kinds(), unit.now)


def _begin(gateway: Gateway, actor: Actor, full: bool) -> RunRow:
    """Takes the integration's lease (ID-67); a run whose worker died is closed as failed."""
    integration_id = actor.integration_id
    assert integration_id is not None
    with gateway.unit(actor) as unit:
        locks.lock_brand(unit.connection, unit.brand_id)
        last = queries.newest(unit.connection, unit.brand_id, integration_id)
        if last is not None and last.state == rules.RUNNING:
            if last.lease_until is not None and last.lease_until > unit.now:
                raise GatewayError("IN_PROGRESS", "A sync of this integration is running. Wait until it has ended.",
                                   field="integration")
            queries.finish(unit.connection, unit.brand_id, last, rules.FAILED, {}, "The worker died.", unit.now)
        upload_id = imports.open_upload(unit, ImportOptions())
        return queries.start(unit.connection, unit.brand_id, integration_id, upload_id, full=full, now=unit.now,
                             lease_until=unit.now + rules.LEASE)


def _guarded(work: _Run, bridge: Bridge, release: bool) -> tuple[str, str]:
    """The steps of a run; a run that raises is closed as failed, so that the next one need not wait for its lease."""
    try:
        return _steps(work, bridge, release)
    except (Outage, Refused) as error:
        return rules.FAILED, str(error)
    except GatewayError as error:
        _end(work, rules.FAILED, error.message, work.gateway.clock())
        raise


def _steps(work: _Run, bridge: Bridge, release: bool) -> tuple[str, str]:
    _read(work, bridge)
    impact = _count_impact(work)
    work.counters.add("held", 0 if work.may_sweep else work.stage.missing_count())
    if work.complete and work.full and impact.links and not work.stage.read_count():
        return rules.SKIPPED, "The source lists nobody; an empty answer ends no link."
    held = "" if release else rules.brake(impact)
    if held or work.started is None:
        _apply_and_undo(work)
    else:
        _apply(work, work.started)
    if held:
        return rules.HELD, held
    if work.broke_off:
        return rules.PARTIAL, f"{work.broke_off} What came until then is applied; no link was ended for its absence."
    if work.counters.counts["held"]:
        reason = "the clock is behind the previous run" if work.stage.key_count() else "no row has a remote ID"
        return rules.PARTIAL, f"Links that are gone were not ended: {reason}."
    return rules.SUCCESS, ""


def _read(work: _Run, bridge: Bridge) -> None:
    """Stages what the source lists. A source that breaks off after its first rows is not complete, nor an error."""
    since = None if work.full else work.integration.cursor
    try:
        stream = bridge.members(since)
    except Refused:
        if since is None:
            raise
        work.full, stream = True, bridge.members(None)  # a cursor that is not taken any more (ID-68)
    with closing(stream):
        try:
            for chunk in _chunks(stream):
                work.stage.add(chunk)
                _renew(work)
        except Outage as outage:
            if not work.stage.read_count():
                raise
            work.broke_off = str(outage)
        work.complete, work.cursor = stream.complete, stream.cursor


def _chunks(stream: MemberStream) -> Iterator[list[StagedRow]]:
    """The stream in lists. What came before an outage is given before it is raised."""
    chunk: list[StagedRow] = []
    try:
        for row in syncrows.staged(stream):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                yield chunk
                chunk = []
    except Outage:
        yield chunk
        raise
    yield chunk


def _count_impact(work: _Run) -> Impact:
    """What the staged rows would do, counted before anything is applied (ID-70); finds the links that are gone."""
    ended = flagged = overwritten = 0
    with work.gateway.reading(work.actor) as unit:
        links = queries.count_links(unit.connection, unit.brand_id, work.integration_id)
        for rows in work.stage.chunks(CHUNK_ROWS):
            part = syncrows.impact(unit, work.integration_id, rows, work.stage)
            ended, flagged = ended + part.ended, flagged + part.flagged
            overwritten += part.overwritten
        if work.full:
            began = unit.now if work.started is None else work.started.started_at
            clock_is_right = work.previous is None or work.previous.started_at <= began
            syncrows.find_missing(unit, work.integration_id, work.stage, began if clock_is_right else None)
            work.may_sweep = work.complete and clock_is_right and work.stage.key_count() > 0
    if work.may_sweep:
        ended += work.stage.missing_count()
    return Impact(links, ended, flagged, overwritten)


def _apply(work: _Run, started: RunRow) -> None:
    for step in _steps_of(work):
        with work.gateway.unit(work.actor) as unit:
            _hold(unit, started)
            step(unit, started.upload_id)


def _apply_and_undo(work: _Run) -> None:
    """The same in one transaction that is rolled back (ID-71)."""
    try:
        with work.gateway.unit(work.actor) as unit:
            locks.lock_brand(unit.connection, unit.brand_id)
            upload_id = imports.open_upload(unit, ImportOptions())
            for step in _steps_of(work):
                step(unit, upload_id)
            raise _Undo
    except _Undo:
        return


def _steps_of(work: _Run) -> Iterator[Callable[[Unit, int], None]]:
    """What is to be done with a unit and the upload, chunk by chunk: the rows, then the links that are gone."""
    for rows in work.stage.chunks(CHUNK_ROWS):
        replaced = work.stage.replacements([row.key for row in rows if row.key is not None], swept=work.may_sweep)
        yield lambda unit, upload_id, rows=rows, replaced=replaced: syncrows.apply_rows(
            unit, work.integration_id, upload_id, rows, work.counters, replaced)
    number = work.stage.read_count()
    for keys in work.stage.missing(CHUNK_ROWS) if work.may_sweep else ():
        replaced = work.stage.replacements(keys, swept=True)
        yield lambda unit, upload_id, keys=keys, replaced=replaced, number=number: syncrows.sweep(
            unit, upload_id, keys, work.counters, replaced=replaced, first_number=number)
        number += len(keys)


def _renew(work: _Run) -> None:
    """Moves the lease while the source is read, at most once a minute or so."""
    started, now = work.started, work.gateway.clock()
    if started is None or (started.lease_until is not None and started.lease_until - now > rules.LEASE * 0.8):
        return
    with work.gateway.unit(work.actor) as unit:
        _hold(unit, started)
    work.started = RunRow(started.run_id, started.upload_id, started.state, started.started_at, now + rules.LEASE)


def _hold(unit: Unit, started: RunRow) -> None:
    """Renews the lease; a run that was given up meanwhile must not go on beside the next one."""
    locks.lock_brand(unit.connection, unit.brand_id)
    if not queries.renew(unit.connection, unit.brand_id, started, unit.now + rules.LEASE):
        raise GatewayError("STATE_CONFLICT", "This sync run was given up, for it had not been heard of for too long. "
                                             "Run it again.", field="integration")


def _end(work: _Run, state: str, message: str, began_at: dt.datetime) -> SyncReport:
    finished_at = work.gateway.clock()
    if work.started is not None:
        with work.gateway.unit(work.actor) as unit:
            queries.finish(unit.connection, unit.brand_id, work.started, state, work.counters.counts, message,
                           unit.now)
            if state == rules.SUCCESS and work.cursor != work.integration.cursor:
                integration_queries.set_cursor(unit.connection, unit.brand_id, work.integration_id, work.cursor)
            finished_at = unit.now
        event(log, "sync ended", brand=work.actor.brand_id, integration=work.integration_id, state=state,
              reason=message, **work.counters.counts)
    return SyncReport(
        integration=work.integration.name, state=state, full=work.full, preview=work.started is None,
        counters=dict(work.counters.counts),
        samples={name: tuple(kept) for name, kept in work.counters.samples.items() if kept},
        message=message, run_id=None if work.started is None else work.started.run_id,
        started_at=began_at, finished_at=finished_at)
