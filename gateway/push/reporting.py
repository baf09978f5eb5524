"""What came of the mailings: reports and the feed of events (PUSH-41, PUSH-42)."""

from __future__ import annotations

import csv
import io

from flask import Blueprint, Response, g, request

from gateway.domain.events import EventFilter
from gateway.push import query, shapes
from gateway.push.answers import show
from gateway.push.auth import require
from gateway.services import reporting
from gateway.services.gateway import Gateway


def routes(gateway: Gateway) -> Blueprint:
    """/mailings/{id}/report and /events."""
    made = Blueprint("reporting", __name__)

    @made.get("/mailings/<mailing_id>/report")
    def report(mailing_id: str) -> Response:
        require("report")
        query.only("instance")
        instance = query.text("instance")
        with gateway.reading(g.actor) as unit:
            found = reporting.report(unit, mailing_id=query.path_id(mailing_id),
                                     instance_id=None if instance is None else query.path_id(instance))
        if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
            return _as_csv(shapes.report_rows(found))
        return show(shapes.report(found))

    @made.get("/events")
    def events() -> Response:
        require("report")
        query.only("mailing", "instance", "since", "until", *query.PAGE, repeatable=("type",))
        wanted = EventFilter(types=query.texts("type"), mailing_id=query.number("mailing"),
                             instance_id=query.number("instance"), since=query.instant("since"),
                             until=query.instant("until"))
        with gateway.feed(g.actor) as unit:
            found = reporting.find_events(unit, wanted, query.page())
        return show(shapes.page(found, shapes.event))

    return made


def _as_csv(rows: list[tuple[str, object]]) -> Response:
    out = io.StringIO()
    csv.writer(out).writerows([("figure", "number"), *rows])
    answer = Response(out.getvalue(), mimetype="text/csv")
    answer.headers["X-Request-Id"] = g.request_id
    return answer
