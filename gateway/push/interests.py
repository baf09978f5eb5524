"""The interests of a brand: list and create (PUSH-37)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.push import query, shapes
from gateway.push.answers import change, show
from gateway.push.auth import require
from gateway.push.body import members, read_json
from gateway.services import interests
from gateway.services.gateway import Gateway, Unit


def routes(gateway: Gateway) -> Blueprint:
    """/interests."""
    made = Blueprint("interests", __name__)

    @made.get("/interests")
    def find() -> Response:
        require("import")
        query.only("name", "public", "integration", *query.PAGE)
        wanted = interests.InterestFilter(name=query.text("name"), public=query.boolean("public"),
                                          integration=query.text("integration"))
        with gateway.feed(g.actor) as unit:
            found = interests.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.interest))

    @made.post("/interests")
    def create() -> Response:
        require("import")
        query.only()
        body = read_json()
        given = members(body.value, ("name", "description", "public"), required=("name",))

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            view = interests.create(unit, query.text_value("name", given["name"]) or "",
                                    query.text_value("description", given.get("description")),
                                    bool(query.boolean_value("public", given.get("public"))))
            return 200, shapes.interest(view)

        return change(gateway, body.sha256, work)

    return made
