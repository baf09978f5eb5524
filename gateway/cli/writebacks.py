"""How does an operator look after what foreign systems are told? gateway writebacks list, retry, dismiss."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from functools import partial
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, positive, say
from gateway.clock import instant
from gateway.domain.paging import PageRequest
from gateway.domain.writeback import FAILED, STATES, TO_BE_WRITTEN, WritebackFilter, WritebackView

ALL = "all"


def declare(commands: Commands) -> None:
    """Declares ``gateway writebacks``."""
    group = commands.group("writebacks", "What foreign systems are told: unsubscribes and the like.")
    made = group.add("list", _list, "Writebacks that failed and wait for a decision, or those in another state.",
                     branded=True)
    made.add_argument("--integration", metavar="NAME", help="only of this one")
    made.add_argument("--state", choices=(TO_BE_WRITTEN, *STATES, ALL), default=FAILED,
                      help=f"default {FAILED}; {TO_BE_WRITTEN}: what can be written now")
    for name, text in (("retry", "Try a failed writeback again."),
                       ("dismiss", "Close a writeback that will not be written; later ones of the person may go.")):
        made = group.add(name, _decide, text, branded=True)
        made.add_argument("--writeback", type=positive, action="append", required=True, metavar="ID",
                          help="repeatable; all or none are done")
        made.set_defaults(step=name)


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            names = {each.integration_id: each.name for each in app.integrations.find(unit)}
            wanted = WritebackFilter(
                app.integrations.get_by_name(unit, args.integration).integration_id if args.integration else None,
                None if args.state == ALL else args.state)
        found = list(_pages(partial(gateway.feed, operator(args)), wanted))
    return say(args, {"writebacks": [_facts(row, names) for row in found]},
               "\n".join(_sentence(row, names) for row in found) or "There are none.")


def _pages(feed: Callable[[], AbstractContextManager[Any]], wanted: WritebackFilter) -> Iterator[WritebackView]:
    token: str | None = None
    while True:
        with feed() as unit:
            page = app.writebacks.find(unit, wanted, PageRequest(token=token))
        yield from page.items
        token = page.next_token
        if token is None:
            return


def _decide(args: argparse.Namespace) -> int:
    step = {"retry": app.writebacks.retry, "dismiss": app.writebacks.dismiss}[args.step]
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        for writeback_id in args.writeback:
            step(unit, writeback_id)
    word = {"retry": "will be tried again", "dismiss": "closed"}[args.step]
    return say(args, {"writebacks": [str(each) for each in args.writeback]},
               f"Writeback {', '.join(map(str, args.writeback))} {word}.")


def _facts(row: WritebackView, names: dict[int, str]) -> dict[str, object]:
    return {"id": str(row.writeback_id), "integration": names[row.integration_id], "kind": row.kind,
            "state": row.state, "remoteId": row.remote_id, "email": row.email, "tries": row.tries,
            "occurredAt": instant(row.occurred_at), "message": row.message}


def _sentence(row: WritebackView, names: dict[int, str]) -> str:
    return (f"{row.writeback_id} {names[row.integration_id]} {row.remote_id or '-'}: {row.kind} of "
            f"{instant(row.occurred_at)}, {row.state}" + (f": {row.message}" if row.message else ""))
