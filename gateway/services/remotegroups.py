"""Which groups does an AMS offer, which of them are interests, and is it known who is in them? (ID-38, ID-66, ID-67)"""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import closing
from dataclasses import replace

from gateway.bridges.port import Outage, Refused, RemoteGroup
from gateway.db.queries import interests, locks, own_interests
from gateway.db.queries import remotegroups as queries
from gateway.db.queries.remotegroups import DynamicInterest
from gateway.db.unit import Unit
from gateway.domain import records
from gateway.domain import sync as rules
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.records import InterestView
from gateway.domain.remotegroups import (
    FAILED,
    READY,
    WAITS,
    GroupReport,
    GroupView,
)
from gateway.domain.schedule import choices_of
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations
from gateway.services import interests as interest_services
from gateway.services.gateway import Gateway
from gateway.services.groupreadings import dynamic, resolve
from gateway.services.own_interests import own_interest_maker

__all__ = ["add", "dynamic_of", "find", "named", "prepare", "resolve", "resolve_now"]

log = logging.getLogger("gateway.services")


def find(gateway: Gateway, actor: Actor, integration: str) -> tuple[GroupView, ...]:
    """The groups that the AMS offers now, in its own order, and which of them are interests here; then those interests
    whose group it does not offer any more.

    Asks the foreign system. Raises ``NOT_ALLOWED`` without the right ``import`` or ``report``, ``NOT_FOUND``,
    ``STATE_CONFLICT`` for an integration without a bridge, ``UNAVAILABLE`` while the system is away.
    """
    if "import" not in actor.scopes:
        actor.require("report")
    with gateway.reading(actor) as unit:
        integration_id = integrations.get_by_name(unit, integration).integration_id
    offered = _described(gateway, actor.brand_id, integration_id)
    with gateway.reading(actor) as unit:
        known = {each.group_id: each for each in queries.of_integration(unit.connection, unit.brand_id, integration_id)}
        ids = [each.interest_id for each in known.values()]
        resolved = queries.last_resolved(unit.connection, unit.brand_id, ids)
        last = queries.last_readings(unit.connection, unit.brand_id, integration_id, ids)
    views = [GroupView(group.group_id, group.name, group.size) for group in offered]
    there = {group.group_id for group in offered}
    views += [GroupView(group_id, here.name, is_gone=True) for group_id, here in known.items() if group_id not in there]
    return tuple(view if (here := known.get(view.group_id)) is None else replace(
        view, interest_id=here.interest_id, interest=here.name, resolved_at=resolved.get(here.interest_id),
        last=last.get(here.interest_id)) for view in views)


def add(gateway: Gateway, actor: Actor, integration: str, group_id: str, name: str | None = None) -> InterestView:
    """A new interest whose people the group of this id in the AMS names; nobody is in it until it is resolved.

    Without a ``name`` it is called as the group is, with the integration's name behind it where another interest is
    called so. The foreign system is asked whether it has the group. Raises ``NOT_ALLOWED``, ``NOT_FOUND`` (integration,
    group), ``ALREADY_EXISTS`` (the group is an interest already; the name is taken), ``LIMIT_EXCEEDED``,
    ``INVALID_VALUE``, ``STATE_CONFLICT`` for an integration without a bridge, ``UNAVAILABLE``.
    """
    actor.require("import")
    with gateway.reading(actor) as unit:
        found = integrations.get_by_name(unit, integration)
    group_id = group_id.strip()
    offered = next((each for each in _described(gateway, actor.brand_id, found.integration_id)
                    if each.group_id == group_id), None)
    if offered is None:
        raise GatewayError("NOT_FOUND", "The system has no group of this id. Look at its list of groups.",
                           field="groupId")
    with gateway.unit(actor) as unit:
        return _add(unit, found.integration_id, integration, offered, (name or "").strip())


def named(unit: Unit, name: str) -> DynamicInterest:
    """The dynamic interest of this name. Raises ``NOT_FOUND``, ``STATE_CONFLICT`` for one that no group defines."""
    interest_id = interests.by_name(unit.connection, unit.brand_id, [name.strip()]).get(name.strip())
    if interest_id is None:
        raise GatewayError("NOT_FOUND", f"There is no interest '{name}' in this brand.", field="interest")
    return dynamic(unit, interest_id)


def dynamic_of(unit: Unit, instance_id: int) -> tuple[DynamicInterest, ...]:
    """The dynamic interests that decide who gets an instance, to be resolved before its audience is frozen."""
    return tuple(queries.of_instance(unit.connection, unit.brand_id, instance_id))


