"""How do the members of a foreign system become and stay our subscribers? (ID-65..72)"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from gateway.bridges import registry
from gateway.bridges.port import Bridge, MemberStream, Outage, Refused, WatchedBridge
from gateway.clock import Clock
from gateway.db import engine as db_engine
from gateway.db.engine import Engine
from gateway.db.queries import locks
from gateway.db.queries import sync as queries
from gateway.db.queries import syncruns as run_queries
from gateway.db.queries.privatecopy import private_copy
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.queries.syncruns import RunRow
from gateway.db.unit import Unit
from gateway.domain import sync as rules
from gateway.domain.accounts import SCOPES, Actor, system_actor
from gateway.domain.brake import Brake
from gateway.domain.integration import IntegrationView
from gateway.domain.records import ImportOptions
from gateway.domain.sync import Impact, SyncCounters, SyncReport
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import imports, integrations, syncchoices, syncrows, syncruns
from gateway.services.gateway import Gateway
from gateway.services.syncrows import CHUNK_ROWS
from gateway.services.syncruns import Ending, Wish

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
    limit: Brake | None
    latest: dt.datetime
    counters: SyncCounters = field(default_factory=SyncCounters)
    complete: bool = False
    may_sweep: bool = False
    kept: int = 0
    broke_off: str = ""
    cursor: str | None = None
    stream: MemberStream | None = None
    clock_is_right: bool = True

    @property
    def integration_id(self) -> int:
        """The integration that is synced."""
        return self.integration.integration_id


    def began_at(self, now: dt.datetime) -> dt.datetime:
        """When the reading began; for a preview, the moment of counting."""
        return now if self.started is None else self.started.started_at

    def look_at_clock(self) -> bool:
        """Whether the clock has only gone forward during this run. If it was set back, it cannot be said which links
        were made while the source was being read, so none may be swept (ID-69)."""
        now = self.gateway.clock()
        self.clock_is_right = self.clock_is_right and now >= self.latest
        self.latest = max(now, self.latest)
        return self.clock_is_right


class _Undo(Exception):
    """Rolls a preview back; it never leaves this module."""


def run(gateway: Gateway, brand_id: int, integration_id: int, *, preview: bool = False, full: bool = True,
        release: bool = False, by: str | None = None) -> SyncReport:
    """Syncs one integration now: everybody, or what changed if ``full`` is false and the bridge has a cursor.

    The source is read into a file first, so memory stays flat and the brake is counted before anything is
    applied; then chunks of 2,000 rows are applied, each committed on its own. ``release`` lets go of the
    brake (an administrator's act, ``by`` whom is kept). ``preview`` runs the same code where it is undone: it gives the
    numbers of a run on the same state and stores nothing. On PostgreSQL it holds the brand's lock meanwhile; on SQLite
    it works on a copy, and nobody waits. May be repeated at any time; a run that was killed is simply run again.

    A source that fails ends the run as ``failed`` or ``partial``, not with an error. Raises ``NOT_FOUND``,
    ``STATE_CONFLICT`` for an integration without a bridge, ``IN_PROGRESS`` while another run is at work, and
    ``UNAVAILABLE`` where the disk has no room for a copy.
    """
    integration = _integration(gateway, brand_id, integration_id)
    actor = _actor(integration)
    with closing(integrations.bridge(gateway, integration)) as bridge:
        wish = Wish(rules.HAND, full, by, (by or actor.label) if release else None)
        with gateway.reading(actor) if preview else gateway.unit(actor) as unit:
            limit = None if release else syncchoices.brake(unit, integration)
            if preview:
                last = run_queries.newest(unit.connection, brand_id, integration_id)
                begun = None
            else:
                begun, last = syncruns.begin(unit, integration, wish)
            began_at = unit.now
        return _work(gateway, bridge, integration, begun, last, limit, began_at, full)


def preview(gateway: Gateway, actor: Actor, name: str, *, full: bool = True) -> SyncReport:
    """:func:`run` as a preview for whoever asks through a door, with names: needs the right ``import``."""
    with gateway.reading(actor) as unit:
        actor.require("import")
        found = integrations.get_by_name(unit, name)
    return run(gateway, actor.brand_id, found.integration_id, preview=True, full=full)


def run_sync(gateway: Gateway, brand_id: int, integration_id: int) -> None:
    """The worker's run: what was asked for, or is due by the schedule (ID-66). Nothing happens while another run is at
    work, or where no file waits; so it may be called at any time and any number of times."""
    integration = _integration(gateway, brand_id, integration_id)
    actor = _actor(integration)
    if not _has_news(gateway, integration):
        with gateway.unit(actor) as unit:
            syncruns.skip(unit, integrations.get(unit, integration_id))
        return
    with gateway.unit(actor) as unit:
        integration = integrations.get(unit, integration_id)
        taken = syncruns.take(unit, integration)
        limit = syncchoices.brake(unit, integration)
    if taken is None:
        return
    begun, last = taken
    try:
        made = integrations.bridge(gateway, integration)
    except GatewayError as error:  # a configuration that does not open: said where people look
        with gateway.unit(actor) as unit:
            syncruns.end(unit, integration, begun, Ending(rules.FAILED, error.message, {}, begun.full, None, {}))
        return
    with closing(made) as bridge:
        _work(gateway, bridge, integration, begun, last, None if begun.released_by else limit, begun.started_at,
              begun.full)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, integration) that the sweep must ring for (ID-66): a run was asked for, lost its worker, or is due by the
    schedule; folders are looked at every some minutes. The first run of an integration is a person's decision."""
    with gateway.reading(system_actor(0)) as unit:
        return syncruns.due(unit)


def _integration(gateway: Gateway, brand_id: int, integration_id: int) -> IntegrationView:
    with gateway.reading(system_actor(brand_id, "sync")) as unit:
        return integrations.get(unit, integration_id)


def _actor(integration: IntegrationView) -> Actor:
    return Actor(integration.brand_id, f"sync:{integration.name}", "sync", frozenset(SCOPES),
                 integration.integration_id, integration.name)


def _has_news(gateway: Gateway, integration: IntegrationView) -> bool:
    if integration.kind not in registry.WATCHED:
        return True
    with gateway.reading(system_actor(integration.brand_id, "sync")) as unit:
        if syncruns.is_asked_for(unit, integration.integration_id):
            return True
    try:
        with closing(integrations.bridge(gateway, integration)) as bridge:
            return cast(WatchedBridge, bridge).has_news()
    except Outage:
        return True  # the run says so where people look


def _work(gateway: Gateway, bridge: Bridge, integration: IntegrationView, begun: RunRow | None, last: RunRow | None,
          limit: Brake | None, began_at: dt.datetime, full: bool) -> SyncReport:
    with closing(Stage(gateway.settings.spool_dir)) as stage:
        work = _Run(gateway, _actor(integration), integration, stage, begun, last,
                    full or integration.cursor is None, limit, latest=began_at)
        state, message = _guarded(work, bridge)
    report = _end(work, state, message, began_at)
    if begun is not None and work.stream is not None:
        work.stream.settle(state, message)
    return report


def _guarded(work: _Run, bridge: Bridge) -> tuple[str, str]:
    """The steps of a run; a run that raises is closed as failed, so that the next one need not wait for its lease."""
    try:
        return _steps(work, bridge)
    except (Outage, Refused) as error:
        return rules.FAILED, str(error)
    except GatewayError as error:
        if work.started is not None:
            _end(work, rules.FAILED, error.message, work.started.started_at)
        raise


def _steps(work: _Run, bridge: Bridge) -> tuple[str, str]:
    _read(work, bridge)
    impact = _count_impact(work)
    work.counters.add("held", work.kept + (0 if work.may_sweep else work.stage.missing_count()))
    if work.complete and work.full and impact.links and not work.stage.read_count():
        return rules.SKIPPED, "The source lists nobody; an empty answer ends no link."
    held = "" if work.limit is None else rules.brake(impact, work.limit)
    if held:
        return rules.HELD, held + _count_held(work)
    if work.started is None:
        _rehearse(work)
    else:
        _apply(work, work.started)
    if work.broke_off:
        return rules.PARTIAL, f"{work.broke_off} What came until then is applied; no link was ended for its absence."
    if work.counters.counts["held"] and not work.may_sweep:
        reason = "the clock was set back" if work.stage.key_count() else "no row has a remote ID"
        return rules.PARTIAL, f"Links that are gone were not ended: {reason}."
    kept = f"{work.kept} links were kept although their remote IDs are gone: rows without one have their addresses."
    return rules.SUCCESS, kept if work.kept else ""


def _read(work: _Run, bridge: Bridge) -> None:
    """Stages what the source lists. A source that breaks off after its first rows is not complete, nor an error."""
    since = None if work.full else work.integration.cursor
    try:
        stream = bridge.changed_since(since)
    except Refused:
        if since is None:
            raise
        work.full, stream = True, bridge.changed_since(None)  # a cursor that is not taken any more (ID-68)
    work.stream, work.full = stream, work.full and stream.lists_everybody
    with closing(stream):
        try:
            for chunk in _chunks(stream, work.gateway.clock):
                work.stage.add(chunk)
                work.look_at_clock()
                _renew(work)
        except Outage as outage:
            if not work.stage.read_count():
                raise
            work.broke_off = str(outage)
        work.complete, work.cursor = stream.complete, stream.cursor


def _chunks(stream: MemberStream, clock: Clock) -> Iterator[list[StagedRow]]:
    """The stream in lists, of fewer rows where they come slowly. What came before an outage is given before it is
    raised."""
    chunk: list[StagedRow] = []
    began, patience = clock(), rules.LEASE / 5
    try:
        for row in syncrows.staged(stream):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS or clock() - began > patience:
                yield chunk
                chunk, began = [], clock()
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
            part = syncrows.impact(unit, work.integration_id, rows, work.stage, links=links)
            ended, flagged = ended + part.ended, flagged + part.flagged
            overwritten += part.overwritten
            _renew(work)
        if work.full:
            began = work.began_at(unit.now)
            clock_is_right = work.look_at_clock() and (work.previous is None or work.previous.started_at <= began)
            work.kept = syncrows.find_missing(unit, work.integration_id, work.stage, began if clock_is_right else None)
            work.may_sweep = work.complete and clock_is_right and work.stage.key_count() > 0
    if work.may_sweep:
        ended += work.stage.missing_count()
    return Impact(links, ended, flagged, overwritten)


def _apply(work: _Run, started: RunRow) -> None:
    for step in _steps_of(work):
        with work.gateway.unit(work.actor) as unit:
            syncruns.hold(unit, started)
            step(unit, started.upload_id)


def _count_held(work: _Run) -> str:
    """Counts what the run would do; that it is held does not hang on that (ID-70): why it could not be counted."""
    try:
        _rehearse(work)
    except GatewayError as error:
        if error.code != "UNAVAILABLE" or work.started is None:
            raise
        work.counters = SyncCounters()
        return f" What it would do could not be counted: {error.message}"
    return ""


def _rehearse(work: _Run) -> None:
    """Counts what :func:`_apply` would do, and leaves all as it is (ID-71). What takes SQLite's lock no longer than a
    chunk of a run does is done in place; more would hold up everybody who writes."""
    rows = work.stage.read_count() + (work.stage.missing_count() if work.may_sweep else 0)
    _renew(work)  # nobody can take the run over while the brand's lock is held, but right after that
    if work.gateway.engine.dialect.name != "sqlite" or rows <= CHUNK_ROWS:
        _apply_and_undo(work)
    else:
        _apply_to_copy(work)


def _apply_to_copy(work: _Run) -> None:
    """The same, chunk by chunk, on a copy of the database that is thrown away: nobody waits."""
    with private_copy(work.gateway.engine, work.gateway.settings.data_dir) as copy:
        with _trial(work, copy) as unit:
            upload_id = imports.open_upload(unit, ImportOptions())
        for step in _steps_of(work):
            with _trial(work, copy) as unit:
                step(unit, upload_id)
            _renew(work)


@contextmanager
def _trial(work: _Run, copy: Engine) -> Iterator[Unit]:
    """A transaction on the copy; nobody is rung for what is done there."""
    gateway = work.gateway
    with db_engine.begin(copy) as connection:
        yield Unit(connection, work.actor, gateway.clock(), gateway.settings, gateway.keys)


def _apply_and_undo(work: _Run) -> None:
    """The same in one transaction that is rolled back."""
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
    """Moves the lease while the source is read and counted, at most once a minute or so, and at once when the clock was
    set."""
    started, now = work.started, work.gateway.clock()
    if started is None or (started.lease_until is not None and
                           rules.LEASE * 0.8 < started.lease_until - now <= rules.LEASE):
        return
    with work.gateway.unit(work.actor) as unit:
        syncruns.hold(unit, started)
    work.started = replace(started, lease_until=now + rules.LEASE)


def _end(work: _Run, state: str, message: str, began_at: dt.datetime) -> SyncReport:
    finished_at = work.gateway.clock()
    samples = {name: tuple(kept) for name, kept in work.counters.samples.items() if kept}
    if work.started is not None:
        ending = Ending(state, message, work.counters.counts, work.full, work.cursor, samples)
        with work.gateway.unit(work.actor) as unit:
            if not syncruns.end(unit, work.integration, work.started, ending):
                raise syncruns.given_up()
            finished_at = unit.now
        event(log, "sync ended", brand=work.actor.brand_id, integration=work.integration_id, state=state,
              reason=message, **work.counters.counts)
    return SyncReport(
        integration=work.integration.name, state=state, full=work.full, preview=work.started is None,
        counters=dict(work.counters.counts), samples=samples,
        message=message, run_id=None if work.started is None else work.started.run_id,
        started_at=began_at, finished_at=finished_at)
