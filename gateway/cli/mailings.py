"""How does an operator look after mailings? gateway mailing list, show, approve, reject, pause, resume, cancel,
activity, doubts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, positive, say
from gateway.clock import instant
from gateway.domain.delivery import IN_DOUBT
from gateway.domain.mailing import (
    CANCELLED,
    DECISIONS,
    IN_REVIEW,
    SENT,
    InstanceView,
    MailingFilter,
    MailingView,
)
from gateway.domain.paging import Page, PageRequest
from gateway.domain.recipients import DeliveryFilter, DeliveryView
from gateway.errors import GatewayError

PAGE = 500


def declare(commands: Commands) -> None:
    """Declares ``gateway mailing``."""
    group = commands.group("mailing", "Mailings: what goes on, and stopping or releasing it.")
    made = group.add("list", _list, "Mailings that wait for an approval or have an instance that has not ended.",
                     branded=True)
    made.add_argument("--all", action="store_true", help="all mailings")
    _about(group.add("show", _show, "One mailing with its newest instances.", branded=True), "mailing")
    for name, text in (("approve", "Let a submitted mailing be sent."),
                       ("reject", "Make a submitted or approved mailing a draft again.")):
        made = _about(group.add(name, _review, text, branded=True), "mailing")
        made.add_argument("--note", metavar="TEXT", help="for its author")
        made.set_defaults(step=name)
    for name, text in (("pause", "Stop an instance until it is resumed; what is out is out."),
                       ("resume", "Let a paused instance go on where it stopped."),
                       ("cancel", "Stop an instance for good; what is out is out.")):
        made = _about(group.add(name, _step, text, branded=True), "instance")
        made.set_defaults(step=name)
    made = _about(group.add("activity", _activity, "Tell systems that take it what becomes of a mailing, or stop that.",
                            branded=True), "mailing")
    made.add_argument("--write", choices=("yes", "no"), required=True, help="yes: who got, opened and clicked it, and "
                                                                            "whose copy came back")
    made = _about(group.add("doubts", _doubts, "Messages of which nobody knows whether they arrived: list or decide.",
                            branded=True), "instance")
    made.add_argument("--decision", choices=DECISIONS, help="resend: it may arrive twice; without it they are listed")
    made.add_argument("--delivery", type=positive, action="append", metavar="ID",
                      help="decide this one; repeatable; default all of the instance that are in doubt")


def _about(made: argparse.ArgumentParser, noun: str) -> argparse.ArgumentParser:
    made.add_argument(f"--{noun}", type=positive, required=True, metavar="ID", help=f"the {noun}'s id")
    return made


def _list(args: argparse.Namespace) -> int:
    found = [view for view in _pages(args, app.mailings.find, MailingFilter()) if args.all or _needs_somebody(view)]
    return say(args, {"mailings": [_facts(view) for view in found]},
               "\n".join(_sentence(view) for view in found) or "Nothing is going on.")


def _needs_somebody(view: MailingView) -> bool:
    return view.state == IN_REVIEW or any(
        each.state not in (SENT, CANCELLED) or each.counts.get(IN_DOUBT) for each in view.instances)


def _show(args: argparse.Namespace) -> int:
    return _answer(args, lambda unit: app.mailings.get(unit, args.mailing))


def _review(args: argparse.Namespace) -> int:
    step = app.review.approve if args.step == "approve" else app.review.reject
    return _answer(args, lambda unit: step(unit, args.mailing, args.note))


def _answer(args: argparse.Namespace, act: Callable[[Any], MailingView]) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        view = act(unit)
    return say(args, _facts(view), _sentence(view))


def _step(args: argparse.Namespace) -> int:
    step = {"pause": app.mailings.pause, "resume": app.mailings.resume, "cancel": app.mailings.cancel}[args.step]
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.unit(operator(args)) as unit:
            view = step(unit, args.instance)
        if args.step != "resume":
            view = app.mailings.let_go(gateway, operator(args), args.instance)
    return say(args, _instance_facts(view), _instance_sentence(view))


def _activity(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.writebacks.set_activity(unit, args.mailing, args.write == "yes")
    told = "is written back from now on" if args.write == "yes" else "is not written back any more"
    return say(args, {"mailingId": args.mailing, "writeActivity": args.write == "yes"},
               f"What becomes of mailing {args.mailing} {told}.")


def _doubts(args: argparse.Namespace) -> int:
    if args.decision is None:
        if args.delivery:
            raise GatewayError("INVALID_REQUEST", "Say --decision, too.", field="decision")
        found = list(_pages(args, app.recipients.find, DeliveryFilter(args.instance, (IN_DOUBT,))))
        return say(args, {"deliveries": [_delivery_facts(each) for each in found]}, "\n".join(
            f"{each.delivery_id:>8}  {instant(each.changed_at)}  {each.email or '-'}" for each in found)
            or "Nothing is in doubt.")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        decided = app.doubts.decide(unit, args.instance, args.decision, args.delivery)
        view = app.mailings.get_instance(unit, args.instance)
    return say(args, {"decided": decided, "instance": _instance_facts(view)},
               f"{decided} decided. {_instance_sentence(view)}")


def _pages(args: argparse.Namespace, find: Callable[..., Page[Any]], wanted: object) -> Iterator[Any]:
    """Everything that ``find`` finds, page by page."""
    token: str | None = None
    with closing(app.open_gateway(args.config)) as gateway:
        while True:
            with gateway.feed(operator(args)) as unit:
                page = find(unit, wanted, PageRequest(PAGE, token))
            yield from page.items
            token = page.next_token
            if token is None:
                return


# --- words --------------------------------------------------------------------------------------------------------


def _facts(view: MailingView) -> dict[str, object]:
    return {"mailingId": view.mailing_id, "name": view.draft.name, "state": view.state,
            "reviewedBy": view.reviewed_by, "instances": [_instance_facts(each) for each in view.instances]}


def _instance_facts(view: InstanceView) -> dict[str, object]:
    return {"instanceId": view.instance_id, "mailingId": view.mailing_id, "state": view.state, "reason": view.reason,
            "sendAt": instant(view.send_at), "counts": dict(view.counts)}


def _delivery_facts(view: DeliveryView) -> dict[str, object]:
    return {"deliveryId": view.delivery_id, "email": view.email, "since": instant(view.changed_at)}


def _sentence(view: MailingView) -> str:
    return "\n".join([f"{view.mailing_id:>6}  {view.state:<10} {view.draft.name}",
                      *(f"        {_instance_sentence(each)}" for each in view.instances)])


def _instance_sentence(view: InstanceView) -> str:
    why = f" ({view.reason})" if view.reason else ""
    counts = ", ".join(f"{state} {number}" for state, number in sorted(view.counts.items()))
    return f"Instance {view.instance_id}: {view.state}{why}, for {instant(view.send_at)}. {counts or 'Nobody yet'}."
