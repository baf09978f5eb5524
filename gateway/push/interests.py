"""The interests of a brand: list, create, change, and who is in them (PUSH-37)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import options, query, shapes
from gateway.push.answers import act, change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas.interests import (
    INTEREST,
    INTEREST_CHANGES,
    INTEREST_DRAFT,
    INTEREST_PAGE,
    MEMBER_CHANGES,
)
from gateway.push.schemas.kinds import Flag, Text
from gateway.push.schemas.options import DETAIL
from gateway.push.schemas.people import BATCH
from gateway.push.subscribers import trimmed
from gateway.services import interests, members, remotegroups
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
               codes=("ALREADY_EXISTS", "INVALID_CHARACTER", "FIELD_TOO_LONG", "LIMIT_EXCEEDED", "NOT_FOUND",
                      "STATE_CONFLICT"),
               example={"name": "Board", "description": "Papers of the board", "public": False})
    def create() -> Response:
        body = read_json()
        given = INTEREST_DRAFT.read("", body.value)
        if given.get("groupId"):
            return act(gateway, body.sha256, lambda: _of_group(gateway, given), once=True)
        if given.get("integration"):
            raise GatewayError("INVALID_REQUEST", "An integration goes with a group of its own. Leave it out.",
                               field="integration")

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            view = interests.create(unit, given["name"], given.get("description"), bool(given.get("public")))
            return 200, shapes.interest(view)

        return change(gateway, body.sha256, work)

    _add_changes(made, gateway)
    return made


def _of_group(gateway: Gateway, given: dict[str, Any]) -> dict[str, Any]:
    """An interest whom a group of a foreign system defines."""
    made = remotegroups.add(gateway, g.actor, given.get("integration") or g.actor.integration_name, given["groupId"],
                            given["name"])
    changes = interests.InterestChanges(None, given.get("description"), given.get("public"))
    if changes == interests.InterestChanges():
        return shapes.interest(made)
    with gateway.unit(g.actor) as unit:
        return shapes.interest(interests.update(unit, made.interest_id, changes))


def _add_changes(made: Blueprint, gateway: Gateway) -> None:
    @made.patch("/interests/<interest_id>")
    @operation("PUSH-37", "Rename an interest, describe it, make it public", scope="import", body=INTEREST_CHANGES,
               answer=INTEREST, writes=True, codes=("ALREADY_EXISTS", "INVALID_CHARACTER"), example={"public": True})
    def update(interest_id: str) -> Response:
        number = query.path_id(interest_id)
        body = read_json()
        changes = interests.InterestChanges(**INTEREST_CHANGES.read("", body.value))
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.interest(interests.update(unit, number, changes))))

    @made.post("/interests/<interest_id>/members")
    @operation("PUSH-37", "Add, remove or replace members", scope="import", body=MEMBER_CHANGES, answer=BATCH,
               parameters=(DETAIL,), writes=True,
               codes=("BRAKE_HELD", "TOO_MANY_RECORDS", "LIST_UNKNOWN"),
               about="It changes what this integration added itself; others' memberships stay.",
               example={"mode": "Add", "remoteIds": ["17"]})
    def change_members(interest_id: str) -> Response:
        number = query.path_id(interest_id)
        detail = options.detail()
        body = read_json()
        given = MEMBER_CHANGES.read("", body.value)
        who = [*(Identifier(remote_id=each) for each in given.get("remoteIds", ())),
               *(Identifier(email=each) for each in given.get("emails", ()))]

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            name = interests.get(unit, number).name
            return 200, shapes.batch(trimmed(members.change_members(unit, name, given["mode"], who), detail))

        return change(gateway, body.sha256, work)
