"""How does an operator look after mail that came back? gateway bounces list, show, reprocess, count."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import asdict

from gateway import app
from gateway.cli.common import Commands, positive, say
from gateway.clock import instant
from gateway.domain.accounts import system_actor
from gateway.domain.inbound import QUARANTINED, STATES, MailView
from gateway.errors import GatewayError

OPERATOR = system_actor(0, "cli")
"""Whose mail it is, is often what is not known: it is looked after for the whole installation."""


def declare(commands: Commands) -> None:
    """Declares ``gateway bounces``."""
    group = commands.group("bounces", "Mail that came back.")
    made = group.add("list", _list, "Mails that nobody understood, or those in another state; the newest first.")
    made.add_argument("--state", choices=STATES, default=QUARANTINED, help="default quarantined")
    made.add_argument("--limit", type=positive, default=50, metavar="N", help="at most so many; default 50")
    made = group.add("show", _show, "One mail: headers and the beginning of its words.")
    made.add_argument("mail", type=positive, metavar="ID")
    made.add_argument("--raw", action="store_true", help="the mail as it is kept")
    made = group.add("reprocess", _reprocess, "Look at mails again, as after an upgrade.")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="all that are quarantined")
    which.add_argument("mails", type=positive, nargs="*", default=[], metavar="ID")
    group.add("count", _count, "How many mails are in each state.")


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(OPERATOR) as unit:
        found = app.quarantine.find(unit, args.state, args.limit)
    lines = [f"{view.mail_id:>6}  {instant(view.received_at)}  {view.came_by:<7} {view.kind or '-':<12} "
             f"{view.envelope_to or '-'}  {view.reason or ''}".rstrip() for view in found]
    return say(args, {"mails": [_facts(view) for view in found]}, "\n".join(lines) or f"No mail is {args.state}.")


def _show(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(OPERATOR) as unit:
        if args.raw:
            sys.stdout.buffer.write(app.quarantine.raw(unit, args.mail))
            return 0
        found = app.quarantine.show(unit, args.mail)
    facts = _facts(found.view)
    lines = [f"{name}: {value}" for name, value in facts.items() if value is not None]
    lines += ["", *(f"{name}: {value}" for name, value in found.headers.items()), "", found.text]
    return say(args, facts | {"headers": found.headers, "text": found.text}, "\n".join(lines))


def _reprocess(args: argparse.Namespace) -> int:
    if not args.all and not args.mails:
        raise GatewayError("INVALID_REQUEST", "Say which mails: their ids, or --all.")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(OPERATOR) as unit:
        number = app.quarantine.reprocess_all(unit) if args.all else app.quarantine.reprocess(unit, args.mails)
    return say(args, {"mails": number}, f"{number} mails are looked at again by a worker.")


def _count(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(OPERATOR) as unit:
        found = app.quarantine.counts(unit)
    return say(args, dict(found), "\n".join(f"{state}: {number}" for state, number in found.items()))


def _facts(view: MailView) -> dict[str, object]:
    return {**asdict(view), "received_at": instant(view.received_at)}
