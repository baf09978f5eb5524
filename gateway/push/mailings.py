"""Mailings over HTTP: make, change, look at, test (PUSH-38, PUSH-39)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.files import MailingFile, from_base64
from gateway.domain.mailing import AUDIENCES, STATES, MailingDraft, MailingFilter
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import query, shapes
from gateway.push.answers import act, change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import mailings as schema
from gateway.push.schemas.kinds import Flag, Instant, Text, Word
from gateway.services import mailings, testcopies
from gateway.services.gateway import Gateway

_CLEARABLE = ("fromName", "replyTo", "text", "folder")
_CONTENT_CODES = ("INVALID_VALUE", "INVALID_EMAIL", "INVALID_CHARACTER", "FIELD_TOO_LONG", "LIST_UNKNOWN",
                  "LIMIT_EXCEEDED")
_PERSON_CODES = ("AMBIGUOUS_EMAIL", "IDENTITY_MISMATCH", "INVALID_EMAIL", "INVALID_VALUE", "INVALID_CHARACTER",
                 "IDENTIFIER_MISSING")
_EXAMPLE = {"name": "May news", "subject": "News for {{ FirstName | default(\"you\") }}", "interests": ["News"],
            "fromAddress": "news@example.org", "html": "<p>Dear {{ FirstName | default(\"member\") }}</p>"}


def routes(gateway: Gateway) -> Blueprint:
    """/mailings."""
    made = Blueprint("mailings", __name__)
    _add_drafts(made, gateway)
    _add_looks(made, gateway)
    _add_test(made, gateway)
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
        Parameter("state", Word(STATES)), Parameter("name", Text()),
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

    @made.get("/mailings/<mailing_id>/audience")
    @operation("PUSH-38", "Whom it would reach now", scope="send", answer=schema.AUDIENCE, parameters=(
        Parameter("audience", Word(AUDIENCES, "as of /send; everybody when it is not given")),))
    def audience(mailing_id: str) -> Response:
        number = query.path_id(mailing_id)
        with gateway.reading(g.actor) as unit:
            return show(shapes.audience(mailings.count_audience(unit, number, query.given("audience"))))

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
        return act(gateway, body.sha256, lambda: {"results": [
            shapes.test_copy(each) for each in
            testcopies.send_tests(gateway, g.actor, number, given["addresses"], _who(given))]}, once=True)


def _draft(given: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if value is None and isinstance(schema.MAILING_CHANGES.members[name], Flag):
            continue  # "" says nothing (PUSH-9)
        if name == "files":
            changes[name] = _files(value)
            continue
        changes[shapes.DRAFT_MEMBERS[name]] = None if value == "" and name in _CLEARABLE else value
    return changes


def _files(given: list[dict[str, Any]]) -> tuple[MailingFile, ...]:
    return tuple(from_base64(number, each["name"], each.get("contentType"), each.get("contentId"), each["data"])
                 for number, each in enumerate(given, start=1))


def _clearable(name: str) -> str:
    if name not in _CLEARABLE:
        raise GatewayError("INVALID_VALUE", "This member cannot be cleared.", field=name)
    return shapes.DRAFT_MEMBERS[name]


def _who(given: dict[str, Any]) -> Identifier | None:
    number, remote_id, email = (given.get(name) or None for name in ("subscriberId", "remoteId", "email"))
    return Identifier(number, remote_id, email) if number or remote_id or email else None
