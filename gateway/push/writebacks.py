"""Writebacks for systems that cannot be called: fetch them, say what became of them (PUSH-43, ID-63)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.records import Problem
from gateway.domain.writeback import DONE, NOT_DONE, Acknowledgement
from gateway.errors import GatewayError
from gateway.push import query, shapes
from gateway.push.answers import change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import writebacks as schemas
from gateway.push.schemas.common import WRITTEN
from gateway.push.subscribers import records_in
from gateway.services import writebackfeeds
from gateway.services.gateway import Gateway, Unit

_SAID = {schemas.DONE: DONE, schemas.FAILED_THERE: NOT_DONE}


def routes(gateway: Gateway) -> Blueprint:
    """/writebacks."""
    made = Blueprint("writebacks", __name__)

    @made.get("/writebacks")
    @operation("PUSH-43", "What your system should know", scope="writeback", answer=schemas.WRITEBACK_PAGE,
               parameters=(Parameter("state", schemas.STATE), *query.PAGES),
               about="Oldest first, of this key's integration; one of each person, the next when that is settled. What "
                     "is not acknowledged comes again.")
    def find() -> Response:
        with gateway.feed(g.actor) as unit:
            feed = writebackfeeds.find(unit, query.page(), state=query.given("state"))
        return show(shapes.page(feed.page, shapes.writeback))

    @made.post("/writebacks/ack")
    @operation("PUSH-43", "Say what became of them", scope="writeback", body=schemas.ACKS, answer=schemas.ACK_REPORT,
               writes=True, codes=("TOO_MANY_RECORDS", "STATE_CONFLICT"), about="Harmless if repeated.",
               example=[{"id": "1", "status": "failed", "message": "no such member"}])
    def acknowledge() -> Response:
        body = read_json()
        sent = records_in(body.value)
        said = [_acknowledgement(item) for item in sent]

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            report = writebackfeeds.acknowledge(unit, said)
            return 200, shapes.acknowledged(report, [_id_of(item) for item in sent])

        return change(gateway, body.sha256, work)

    _add_act(made, gateway, "retry", "Offer a failed writeback again", writebackfeeds.retry)
    _add_act(made, gateway, "dismiss", "Close a writeback that will not be written", writebackfeeds.dismiss)
    return made


def _add_act(made: Blueprint, gateway: Gateway, name: str, summary: str, act: Callable[[Unit, int], None]) -> None:
    @operation("PUSH-43", summary, scope="writeback", answer=WRITTEN, writes=True, codes=("STATE_CONFLICT",))
    def decide(writeback_id: str) -> Response:
        number = query.path_id(writeback_id)
        body = read_json(optional=True)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            act(unit, number)
            return 200, {}

        return change(gateway, body.sha256, work)

    made.post(f"/writebacks/<writeback_id>/{name}", endpoint=name)(decide)


def _acknowledgement(item: Any) -> Acknowledgement:
    """One entry of the body; what is wrong with it is its own problem (PUSH-11)."""
    try:
        given = schemas.ACK.read("", item)
    except GatewayError as error:
        code = "INVALID_VALUE" if error.code == "INVALID_REQUEST" else error.code
        return Acknowledgement(None, DONE, problem=Problem(code, error.message, error.field))
    return Acknowledgement(given["id"], _SAID[given["status"]], given.get("message"))


def _id_of(item: Any) -> str | None:
    """The id as it was sent, for the caller to find its result by."""
    value = item.get("id", item.get("writebackId")) if isinstance(item, dict) else None
    return str(value)[:100] if isinstance(value, (str, int)) and not isinstance(value, bool) else None
