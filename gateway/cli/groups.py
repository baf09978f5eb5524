"""How does an operator see what an AMS offers and how it compares? gateway group, orphan, reconcile."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, say, shown
from gateway.clock import instant
from gateway.domain.orphans import OrphanFilter, OrphanView
from gateway.domain.paging import PageRequest
from gateway.domain.reconcile import Difference, ListReport
from gateway.domain.remotegroups import GROUP_COUNTS, GroupView
from gateway.domain.sync import HAND, SUCCESS


def declare(commands: Commands) -> None:
    """Declares ``gateway group``, ``gateway orphan`` and ``gateway reconcile``."""
    group = commands.group("group", "Groups, lists and searches of an AMS as interests.")
    made = group.add("list", _list_groups, "What the AMS offers, and what is an interest here.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made = group.add("add", _add_group, "Make an interest of a group; its people are asked for at each mailing.",
                     branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made.add_argument("--group", required=True, metavar="ID", help="the group's id in the AMS")
    made.add_argument("--name", metavar="NAME", help="the interest's; default the group's")
    made = group.add("resolve", _resolve, "Ask now who is in a group.", branded=True)
    made.add_argument("--interest", required=True, metavar="NAME")
    made.add_argument("--release", action="store_true", help="apply a mass change that the brake would hold")
    group = commands.group("orphan", "People whose last link to a foreign system ended.")
    made = group.add("list", _list_orphans, "Each with the reason and what can be done.", branded=True)
    made.add_argument("--integration", metavar="NAME", help="only those whose link was of this one")
    made = commands.add("reconcile", _reconcile, "Compare an AMS with what is stored; changes nothing. "
                        "Exit code 0 if both sides agree, 1 if something differs.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made.add_argument("--list", dest="only", metavar="NAME",
                      help="only this interest, or members for everybody; default all")
    made.add_argument("--names", action="store_true", help="say of everybody what differs and why")


def _list_groups(args: argparse.Namespace) -> int:
    with closing(_open(args)) as gateway:
        found = app.remotegroups.find(gateway, operator(args), args.integration)
    return say(args, {"groups": [_group_facts(each) for each in found]},
               "\n".join(map(_group_sentence, found)) or "The system offers no groups.")


def _add_group(args: argparse.Namespace) -> int:
    with closing(_open(args)) as gateway:
        made = app.remotegroups.add(gateway, operator(args), args.integration, args.group, args.name)
    return say(args, {"interestId": str(made.interest_id), "name": made.name},
               f"Interest {made.interest_id} '{made.name}' is defined by group {args.group} of {args.integration}.")


def _resolve(args: argparse.Namespace) -> int:
    with closing(_open(args)) as gateway:
        report = app.remotegroups.resolve_now(gateway, operator(args), args.interest, HAND, release=args.release)
    counts = {name: number for name, number in report.counters.items() if number or name in GROUP_COUNTS}
    facts: dict[str, object] = {"interest": report.interest, "integration": report.integration, "state": report.state,
                                **counts}
    if report.message:
        facts["message"] = report.message
    say(args, facts, "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 0 if report.state == SUCCESS else 1


def _list_orphans(args: argparse.Namespace) -> int:
    with closing(_open(args)) as gateway:
        found = list(_orphans(gateway, args))
    return say(args, {"orphans": [_orphan_facts(each) for each in found]},
               "\n".join(map(_orphan_sentence, found)) or "There are none.")


def _orphans(gateway: app.Gateway, args: argparse.Namespace) -> Iterator[OrphanView]:
    token: str | None = None
    while True:
        with gateway.feed(operator(args)) as unit:
            page = app.orphans.find(unit, OrphanFilter(args.integration), PageRequest(token=token))
        yield from page.items
        token = page.next_token
        if token is None:
            return


def _reconcile(args: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []

    def tell(name: str, each: Difference) -> None:
        if args.json:
            found.append({"list": name, **_difference_facts(each)})
        else:
            print(shown(f"{name}: {each.remote_id or '-'} {_values(each)}{each.sentence}"))

    with closing(_open(args)) as gateway:
        report = app.reconcile.reconcile(gateway, operator(args), args.integration, only=args.only,
                                         tell=tell if args.names else None)
    facts: dict[str, object] = {"integration": report.integration, "state": report.state,
                                "lists": [_list_facts(each) for each in report.lists]}
    if args.names:
        facts["people"] = found
    say(args, facts, "\n".join([line for each in report.lists for line in _list_lines(each)] + [report.state]))
    return 0 if report.agrees else 1


def _open(args: argparse.Namespace) -> app.Gateway:
    """The gateway, once it is certain that the brand is there."""
    gateway = app.open_gateway(args.config)
    try:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
    except BaseException:
        gateway.close()
        raise
    return gateway


def _group_facts(each: GroupView) -> dict[str, object]:
    return {"groupId": each.group_id, "name": each.name, "size": each.size,
            "interestId": None if each.interest_id is None else str(each.interest_id), "interest": each.interest,
            "resolvedAt": None if each.resolved_at is None else instant(each.resolved_at), "gone": each.is_gone,
            "lastState": each.last and each.last.state, "lastMessage": (each.last and each.last.message) or None,
            "lastReadAt": None if each.last is None else instant(each.last.started_at)}


def _group_sentence(each: GroupView) -> str:
    size = "" if each.size is None else f" ({each.size} people)"
    if each.interest is None:
        return f"{each.group_id}: {each.name}{size}"
    resolved = "never resolved" if each.resolved_at is None else f"resolved {instant(each.resolved_at)}"
    what = "is not offered any more" if each.is_gone else f"{each.name}{size}"
    last = each.last
    since = "" if last is None or last.state == SUCCESS else \
        f", last reading {last.state} at {instant(last.started_at)}" + (f": {last.message}" if last.message else "")
    return f"{each.group_id}: {what} - interest {each.interest_id} '{each.interest}', {resolved}{since}"


def _orphan_facts(each: OrphanView) -> dict[str, object]:
    return {"subscriberId": str(each.subscriber_id), "email": each.email, "integration": each.integration,
            "remoteId": each.remote_id, "endedAt": None if each.ended_at is None else instant(each.ended_at),
            "reason": each.reason, "message": each.sentence, "remedies": [asdict(one) for one in each.remedies]}


def _orphan_sentence(each: OrphanView) -> str:
    since = "" if each.ended_at is None else f" since {instant(each.ended_at)}"
    last = f"last {each.integration or '-'}:{each.remote_id or '-'}{since}"
    first = f"{each.subscriber_id} {each.email or '-'}, {last}: {each.sentence}"
    return "\n".join([first, *(f"  {one.sentence}{f' ({one.operation})' if one.operation else ''}"
                               for one in each.remedies)])


def _list_facts(each: ListReport) -> dict[str, object]:
    return {"name": each.name, "subject": each.subject, "there": each.there, "here": each.here, "others": each.others,
            "agrees": each.agrees, "note": each.note or None,
            "differences": [{"kind": kind, "reason": reason, "count": count} for (kind, reason), count in
                       each.counts.items()]}


def _list_lines(each: ListReport) -> Iterator[str]:
    more = f", {each.others} more here through others" if each.others else ""
    note = f" {each.note}" if each.note else ""
    yield f"{each.name}: {each.there} there, {each.here} here{more}; {'agrees' if each.agrees else 'differs'}.{note}"
    for (kind, reason), count in each.counts.items():
        yield f"  {kind} {reason}: {count}"


def _difference_facts(each: Difference) -> dict[str, object]:
    return {"kind": each.kind, "reason": each.reason, "mendedBy": each.mended_by, "remoteId": each.remote_id,
            "subscriberId": None if each.subscriber_id is None else str(each.subscriber_id), "there": each.there,
            "here": each.here, "message": each.sentence}


def _values(each: Difference) -> str:
    if each.there is None and each.here is None:
        return ""
    return f"(there {each.there or '-'}, here {each.here or '-'}) "
