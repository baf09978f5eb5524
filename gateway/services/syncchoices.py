"""How and when is an integration synced, by choice of its brand? (ID-66, ID-67, ID-70)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from gateway.bridges import registry
from gateway.db.queries import accounts, locks, presync, syncruns
from gateway.db.queries import integrations as queries
from gateway.db.unit import Unit
from gateway.domain import schedule as rules
from gateway.domain import sync
from gateway.domain.brake import Brake, brake_of, tighter_or_looser
from gateway.domain.integration import IntegrationView
from gateway.domain.schedule import SyncChoices, choices_of
from gateway.domain.window import TIME_ZONE, UTC
from gateway.errors import GatewayError
from gateway.services import integrations, schedules


def choose(unit: Unit, integration_id: int, wanted: Mapping[str, str]) -> dict[str, object]:
    """Sets these choices (:data:`gateway.domain.schedule.NAMES`), given as text, all or none; ``none`` forgets one.

    The next run by schedule is counted anew. Answers :func:`facts`. Raises ``NOT_ALLOWED`` (administrators only),
    ``NOT_FOUND``, ``STATE_CONFLICT`` for an integration without a bridge, ``INVALID_VALUE`` naming what a choice takes.
    """
    unit.actor.require("admin")
    locks.lock_brand(unit.connection, unit.brand_id)
    found = integrations.get(unit, integration_id)
    if found.kind not in registry.kinds():
        raise GatewayError("STATE_CONFLICT", f"The integration '{found.name}' has no bridge, so it is not synced.",
                           field="integration")
    read = {name: rules.read(name, text) for name, text in wanted.items()}
    cron = read.get(rules.SCHEDULE)
    if cron not in (None, rules.OFF):
        schedules.check(str(cron))
    merged = {**found.choices, **read}
    queries.set_choices(unit.connection, unit.brand_id, integration_id,
                        {name: value for name, value in merged.items() if value is not None})
    if rules.SCHEDULE in read or rules.TIME_ZONE in read:
        last = syncruns.newest(unit.connection, unit.brand_id, integration_id)
        plan(unit, integrations.get(unit, integration_id), last.started_at if last else None)
    return facts(unit, integration_id)


def facts(unit: Unit, integration_id: int) -> dict[str, object]:
    """What holds for the syncs of an integration: every choice by name (None: the usual rule, the brand's, never), when
    it is synced next, and how its last runs went. Raises ``NOT_FOUND``."""
    found = integrations.get(unit, integration_id)
    choices = choices_of(found.choices)
    last = syncruns.newest(unit.connection, unit.brand_id, integration_id)
    complete = syncruns.newest(unit.connection, unit.brand_id, integration_id, (sync.SUCCESS,))
    return {rules.SCHEDULE: choices.schedule, rules.TIME_ZONE: zone_of(unit, choices),
            rules.BRAKE_SHARE: choices.brake_share, rules.BRAKE_ROWS: choices.brake_rows,
            rules.FULL_EVERY_DAYS: choices.full_every_days, rules.BEFORE_MAILING: choices.before_mailing,
            rules.GO_ON_HOURS: choices.go_on_hours, "nextSyncAt": found.next_sync_at,
            "lastState": last.state if last else None, "lastStartedAt": last.started_at if last else None,
            "lastCompleteAt": complete.finished_at if complete else None}


def plan(unit: Unit, integration: IntegrationView, started_at: dt.datetime | None, *, failed: bool = False) -> None:
    """Stores when the integration is to be synced next by itself, after a run that was started then (ID-66).

    A run that failed is tried again after an hour. Whoever was off meanwhile runs what it missed once: the next time
    is counted from now.
    """
    choices = choices_of(integration.choices)
    at = None
    if choices.cron is not None:
        at = schedules.next_time(choices.cron, zone_of(unit, choices), unit.now)
    elif not choices.is_off and started_at is not None:
        at = max(min(started_at, unit.now) + usual_interval(unit, integration), unit.now)
    if at is not None and failed:
        at = min(at, unit.now + sync.AFTER_FAILURE)
    queries.set_next_sync(unit.connection, unit.brand_id, integration.integration_id, at)


def overdue_at(unit: Unit, integration: IntegrationView, complete_at: dt.datetime) -> dt.datetime | None:
    """When the second run by schedule after a complete one at ``complete_at`` was to come; None: it has no schedule."""
    choices = choices_of(integration.choices)
    if choices.is_off:
        return None
    if choices.cron is None:
        return complete_at + 2 * usual_interval(unit, integration)
    zone = zone_of(unit, choices)
    return schedules.next_time(choices.cron, zone, schedules.next_time(choices.cron, zone, complete_at))


def usual_interval(unit: Unit, integration: IntegrationView) -> dt.timedelta:
    """How often it is synced without a schedule of its own, as its interests are used now."""
    return rules.usual_interval(presync.use(unit.connection, unit.brand_id, integration.integration_id, unit.now))


def brake(unit: Unit, integration: IntegrationView) -> Brake:
    """What holds a run: the integration's numbers, else the brand's (ID-70)."""
    choices = choices_of(integration.choices)
    return tighter_or_looser(brake_of(accounts.brand_settings(unit.connection, unit.brand_id)), choices.brake_share,
                             choices.brake_rows)


def zone_of(unit: Unit, choices: SyncChoices) -> str:
    """The time zone of the schedule: its own, else the brand's."""
    return choices.time_zone or str(accounts.brand_settings(unit.connection, unit.brand_id).get(TIME_ZONE, UTC))
