"""What came of the mailings: reports and the feed of events (PUSH-41, PUSH-42)."""

from __future__ import annotations

import csv
import io

from flask import Blueprint, Response, g, request

from gateway.domain.events import TYPES, EventFilter
from gateway.push import query, shapes
from gateway.push.answers import show
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas.kinds import Id, Instant, Number, Word
from gateway.push.schemas.mailings import EVENT_PAGE, REPORT
from gateway.services import reporting
from gateway.services.gateway import Gateway


def routes(gateway: Gateway) -> Blueprint:
    """/mailings/{id}/report and /events."""
    made = Blueprint("reporting", __name__)

    @made.get("/mailings/<mailing_id>/report")
    @operation("PUSH-41", "The figures of a mailing", scope="report", answer=REPORT, answer_types=("text/csv",),
               parameters=(Parameter("instance", Id("of this instance alone")),))
    def report(mailing_id: str) -> Response:
        with gateway.reading(g.actor) as unit:
            found = reporting.report(unit, mailing_id=query.path_id(mailing_id), instance_id=query.given("instance"))
        if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
            return _as_csv(shapes.report_rows(found))
        return show(shapes.report(found))

    @made.get("/events")
    @operation("PUSH-42", "What happened, page by page", scope="report", answer=EVENT_PAGE, parameters=(
        Parameter("type", Word(TYPES), repeatable=True), Parameter("mailing", Number()),
        Parameter("instance", Number()), Parameter("since", Instant("recorded at or after")),
        Parameter("until", Instant("recorded before")), *query.PAGES))
    def events() -> Response:
        wanted = EventFilter(types=query.given("type"), mailing_id=query.given("mailing"),
                             instance_id=query.given("instance"), since=query.given("since"),
                             until=query.given("until"))
        with gateway.feed(g.actor) as unit:
            found = reporting.find_events(unit, wanted, query.page())
        return show(shapes.page(found, shapes.event))

    return made


def _as_csv(rows: list[tuple[str, int, int | None]]) -> Response:
    out = io.StringIO()
    csv.writer(out).writerows([("figure", "number", "of"), *rows])
    answer = Response(out.getvalue(), mimetype="text/csv")
    answer.headers["X-Request-Id"] = g.request_id
    return answer
