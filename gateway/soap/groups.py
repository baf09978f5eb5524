"""Which operations have the groups of foreign systems, orphans and comparisons? (ID-32, ID-38, ID-65)"""

from __future__ import annotations

from typing import Any

from gateway.clock import instant
from gateway.domain.accounts import Actor
from gateway.domain.orphans import OrphanFilter, OrphanView
from gateway.domain.reconcile import Difference as Differing
from gateway.domain.reconcile import ListReport
from gateway.domain.remotegroups import GroupView
from gateway.domain.sync import HAND
from gateway.services import orphans, reconcile, remotegroups
from gateway.services.gateway import Gateway, Unit
from gateway.soap import convert
from gateway.soap.encode import Values
from gateway.soap.operation import ACT, ASK, FIND, STEP, operation
from gateway.soap.types.groups import (
    AddDynamicInterestRequest,
    FindOrphansRequest,
    FindRemoteGroupsRequest,
    GroupResolution,
    OrphanPage,
    ReconcileIntegrationRequest,
    Reconciliation,
    RemoteGroupList,
    ResolveInterestRequest,
)
from gateway.soap.types.interests import Interest


@operation("FindRemoteGroups", FindRemoteGroupsRequest, RemoteGroupList, way=ASK, right="report")
def find_remote_groups(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Asks a foreign system which groups it offers, and tells which of them are interests here."""
    found = remotegroups.find(gateway, actor, request.integration)
    return {"item": [_group(each) for each in found], "requestId": actor.request_id}


@operation("AddDynamicInterest", AddDynamicInterestRequest, Interest, way=ACT, right="import")
def add_dynamic_interest(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Makes an interest of a group: the foreign system is asked who is in it before each mailing."""
    return convert.interest(remotegroups.add(gateway, actor, request.integration, request.groupId, request.name))


@operation("ResolveInterest", ResolveInterestRequest, GroupResolution, way=STEP, right="import")
def resolve_interest(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Asks the foreign system now who is in an interest that a group defines. Harmless if repeated."""
    report = remotegroups.resolve_now(gateway, actor, request.interest, HAND, release=bool(request.release))
    return {"interest": report.interest, "state": report.state, "message": report.message or None,
            **{name: report.counters[name] for name in ("members", "joined", "left", "optedOut", "rejected")},
            "requestId": actor.request_id}


@operation("FindOrphans", FindOrphansRequest, OrphanPage, way=FIND, right="report")
def find_orphans(unit: Unit, request: Any) -> Values:
    """Lists people without any link to a foreign system in pages, each with the reason and what can be done."""
    page = orphans.find(unit, OrphanFilter(request.integration), convert.page_request(request))
    return convert.page(page, _orphan, unit.actor.request_id)


@operation("ReconcileIntegration", ReconcileIntegrationRequest, Reconciliation, way=ASK, right="report")
def reconcile_integration(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Compares what a foreign system lists now with what is stored, and tells what differs and why; changes nothing.

    The whole system is read, so the answer of a large one takes minutes; the command line has no such limit.
    """
    report, named, is_complete = reconcile.with_names(gateway, actor, request.integration, only=request.list,
                                                      names=bool(request.names))
    return {"integration": report.integration, "state": report.state, "list": [_list(each) for each in report.lists],
            "person": [_difference(name, each) for name, each in named], "complete": is_complete,
            "startedAt": report.started_at, "finishedAt": report.finished_at, "requestId": actor.request_id}


def _group(each: GroupView) -> Values:
    last = each.last
    return {"groupId": each.group_id, "name": each.name, "size": each.size,
            "interestId": None if each.interest_id is None else str(each.interest_id), "interest": each.interest,
            "resolvedAt": each.resolved_at, "extra": convert.extra(
                gone="true" if each.is_gone else None, lastState=last and last.state,
                lastMessage=(last and last.message) or None,
                lastReadAt=None if last is None else instant(last.started_at))}


def _orphan(each: OrphanView) -> Values:
    return {"subscriberId": str(each.subscriber_id), "email": each.email, "integration": each.integration,
            "remoteId": each.remote_id, "endedAt": each.ended_at, "reason": each.reason, "message": each.sentence,
            "remedy": [{"remedy": one.word, "message": one.sentence, "operation": one.operation}
                       for one in each.remedies]}


def _list(each: ListReport) -> Values:
    return {"name": each.name, "subject": each.subject, "agrees": each.agrees, "there": each.there, "here": each.here,
            "others": each.others, "note": each.note or None,
            "difference": [{"kind": kind, "reason": reason, "count": count}
                           for (kind, reason), count in each.counts.items()]}


def _difference(name: str, each: Differing) -> Values:
    return {"list": name, "kind": each.kind, "reason": each.reason, "mendedBy": each.mended_by,
            "message": each.sentence, "remoteId": each.remote_id,
            "subscriberId": None if each.subscriber_id is None else str(each.subscriber_id), "there": each.there,
            "here": each.here}


OPERATIONS = (find_remote_groups, add_dynamic_interest, resolve_interest, find_orphans, reconcile_integration)
