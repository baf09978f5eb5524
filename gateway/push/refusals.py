"""What was refused in the last 30 days, for callers who dropped their own copy (PUSH-14, PUSH-44)."""

from __future__ import annotations

from flask import Blueprint, Response, g

from gateway.domain.refusals import ErrorFilter
from gateway.errors import CATALOGUE
from gateway.push import query, shapes
from gateway.push.answers import show
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import people
from gateway.push.schemas.kinds import Instant, Text, Word
from gateway.push.schemas.refusals import LOGGED_ERROR_PAGE
from gateway.services import refusals
from gateway.services.gateway import Gateway


def routes(gateway: Gateway) -> Blueprint:
    """/errors."""
    made = Blueprint("refusals", __name__)

    @made.get("/errors")
    @operation("PUSH-44", "What was refused in the last 30 days", scope="import", answer=LOGGED_ERROR_PAGE, parameters=(
        Parameter("code", Word(tuple(CATALOGUE))), Parameter("remoteId", people.REMOTE_ID),
        Parameter("email", people.EMAIL), Parameter("actor", Text("the credentials, such as key:12")),
        Parameter("since", Instant("recorded at or after")), Parameter("until", Instant("recorded before")),
        *query.PAGES))
    def find() -> Response:
        wanted = ErrorFilter(code=query.given("code"), remote_id=query.given("remoteId"), email=query.given("email"),
                             actor=query.given("actor"), since=query.given("since"), until=query.given("until"))
        with gateway.feed(g.actor) as unit:
            found = refusals.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.logged_error))

    return made
