"""The life of a mailing over HTTP: submit, publish, pause, resume, cancel, decide doubts (PUSH-39, PUSH-40)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.mailing import CANCELLED, SENT, InstanceView, MailingView, duration_s
from gateway.errors import GatewayError
from gateway.push import query, shapes
from gateway.push.answers import act, change
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import mailings as schema
from gateway.push.schemas.kinds import Thing
from gateway.services import doubts, mailings, review
from gateway.services.gateway import Gateway, Unit

_PUBLISH_CODES = ("STATE_CONFLICT", "INVALID_VALUE", "INVALID_DATE", "LIST_UNKNOWN")


def routes(gateway: Gateway) -> Blueprint:
    """/mailings/{id}/ and what is to become of it."""
    made = Blueprint("lifecycle", __name__)
    _add_review(made, gateway)
    _add_publishing(made, gateway)
    _add_stops(made, gateway)
    _add_doubts(made, gateway)
    return made


def _add_review(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/submit")
    @operation("PUSH-40", "Ask for its approval", scope="send", answer=schema.MAILING, writes=True,
               codes=("STATE_CONFLICT",),
               about="Where the brand reviews its mailings. An administrator approves or rejects it, over SOAP.")
    def submit(mailing_id: str) -> Response:
        number, body = query.path_id(mailing_id), read_json(optional=True)
        return change(gateway, body.sha256, lambda unit: (200, shapes.mailing(review.submit(unit, number))))


def _add_publishing(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/schedule")
    @operation("PUSH-39", "Publish it later", scope="send", body=schema.SCHEDULE, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.SCHEDULE), writes=True, codes=_PUBLISH_CODES,
               example={"sendAt": "2099-05-01T09:00:00+02:00"})
    def schedule(mailing_id: str) -> Response:
        number, given, sha256 = _command(mailing_id, schema.SCHEDULE)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            at = mailings.moment_of(unit, given.get("sendAt"), given.get("sendAtLocal"), given.get("timeZone"))
            return 200, shapes.instance(mailings.schedule(
                unit, number, at, given.get("notAfter"), bool(given.get("again")), **_whom_and_how(given)))

        return change(gateway, sha256, work)

    @made.post("/mailings/<mailing_id>/send")
    @operation("PUSH-39", "Publish it now", scope="send", body=schema.SEND, body_needed=False, answer=schema.INSTANCE,
               parameters=_in_url(schema.SEND), writes=True, codes=_PUBLISH_CODES,
               example={"again": True, "audience": "not_opened"})
    def send(mailing_id: str) -> Response:
        number, given, sha256 = _command(mailing_id, schema.SEND)
        return change(gateway, sha256, lambda unit: (200, shapes.instance(mailings.send(
            unit, number, given.get("notAfter"), bool(given.get("again")), **_whom_and_how(given)))))


def _add_stops(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/pause")
    @operation("PUSH-40", "Stop the unfinished instance for now", scope="send", body=schema.WHICH, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.WHICH), writes=True, codes=("STATE_CONFLICT",))
    def pause(mailing_id: str) -> Response:
        return _stop(gateway, mailing_id, mailings.pause)

    @made.post("/mailings/<mailing_id>/resume")
    @operation("PUSH-40", "Let it go on where it stopped", scope="send", body=schema.WHICH, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.WHICH), writes=True, codes=("STATE_CONFLICT",))
    def resume(mailing_id: str) -> Response:
        number, given, sha256 = _command(mailing_id, schema.WHICH)
        return change(gateway, sha256, lambda unit: (200, shapes.instance(
            mailings.resume(unit, _chosen(unit, number, given.get("instance"))))))

    @made.post("/mailings/<mailing_id>/cancel")
    @operation("PUSH-40", "Stop the unfinished instance for good", scope="send", body=schema.WHICH, body_needed=False,
               answer=schema.INSTANCE, parameters=_in_url(schema.WHICH), writes=True, codes=("STATE_CONFLICT",))
    def cancel(mailing_id: str) -> Response:
        return _stop(gateway, mailing_id, mailings.cancel)


def _add_doubts(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/mailings/<mailing_id>/doubts")
    @operation("PUSH-40", "Decide what is in doubt", scope="send", body=schema.DECISION, answer=schema.DECIDED,
               writes=True, codes=("STATE_CONFLICT",), about="Of the newest instance, where none is named.")
    def decide(mailing_id: str) -> Response:
        number, given, sha256 = _command(mailing_id, schema.DECISION, in_url=False)
        named = given.get("deliveries") or None
        if bool(named) == bool(given.get("all")):
            raise GatewayError("INVALID_REQUEST", "Give either deliveries or all.", field="deliveries")

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            instance_id = _with_doubts(unit, number, given.get("instance"))
            decided = doubts.decide(unit, instance_id, given["decision"], named)
            return 200, {"decided": decided, "instance": shapes.instance(mailings.get_instance(unit, instance_id))}

        return change(gateway, sha256, work)


def _stop(gateway: Gateway, mailing_id: str, step: Callable[[Unit, int], InstanceView]) -> Response:
    """Takes the step, and answers when no worker has recipients in hand any more."""
    number, given, sha256 = _command(mailing_id, schema.WHICH)

    def do() -> dict[str, Any]:
        with gateway.unit(g.actor) as unit:
            instance_id = step(unit, _chosen(unit, number, given.get("instance"))).instance_id
        return shapes.instance(mailings.let_go(gateway, g.actor, instance_id))

    return act(gateway, sha256, do, once=False)


def _whom_and_how(given: dict[str, Any]) -> dict[str, Any]:
    spread = given.get("spreadOver")
    return {"audience_": given.get("audience"), "spread_s": duration_s(spread, "spreadOver") if spread else None}


def _chosen(unit: Unit, mailing_id: int, instance: int | None) -> int:
    """The instance named, or the one that has not ended (PUSH-40)."""
    view = mailings.get(unit, mailing_id)
    if instance is not None:
        return _named(unit, view, instance)
    open_ones = [one for one in view.instances if one.state not in (SENT, CANCELLED)]
    if len(open_ones) == 1:
        return open_ones[0].instance_id
    if open_ones:
        raise GatewayError("STATE_CONFLICT", "The mailing has several unfinished instances; name one with ?instance=.",
                           field="instance")
    state = view.instances[0].state if view.instances else view.state
    raise GatewayError("STATE_CONFLICT", f"The mailing has no unfinished instance; it is {state}.", field="instance")


def _with_doubts(unit: Unit, mailing_id: int, instance: int | None) -> int:
    """The instance named, or the newest one."""
    view = mailings.get(unit, mailing_id)
    if instance is not None:
        return _named(unit, view, instance)
    if not view.instances:
        raise GatewayError("STATE_CONFLICT", f"The mailing has no instance; it is {view.state}.", field="instance")
    return view.instances[0].instance_id


def _named(unit: Unit, view: MailingView, instance: int) -> int:
    if mailings.get_instance(unit, instance).mailing_id != view.mailing_id:
        raise GatewayError("NOT_FOUND", "This mailing has no instance of this id.", field="instance")
    return instance


def _in_url(command: Thing) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, kind) for name, kind in command.members.items())


def _command(mailing_id: str, command: Thing, *, in_url: bool = True) -> tuple[int, dict[str, Any], str]:
    """A command may stand in the query or in the body, each member in one of them."""
    number = query.path_id(mailing_id)
    body = read_json(optional=True)
    given = command.read("", {} if body.value is None else body.value)
    for name in command.members if in_url else ():
        if query.given(name) is not None:
            if name in given:
                raise GatewayError("INVALID_REQUEST", "This is given twice, in the query and in the body.", field=name)
            given[name] = query.given(name)
    return number, given, body.sha256
