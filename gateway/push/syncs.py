"""Syncs of foreign systems: ask for one, see what it would do, how it went (ID-66..72)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.sync import Sample, SyncReport, SyncRunView
from gateway.push import query
from gateway.push.answers import BASE, act, change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import syncs as schema
from gateway.push.schemas.kinds import Instant, Text
from gateway.push.shapes import Json, known, page
from gateway.services import sync, syncruns
from gateway.services.gateway import Gateway, Unit

READERS = "Takes a key with the scope report or import."


def routes(gateway: Gateway) -> Blueprint:
    """/integrations/{name}/sync, /syncs."""
    made = Blueprint("syncs", __name__)

    @made.post("/integrations/<name>/sync")
    @operation("PUSH-36", "Sync an integration", scope="import", body=schema.WISH, body_needed=False, answer=schema.RUN,
               status=202, statuses=(200,), writes=True, codes=("STATE_CONFLICT",),
               about="A worker does it; asking again before it has begun answers the same run. A preview is answered "
                     "at once, with 200, and may take as long as the system needs to be read.")
    def start(name: str) -> Response:
        body = read_json(optional=True)
        given = schema.WISH.read("", body.value or {})
        if given.get("preview"):
            return act(gateway, body.sha256, lambda: _previewed(sync.preview(
                gateway, g.actor, name, full=bool(given.get("full")))), once=False)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            return 202, _run(syncruns.start(unit, name, full=bool(given.get("full")),
                                            release=bool(given.get("release"))))

        return change(gateway, body.sha256, work)

    @made.get("/syncs")
    @operation("PUSH-36", "Find syncs", answer=schema.RUN_PAGE, codes=("NOT_ALLOWED", "NOT_FOUND"), about=READERS,
               parameters=(
        Parameter("integration", Text("whose")), Parameter("state", schema.STATE),
        Parameter("since", Instant("started at or after")), Parameter("until", Instant("started before")),
        *query.PAGES))
    def find() -> Response:
        with gateway.feed(g.actor) as unit:
            found = syncruns.find(unit, query.page(), integration=query.given("integration"),
                                  state=query.given("state"), since=query.given("since"), until=query.given("until"))
        return show(page(found, _run))

    @made.get("/syncs/<run_id>")
    @operation("PUSH-36", "One sync", answer=schema.RUN, codes=("NOT_ALLOWED",),
               about=f"{READERS} One that is held names people, for whoever must decide.")
    def get(run_id: str) -> Response:
        with gateway.reading(g.actor) as unit:
            return show(_run(syncruns.get(unit, query.path_id(run_id))))

    return made


def _run(run: SyncRunView) -> Json:
    return known(runId=str(run.run_id), integration=run.integration, state=run.state, trigger=run.trigger,
                 full=run.full, requestedBy=run.requested_by, releasedBy=run.released_by,
                 instanceId=None if run.instance_id is None else str(run.instance_id), startedAt=run.started_at,
                 finishedAt=run.finished_at, message=run.message, statusUrl=f"{BASE}/syncs/{run.run_id}",
                 samples=_samples(run.samples) or None) | {"counts": dict(run.counters)}


def _previewed(report: SyncReport) -> Json:
    return known(integration=report.integration, state=report.state, full=report.full, startedAt=report.started_at,
                 finishedAt=report.finished_at, message=report.message or None,
                 samples=_samples(report.samples) or None) | {"counts": dict(report.counters)}


def _samples(samples: Mapping[str, Sequence[Sample]]) -> Json:
    return {name: [known(remoteId=each.remote_id, email=each.email, detail=each.detail or None) for each in kept]
            for name, kept in samples.items()}
