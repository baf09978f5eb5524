"""Mailings over HTTP: make, change, look, test, schedule, send, cancel (PUSH-38..40)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from gateway.domain.mailing import CANCELLED, DRAFT, RELEASED, SENT, MailingDraft, MailingFilter, MailingView
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import query, shapes
from gateway.push.answers import change, keep, replayed, respond, show
from gateway.push.auth import require
from gateway.push.body import members, read_json
from gateway.services import mailings, sending
from gateway.services.gateway import Gateway, Unit

_LISTS = ("interests", "excludeInterests")
_FLAGS = ("includeOrphans", "trackOpens", "trackClicks")
_CLEARABLE = ("fromName", "replyTo", "text", "folder")
_WHO = ("subscriberId", "remoteId", "email")
_AS_IN_SOAP = {"interest": "interests", "excludeInterest": "excludeInterests", "address": "addresses"}
MAX_TEST_ADDRESSES = 20


def routes(gateway: Gateway) -> Blueprint:
    """/mailings."""
    made = Blueprint("mailings", __name__)
    _add_drafts(made, gateway)
    _add_looks(made, gateway)
    _add_test(made, gateway)
    _add_steps(made, gateway)
    return made


def _add_drafts(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings")
    def create() -> Response:
        require("send")
        query.only()
        body = read_json()
        changes = _draft(_members(body.value, tuple(shapes.DRAFT_MEMBERS),
                                  required=("name", "subject", "fromAddress", "html")))
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.mailing(mailings.create(unit, MailingDraft(**changes)))))

    @made.patch("/mailings/<mailing_id>")
    def update(mailing_id: str) -> Response:
        require("send")
        query.only()
        number = query.path_id(mailing_id)
        body = read_json()
        # null clears here what may be absent, so nulls are read before they are taken for "not given"
        changes = _draft(_members(body.value, tuple(shapes.DRAFT_MEMBERS)))
        for name, value in body.value.items():
            if value is None:
                changes[_clearable(name)] = None
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.mailing(mailings.update(unit, number, changes))))


def _add_looks(made: Blueprint, gateway: Gateway) -> None:
    @made.get("/mailings")
    def find() -> Response:
        require("send")
        query.only("state", "name", "since", "until", *query.PAGE)
        wanted = MailingFilter(state=query.choice("state", (DRAFT, RELEASED)), name=query.text("name"),
                               since=query.instant("since"), until=query.instant("until"))
        with gateway.feed(g.actor) as unit:
            found = mailings.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.mailing))

    @made.get("/mailings/<mailing_id>")
    def get(mailing_id: str) -> Response:
        require("send")
        query.only()
        with gateway.reading(g.actor) as unit:
            return show(shapes.mailing(mailings.get(unit, query.path_id(mailing_id))))

    @made.post("/mailings/<mailing_id>/preview")
    def preview(mailing_id: str) -> Response:
        require("send")
        query.only()
        number = query.path_id(mailing_id)
        body = read_json(optional=True)
        who = _who(_members({} if body.value is None else body.value, _WHO))
        with gateway.reading(g.actor) as unit:
            return show(shapes.preview(mailings.preview(unit, number, who)))


def _add_test(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/test")
    def test(mailing_id: str) -> Response:
        """Talks to the mail server, so it cannot be one transaction: the answer is stored when it is there."""
        require("send")
        query.only()
        number = query.path_id(mailing_id)
        body = read_json()
        given = _members(body.value, ("addresses", *_WHO), required=("addresses",))
        addresses = query.texts_value("addresses", given["addresses"])
        if not 1 <= len(addresses) <= MAX_TEST_ADDRESSES:
            raise GatewayError("INVALID_VALUE", f"Name 1 to {MAX_TEST_ADDRESSES} addresses.", field="addresses")
        with gateway.unit(g.actor) as unit:
            kept = replayed(unit, body.sha256)
        if kept is not None:
            return kept
        copies = sending.send_tests(gateway, g.actor, number, addresses, _who(given))
        payload = {"replayed": False, "results": [shapes.test_copy(each) for each in copies],
                   "requestId": g.request_id}
        with gateway.unit(g.actor) as unit:
            keep(unit, body.sha256, 200, payload)
        return respond(payload)


def _add_steps(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/schedule")
    def schedule(mailing_id: str) -> Response:
        require("send")
        number, given, sha256 = _step(mailing_id, ("sendAt", "notAfter", "again"))
        send_at = query.instant_value("sendAt", given.get("sendAt"))
        if send_at is None:
            raise GatewayError("INVALID_REQUEST", "Say when: sendAt is required. To send now, use /send.",
                               field="sendAt")
        not_after, again = _when(given)
        return change(gateway, sha256, lambda unit: (
            200, shapes.instance(mailings.schedule(unit, number, send_at, not_after, again))))

    @made.post("/mailings/<mailing_id>/send")
    def send(mailing_id: str) -> Response:
        require("send")
        number, given, sha256 = _step(mailing_id, ("notAfter", "again"))
        not_after, again = _when(given)
        return change(gateway, sha256, lambda unit: (
            200, shapes.instance(mailings.send(unit, number, not_after, again))))

    @made.post("/mailings/<mailing_id>/cancel")
    def cancel(mailing_id: str) -> Response:
        require("send")
        number, given, sha256 = _step(mailing_id, ("instance",))

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            view = mailings.get(unit, number)
            return 200, shapes.instance(mailings.cancel(unit, _chosen(unit, view, given.get("instance"))))

        return change(gateway, sha256, work)


def _chosen(unit: Unit, view: MailingView, instance: Any) -> int:
    """The instance named, or the one that has not ended (PUSH-40)."""
    if instance is not None:
        number = query.path_id(str(instance))
        if mailings.get_instance(unit, number).mailing_id != view.mailing_id:
            raise GatewayError("NOT_FOUND", "This mailing has no instance of this id.", field="instance")
        return number
    open_ones = [one for one in view.instances if one.state not in (SENT, CANCELLED)]
    if len(open_ones) == 1:
        return open_ones[0].instance_id
    if open_ones:
        raise GatewayError("STATE_CONFLICT", "The mailing has several unfinished instances; name one with ?instance=.",
                           field="instance")
    state = view.instances[0].state if view.instances else view.state
    raise GatewayError("STATE_CONFLICT", f"The mailing has no unfinished instance; it is {state}.", field="instance")


def _step(mailing_id: str, known: tuple[str, ...]) -> tuple[int, dict[str, Any], str]:
    """A command may stand in the query or in the body, each member in one of them."""
    query.only(*known)
    number = query.path_id(mailing_id)
    body = read_json(optional=True)
    given = members({} if body.value is None else body.value, known)
    for name in known:
        if query.text(name) is not None:
            if name in given:
                raise GatewayError("INVALID_REQUEST", "This is given twice, in the query and in the body.", field=name)
            given[name] = request.args[name]
    return number, given, body.sha256


def _when(given: dict[str, Any]) -> tuple[Any, bool]:
    return (query.instant_value("notAfter", given.get("notAfter")),
            bool(query.boolean_value("again", given.get("again"))))


def _members(value: Any, known: tuple[str, ...], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """As :func:`members`; a list may also be named in the singular, as SOAP names its elements."""
    if isinstance(value, dict):
        for theirs, ours in _AS_IN_SOAP.items():
            if theirs in value and ours in known and ours not in value:
                value[ours] = value.pop(theirs)
    return members(value, known, required=required)


def _draft(given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name in _LISTS:
            value = query.texts_value(name, value)
        elif name in _FLAGS:
            value = query.boolean_value(name, value)
            if value is None:
                continue
        else:
            value = query.text_value(name, value)
            if value == "" and name in _CLEARABLE:
                value = None
        changes[shapes.DRAFT_MEMBERS[name]] = value
    return changes


def _clearable(name: str) -> str:
    if name not in _CLEARABLE:
        raise GatewayError("INVALID_VALUE", "This member cannot be cleared.", field=name)
    return shapes.DRAFT_MEMBERS[name]


def _who(given: dict[str, Any]) -> Identifier | None:
    number, remote_id, email = (query.text_value(name, given.get(name)) or None for name in _WHO)
    if not (number or remote_id or email):
        return None
    return Identifier(None if number is None else query.path_id(number), remote_id, email)
