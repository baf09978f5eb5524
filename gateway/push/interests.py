"""The interests of a brand: list and create (PUSH-37)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.push import query, shapes
from gateway.push.answers import change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas.interests import INTEREST, INTEREST_DRAFT, INTEREST_PAGE
from gateway.push.schemas.kinds import Flag, Text
from gateway.services import interests
from gateway.services.gateway import Gateway, Unit


def routes(gateway: Gateway) -> Blueprint:
    """/interests."""
    made = Blueprint("interests", __name__)

    @made.get("/interests")
    @operation("PUSH-37", "Find interests", scope="import", answer=INTEREST_PAGE, parameters=(
        Parameter("name", Text()), Parameter("public", Flag()),
        Parameter("integration", Text("the foreign system that it belongs to")), *query.PAGES))
    def find() -> Response:
        wanted = interests.InterestFilter(name=query.given("name"), public=query.given("public"),
                                          integration=query.given("integration"))
        with gateway.feed(g.actor) as unit:
            found = interests.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.interest))

    @made.post("/interests")
    @operation("PUSH-37", "Make an interest", scope="import", body=INTEREST_DRAFT, answer=INTEREST, writes=True,
               codes=("ALREADY_EXISTS", "INVALID_CHARACTER", "FIELD_TOO_LONG", "LIMIT_EXCEEDED"),
               example={"name": "Board", "description": "Papers of the board", "public": False})
    def create() -> Response:
        body = read_json()
        given = INTEREST_DRAFT.read("", body.value)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            view = interests.create(unit, given["name"], given.get("description"), bool(given.get("public")))
            return 200, shapes.interest(view)

        return change(gateway, body.sha256, work)

    return made
