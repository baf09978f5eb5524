"""People over HTTP: import a batch, look, stop and start mail (PUSH-31, PUSH-35, PUSH-36)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.mapping import entry_of, record_of
from gateway.domain.records import FAILED, MAX_SYNC_RECORDS, BatchReport, Identifier, StatusEntry, SubscriberFilter
from gateway.errors import GatewayError
from gateway.push import options, query, shapes
from gateway.push.answers import BASE, change, show
from gateway.push.body import members, read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import people
from gateway.push.schemas.options import DETAIL, IMPORT_OPTIONS
from gateway.services import imports, subscribers, suppression
from gateway.services.gateway import Gateway, Unit


def routes(gateway: Gateway) -> Blueprint:
    """/subscribers."""
    made = Blueprint("subscribers", __name__)
    _add_import(made, gateway)
    _add_looks(made, gateway)
    _add_status(made, gateway, "unsubscribe", "Stop all mail to people", suppression.unsubscribe)
    _add_status(made, gateway, "resubscribe", "Allow mail to people again", suppression.resubscribe)
    return made


def _add_import(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/subscribers")
    @operation("PUSH-31", "Import up to 1,000 people", scope="import", parameters=IMPORT_OPTIONS, body=people.RECORDS,
               answer=people.BATCH, writes=True, codes=("TOO_MANY_RECORDS", "LIST_UNKNOWN", "LIMIT_EXCEEDED",
                                                        "FIELD_TOO_LONG", "INVALID_CHARACTER", "INVALID_VALUE"),
               example=[{"remoteId": "17", "email": "ann@example.org", "fields": {"FirstName": "Ann"},
                         "interests": {"add": ["News"]}}, {"email": "cy@example.org"}])
    def import_records() -> Response:
        wanted = options.import_options()
        body = read_json()
        records = [record_of(item) for item in records_in(body.value)]
        return change(gateway, body.sha256, lambda unit: (
            200, shapes.batch(imports.import_records(unit, records, wanted))))


def _add_looks(made: Blueprint, gateway: Gateway) -> None:
    @made.get("/subscribers/<int:subscriber_id>")  # a number: other words under /subscribers are acts
    @operation("PUSH-36", "One person", scope="report", answer=people.SUBSCRIBER)
    def get(subscriber_id: int) -> Response:
        who = Identifier(subscriber_id=query.path_id(str(subscriber_id)))
        with gateway.reading(g.actor) as unit:
            return show(shapes.subscriber(subscribers.get(unit, who)))

    @made.get("/subscribers")
    @operation("PUSH-36", "Who is this", scope="report", answer=people.SUBSCRIBER_PAGE, codes=("INVALID_EMAIL",),
               parameters=(Parameter("email", people.EMAIL), Parameter("remoteId", people.REMOTE_ID), *query.PAGES),
               about="email or remoteId is needed.")
    def find() -> Response:
        wanted = SubscriberFilter(email=query.given("email"), remote_id=query.given("remoteId"))
        if wanted.email is None and wanted.remote_id is None:
            raise GatewayError("INVALID_REQUEST", "Say whom: ?email= or ?remoteId=.", field="email")
        with gateway.feed(g.actor) as unit:
            found = subscribers.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.subscriber))


def _add_status(made: Blueprint, gateway: Gateway, name: str, summary: str,
                act: Callable[[Unit, Sequence[StatusEntry]], BatchReport]) -> None:
    @operation("PUSH-35", summary, scope="import", parameters=(DETAIL,), body=people.ENTRIES, answer=people.BATCH,
               writes=True, codes=("TOO_MANY_RECORDS",),
               example=[{"email": "ann@example.org", "reason": "wrote us a letter"}])
    def status() -> Response:
        detail = options.detail()
        body = read_json()
        entries = [entry_of(item) for item in records_in(body.value)]
        return change(gateway, body.sha256, lambda unit: (200, shapes.batch(trimmed(act(unit, entries), detail))))

    made.post(f"/subscribers/{name}", endpoint=name)(status)


def trimmed(report: BatchReport, detail: str) -> BatchReport:
    """The report with the results that ``detail`` asks for (PUSH-28)."""
    if detail == "All":
        return report
    kept = tuple(each for each in report.outcomes if each.status == FAILED) if detail == "Failures" else ()
    return replace(report, outcomes=kept)


def records_in(value: Any) -> list[Any]:
    """A bare array, or an object with the array in ``records``; raises ``TOO_MANY_RECORDS`` naming the bulk path."""
    records = value if isinstance(value, list) else members(value, ("records",), required=("records",))["records"]
    if not isinstance(records, list):
        raise GatewayError("INVALID_REQUEST", "Expected an array of records.", field="records")
    if len(records) > MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"One call takes at most {MAX_SYNC_RECORDS} records; {len(records)} "
                                               f"came. Send them in several calls, or as a file to {BASE}/imports.")
    return records
