"""Mailings over HTTP: make, change, look, test, schedule, send, cancel (PUSH-38..40)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.mailing import CANCELLED, DRAFT, RELEASED, SENT, MailingDraft, MailingFilter, MailingView
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import query, shapes
from gateway.push.answers import change, keep, replayed, respond, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import mailings as schema
from gateway.push.schemas.kinds import Flag, Instant, Text, Thing, Word
from gateway.services import mailings, sending
from gateway.services.gateway import Gateway, Unit

_CLEARABLE = ("fromName", "replyTo", "text", "folder")
_CONTENT_CODES = ("INVALID_VALUE", "INVALID_EMAIL", "INVALID_CHARACTER", "FIELD_TOO_LONG", "LIST_UNKNOWN")
_PERSON_CODES = ("AMBIGUOUS_EMAIL", "IDENTITY_MISMATCH", "INVALID_EMAIL", "INVALID_VALUE", "INVALID_CHARACTER",
                 "IDENTIFIER_MISSING")
_STEP_CODES = ("STATE_CONFLICT", "INVALID_VALUE", "INVALID_DATE", "LIST_UNKNOWN")
_EXAMPLE = {"name": "May news", "subject": "News for {{ FirstName | default(\"you\") }}", "interests": ["News"],
            "fromAddress": "news@example.org", "html": "<p>Dear {{ FirstName | default(\"member\") }}</p>"}


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
    @operation("PUSH-38", "Make a draft", scope="send", body=schema.MAILING_DRAFT, answer=schema.MAILING, writes=True,
               codes=_CONTENT_CODES, example=_EXAMPLE)
    def create() -> Response:
        body = read_json()
        changes = _draft(schema.MAILING_DRAFT.read("", body.value))
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.mailing(mailings.create(unit, MailingDraft(**changes)))))

    @made.patch("/mailings/<mailing_id>")
    @operation("PUSH-38", "Change a draft", scope="send", body=schema.MAILING_CHANGES, answer=schema.MAILING,
               writes=True, codes=(*_CONTENT_CODES, "STATE_CONFLICT"), example={"replyTo": "office@example.org"})
    def update(mailing_id: str) -> Response:
        number = query.path_id(mailing_id)
        body = read_json()
        changes = _draft(schema.MAILING_CHANGES.read("", body.value))
        # null clears here what may be absent
        for name, value in schema.MAILING_CHANGES.given(body.value).items():
            if value is None:
                changes[_clearable(name)] = None
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.mailing(mailings.update(unit, number, changes))))


def _add_looks(made: Blueprint, gateway: Gateway) -> None:
    @made.get("/mailings")
    @operation("PUSH-38", "Find mailings", scope="send", answer=schema.MAILING_PAGE, parameters=(
        Parameter("state", Word((DRAFT, RELEASED))), Parameter("name", Text()),
        Parameter("since", Instant("made at or after")), Parameter("until", Instant("made before")), *query.PAGES))
    def find() -> Response:
        wanted = MailingFilter(state=query.given("state"), name=query.given("name"), since=query.given("since"),
                               until=query.given("until"))
        with gateway.feed(g.actor) as unit:
            found = mailings.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.mailing))

    @made.get("/mailings/<mailing_id>")
    @operation("PUSH-38", "A mailing with its instances", scope="send", answer=schema.MAILING)
    def get(mailing_id: str) -> Response:
        with gateway.reading(g.actor) as unit:
            return show(shapes.mailing(mailings.get(unit, query.path_id(mailing_id))))

    @made.post("/mailings/<mailing_id>/preview")
    @operation("PUSH-38", "The message as one person would get it", scope="send", body=schema.PERSON, body_needed=False,
               answer=schema.PREVIEW, codes=_PERSON_CODES, example={"remoteId": "17"})
    def preview(mailing_id: str) -> Response:
        number = query.path_id(mailing_id)
        body = read_json(optional=True)
        who = _who(schema.PERSON.read("", {} if body.value is None else body.value))
        with gateway.reading(g.actor) as unit:
            return show(shapes.preview(mailings.preview(unit, number, who)))


def _add_test(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/test")
    @operation("PUSH-39", "Send test copies", scope="send", body=schema.TEST_REQUEST, answer=schema.TEST_RESULTS,
               writes=True, codes=_PERSON_CODES, example={"addresses": ["me@example.org"], "remoteId": "17"})
    def test(mailing_id: str) -> Response:
        """Talks to the mail server, so it cannot be one transaction: the answer is stored when it is there."""
        number = query.path_id(mailing_id)
        body = read_json()
        given = schema.TEST_REQUEST.read("", body.value)
        if not 1 <= len(given["addresses"]) <= schema.MAX_TEST_ADDRESSES:
            raise GatewayError("INVALID_VALUE", f"Name 1 to {schema.MAX_TEST_ADDRESSES} addresses.", field="addresses")
        with gateway.unit(g.actor) as unit:
            kept = replayed(unit, body.sha256)
        if kept is not None:
            return kept
        copies = sending.send_tests(gateway, g.actor, number, given["addresses"], _who(given))
        payload = {"replayed": False, "results": [shapes.test_copy(each) for each in copies],
                   "requestId": g.request_id}
        with gateway.unit(g.actor) as unit:
            keep(unit, body.sha256, 200, payload)
        return respond(payload)


def _add_steps(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/schedule")
    @operation("PUSH-39", "Publish it later", scope="send", body=schema.SCHEDULE, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.SCHEDULE), writes=True, codes=_STEP_CODES,
               example={"sendAt": "2099-05-01T09:00:00+02:00"})
    def schedule(mailing_id: str) -> Response:
        number, given, sha256 = _step(mailing_id, schema.SCHEDULE)
        send_at = given.get("sendAt")
        if send_at is None:
            raise GatewayError("INVALID_REQUEST", "Say when: sendAt is required. To send now, use /send.",
                               field="sendAt")
        return change(gateway, sha256, lambda unit: (200, shapes.instance(mailings.schedule(
            unit, number, send_at, given.get("notAfter"), bool(given.get("again"))))))

    @made.post("/mailings/<mailing_id>/send")
    @operation("PUSH-39", "Publish it now", scope="send", body=schema.SEND, body_needed=False, answer=schema.INSTANCE,
               parameters=_in_url(schema.SEND), writes=True, codes=_STEP_CODES, example={"again": True})
    def send(mailing_id: str) -> Response:
        number, given, sha256 = _step(mailing_id, schema.SEND)
        return change(gateway, sha256, lambda unit: (200, shapes.instance(mailings.send(
            unit, number, given.get("notAfter"), bool(given.get("again"))))))

    @made.post("/mailings/<mailing_id>/cancel")
    @operation("PUSH-40", "Stop the unfinished instance", scope="send", body=schema.WHICH, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.WHICH), writes=True, codes=("STATE_CONFLICT",))
    def cancel(mailing_id: str) -> Response:
        number, given, sha256 = _step(mailing_id, schema.WHICH)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            view = mailings.get(unit, number)
            return 200, shapes.instance(mailings.cancel(unit, _chosen(unit, view, given.get("instance"))))

        return change(gateway, sha256, work)


def _chosen(unit: Unit, view: MailingView, instance: int | None) -> int:
    """The instance named, or the one that has not ended (PUSH-40)."""
    if instance is not None:
        if mailings.get_instance(unit, instance).mailing_id != view.mailing_id:
            raise GatewayError("NOT_FOUND", "This mailing has no instance of this id.", field="instance")
        return instance
    open_ones = [one for one in view.instances if one.state not in (SENT, CANCELLED)]
    if len(open_ones) == 1:
        return open_ones[0].instance_id
    if open_ones:
        raise GatewayError("STATE_CONFLICT", "The mailing has several unfinished instances; name one with ?instance=.",
                           field="instance")
    state = view.instances[0].state if view.instances else view.state
    raise GatewayError("STATE_CONFLICT", f"The mailing has no unfinished instance; it is {state}.", field="instance")


def _in_url(command: Thing) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, kind) for name, kind in command.members.items())


def _step(mailing_id: str, command: Thing) -> tuple[int, dict[str, Any], str]:
    """A command may stand in the query or in the body, each member in one of them."""
    number = query.path_id(mailing_id)
    body = read_json(optional=True)
    given = command.read("", {} if body.value is None else body.value)
    for name in command.members:
        if query.given(name) is not None:
            if name in given:
                raise GatewayError("INVALID_REQUEST", "This is given twice, in the query and in the body.", field=name)
            given[name] = query.given(name)
    return number, given, body.sha256


def _draft(given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if value is None and isinstance(schema.MAILING_CHANGES.members[name], Flag):
            continue  # "" says nothing (PUSH-9)
        changes[shapes.DRAFT_MEMBERS[name]] = None if value == "" and name in _CLEARABLE else value
    return changes


def _clearable(name: str) -> str:
    if name not in _CLEARABLE:
        raise GatewayError("INVALID_VALUE", "This member cannot be cleared.", field=name)
    return shapes.DRAFT_MEMBERS[name]


def _who(given: dict[str, Any]) -> Identifier | None:
    number, remote_id, email = (given.get(name) or None for name in ("subscriberId", "remoteId", "email"))
    return Identifier(number, remote_id, email) if number or remote_id or email else None
