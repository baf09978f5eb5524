"""Groups of foreign systems, people without a link, and both sides compared (PUSH-36, PUSH-37)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.orphans import OrphanFilter, OrphanView
from gateway.domain.reconcile import Difference, ListReport
from gateway.domain.remotegroups import GroupReport, GroupView
from gateway.domain.sync import HAND
from gateway.push import query
from gateway.push.answers import act, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import groups as schema
from gateway.push.schemas.kinds import Flag, Text
from gateway.push.shapes import Json, known, page
from gateway.services import interests, orphans, reconcile, remotegroups
from gateway.services.gateway import Gateway
from gateway.services.reconcile import MAX_NAMED


def routes(gateway: Gateway) -> Blueprint:
    """/integrations/{name}/groups, /integrations/{name}/reconciliation, /interests/{id}/resolve, /orphans."""
    made = Blueprint("groups", __name__)

    @made.get("/integrations/<name>/groups")
    @operation("PUSH-37", "Which groups a foreign system offers", answer=schema.REMOTE_GROUPS,
               codes=("NOT_ALLOWED", "STATE_CONFLICT"), about="Takes a key with the scope report or import. The system "
               "is asked. POST /interests makes an interest of a group. Interests whose group is not offered any more "
               "come last.")
    def groups(name: str) -> Response:
        return show({"items": [_group(each) for each in remotegroups.find(gateway, g.actor, name)]})

    @made.get("/integrations/<name>/reconciliation")
    @operation("PUSH-36", "Compare a foreign system with what is stored", scope="report", answer=schema.RECONCILIATION,
               parameters=(Parameter("list", Text("only this interest, or members for everybody")),
                           Parameter("names", Flag(f"whether people are named, {MAX_NAMED} at most"))),
               codes=("STATE_CONFLICT",), about="The whole system is read, which takes minutes where it is large; "
                                                "nothing is changed. The command line has no limit on names.")
    def reconciliation(name: str) -> Response:
        report, named, is_complete = reconcile.with_names(gateway, g.actor, name, only=query.given("list"),
                                                          names=bool(query.given("names")))
        return show(known(integration=report.integration, state=report.state,
                          lists=[_list(each) for each in report.lists],
                          people=[_difference(which, each) for which, each in named], complete=is_complete,
                          startedAt=report.started_at, finishedAt=report.finished_at))

    @made.get("/orphans")
    @operation("PUSH-36", "People whose last link ended", scope="report", answer=schema.ORPHAN_PAGE,
               parameters=(Parameter("integration", Text("whose link was the last")), *query.PAGES),
               codes=("NOT_FOUND",), about="Each with the reason and what can be done.")
    def find_orphans() -> Response:
        with gateway.feed(g.actor) as unit:
            found = orphans.find(unit, OrphanFilter(query.given("integration")), query.page())
        return show(page(found, _orphan))

    _add_resolving(made, gateway)
    return made


def _add_resolving(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/interests/<interest_id>/resolve")
    @operation("PUSH-37", "Ask now who is in an interest that a group defines", scope="import", body=schema.RESOLVING,
               body_needed=False, answer=schema.RESOLUTION, writes=True, codes=("STATE_CONFLICT",),
               about="Done by itself before each mailing. Harmless if repeated.")
    def resolve(interest_id: str) -> Response:
        number, body = query.path_id(interest_id), read_json(optional=True)
        given = schema.RESOLVING.read("", body.value or {})

        def do() -> dict[str, Any]:
            with gateway.reading(g.actor) as unit:
                name = interests.get(unit, number).name
            return _resolution(remotegroups.resolve_now(gateway, g.actor, name, HAND,
                                                        release=bool(given.get("release"))))

        return act(gateway, body.sha256, do, once=False)


def _group(each: GroupView) -> Json:
    last = each.last
    return known(groupId=each.group_id, name=each.name, size=each.size,
                 interestId=None if each.interest_id is None else str(each.interest_id), interest=each.interest,
                 resolvedAt=each.resolved_at, gone=each.is_gone or None, lastState=last and last.state,
                 lastMessage=(last and last.message) or None, lastReadAt=last and last.started_at)


def _resolution(report: GroupReport) -> Json:
    counts = {name: report.counters[name] for name in ("members", "joined", "left", "optedOut", "rejected")}
    return known(interestId=str(report.interest_id), interest=report.interest, state=report.state,
                 message=report.message or None, **counts)


def _orphan(each: OrphanView) -> Json:
    return known(subscriberId=str(each.subscriber_id), email=each.email, integration=each.integration,
                 remoteId=each.remote_id, endedAt=each.ended_at, reason=each.reason, message=each.sentence,
                 remedies=[known(remedy=one.word, message=one.sentence, operation=one.operation)
                           for one in each.remedies])


def _list(each: ListReport) -> Json:
    return known(name=each.name, subject=each.subject, agrees=each.agrees, there=each.there, here=each.here,
                 others=each.others, note=each.note or None,
                 differences=[{"kind": kind, "reason": reason, "count": count}
                              for (kind, reason), count in each.counts.items()])


def _difference(name: str, each: Difference) -> Json:
    return known(list=name, kind=each.kind, reason=each.reason, mendedBy=each.mended_by, message=each.sentence,
                 remoteId=each.remote_id, subscriberId=None if each.subscriber_id is None else str(each.subscriber_id),
                 there=each.there, here=each.here)
