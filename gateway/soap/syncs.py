"""Which operations has the sync of a foreign system? (ID-66..72)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.sync import Sample, SyncReport, SyncRunView
from gateway.services import sync, syncruns
from gateway.services.gateway import Gateway, Unit
from gateway.soap import convert
from gateway.soap.encode import Values
from gateway.soap.operation import ACT, FIND, READ, operation
from gateway.soap.types.syncs import (
    FindSyncRunsRequest,
    GetSyncRunRequest,
    StartSyncRequest,
    SyncRun,
    SyncRunPage,
)


@operation("StartSync", StartSyncRequest, SyncRun, way=ACT, right="import")
def start_sync(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Asks for a sync of an integration, which a worker does; or answers what it would do.

    Asking again before it has begun answers the same run. GetSyncRun tells how it goes.
    """
    if request.preview:
        report = sync.preview(gateway, actor, request.integration, full=bool(request.full))
        return _previewed(report) | {"requestId": actor.request_id}
    with gateway.unit(actor) as unit:
        run = syncruns.start(unit, request.integration, full=bool(request.full), release=bool(request.release))
    return _run(run) | {"requestId": actor.request_id}


@operation("GetSyncRun", GetSyncRunRequest, SyncRun, way=READ)
def get_sync_run(unit: Unit, request: Any) -> Values:
    """Tells how a sync goes or went. A run that is held names people, for whoever must decide."""
    return _run(syncruns.get(unit, convert.row_id(request.runId, "runId"))) | {"requestId": unit.actor.request_id}


@operation("FindSyncRuns", FindSyncRunsRequest, SyncRunPage, way=FIND)
def find_sync_runs(unit: Unit, request: Any) -> Values:
    """Lists syncs in pages, oldest first."""
    found = syncruns.find(unit, convert.page_request(request), integration=request.integration, state=request.state,
                          since=convert.instant_of(request.since, "since"),
                          until=convert.instant_of(request.until, "until"))
    return convert.page(found, _summary, unit.actor.request_id)


def _summary(run: SyncRunView) -> Values:
    return {"runId": str(run.run_id), "integration": run.integration, "state": run.state, "trigger": run.trigger,
            "full": run.full, "startedAt": run.started_at, "finishedAt": run.finished_at, "message": run.message,
            "count": _counts(run.counters)}


def _run(run: SyncRunView) -> Values:
    return {**_summary(run), "requestedBy": run.requested_by, "releasedBy": run.released_by,
            "instanceId": None if run.instance_id is None else str(run.instance_id), "sample": _samples(run.samples)}


def _previewed(report: SyncReport) -> Values:
    return {"integration": report.integration, "state": report.state, "full": report.full,
            "startedAt": report.started_at, "finishedAt": report.finished_at, "message": report.message or None,
            "count": _counts(report.counters), "sample": _samples(report.samples)}


def _counts(counters: Mapping[str, int]) -> list[Values]:
    return [{"name": name, "count": count} for name, count in counters.items()]


def _samples(samples: Mapping[str, Sequence[Sample]]) -> list[Values]:
    return [{"name": name, "remoteId": each.remote_id, "email": each.email, "detail": each.detail or None}
            for name, kept in samples.items() for each in kept]


OPERATIONS = (start_sync, get_sync_run, find_sync_runs)