def prepare(gateway: Gateway, brand_id: int, instance_id: int, since: dt.datetime) -> str:
    """Resolves every dynamic interest that decides who gets an instance, unless that was done after ``since``.

    ``ready``, ``waits`` (a sync or another reading has the lease, whose end rings for the instance) or ``failed``: one
    could not be resolved, and the last time that it could is longer ago than the integration's ``goOnHours`` allow
    (ID-67). Nothing was taken out of it then. May be called any number of times, by any number of workers.
    """
    with gateway.reading(system_actor(brand_id, "sync")) as unit:
        groups = dynamic_of(unit, instance_id)
        known = queries.last_resolved(unit.connection, brand_id, [each.interest_id for each in groups])
    for group in groups:
        at = known.get(group.interest_id)
        if at is not None and since <= at <= gateway.clock() + rules.CLOCK_TOLERANCE:
            continue
        verdict = _prepared(gateway, brand_id, group, instance_id)
        if verdict == FAILED and _goes_on(gateway, brand_id, group, at):
            continue
        if verdict != READY:
            return verdict
    return READY


def resolve_now(gateway: Gateway, actor: Actor, name: str, trigger: str, *, release: bool = False) -> GroupReport:
    """As :func:`resolve`, for a caller who names the interest. Raises ``NOT_ALLOWED`` without the right ``import``, or
    with ``release`` for who is no administrator; ``NOT_FOUND`` and the others as there."""
    actor.require("import")
    if release:
        actor.require("admin")
    with gateway.reading(actor) as unit:
        interest_id = named(unit, name).interest_id
    return resolve(gateway, actor.brand_id, interest_id, trigger, release=release)


def _add(unit: Unit, integration_id: int, integration: str, group: RemoteGroup, name: str) -> InterestView:
    if not interest_services.may_create(unit):
        raise GatewayError("NOT_ALLOWED", "These credentials may not create interests. Ask an administrator.")
    interest_services.check_names([name or group.name or group.group_id], "name")
    if len(group.group_id) > records.MAX_INTEREST:
        raise GatewayError("INVALID_VALUE", f"A group's id has at most {records.MAX_INTEREST} characters.",
                           field="groupId")
    connection, brand_id = unit.connection, unit.brand_id
    locks.lock_brand(connection, brand_id)
    there = own_interests.by_external(connection, brand_id, integration_id, [group.group_id]).get(group.group_id)
    if there is not None:
        raise GatewayError("ALREADY_EXISTS", f"This group is the interest '{there.name}' already. Use that one.",
                           field="groupId")
    if name and interests.by_name(connection, brand_id, [name]):
        raise GatewayError("ALREADY_EXISTS", f"Another interest is called '{name}'. Choose another name.", field="name")
    made = own_interest_maker(unit, integration_id, integration)(group.group_id, name or group.name or group.group_id)
    if made is None:
        raise GatewayError("LIMIT_EXCEEDED", "The brand has no room for another interest. Use one that is there.",
                           field="groupId")
    queries.set_dynamic(connection, brand_id, made.interest_id)
    return interest_services.get(unit, made.interest_id)


def _described(gateway: Gateway, brand_id: int, integration_id: int) -> tuple[RemoteGroup, ...]:
    with gateway.reading(system_actor(brand_id)) as unit:
        integration = integrations.get(unit, integration_id)
    with closing(integrations.bridge(gateway, integration)) as bridge:
        try:
            return bridge.describe().groups
        except Outage as outage:
            raise GatewayError("UNAVAILABLE", f"The system could not be asked: {outage}", field="integration") from None
        except Refused as refused:
            raise GatewayError("STATE_CONFLICT", f"The system does not say: {refused}", field="integration") from None


def _prepared(gateway: Gateway, brand_id: int, group: DynamicInterest, instance_id: int) -> str:
    try:
        report = resolve(gateway, brand_id, group.interest_id, rules.MAILING, instance_id=instance_id)
    except GatewayError as error:
        if error.code != "IN_PROGRESS":
            event(log, "group not resolved", brand=brand_id, interest=group.interest_id, reason=error.message)
        return WAITS if error.code == "IN_PROGRESS" else FAILED
    return READY if report.state == rules.SUCCESS else FAILED


def _goes_on(gateway: Gateway, brand_id: int, group: DynamicInterest, at: dt.datetime | None) -> bool:
    with gateway.reading(system_actor(brand_id, "sync")) as unit:
        hours = choices_of(integrations.get(unit, group.integration_id).choices).go_on_hours
    return at is not None and hours is not None and gateway.clock() - dt.timedelta(hours=hours) <= at
