"""Are the integrations in step with their systems? What an operator and a monitor look at (ID-66, ID-67)."""

from __future__ import annotations

import dataclasses
import datetime as dt

from gateway.bridges import registry
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import sync as link_queries
from gateway.db.queries import syncruns as queries
from gateway.db.unit import Unit
from gateway.domain import sync as rules
from gateway.domain.accounts import system_actor
from gateway.domain.schedule import Standing
from gateway.services import syncchoices
from gateway.services.gateway import Gateway

GRACE = dt.timedelta(minutes=15)


def metrics(unit: Unit) -> dict[tuple[str, str, str], float]:
    """Gauges as (metric, label name, label value) -> number. An integration is named by its id alone.

    The age of the last complete run is left out while there is none.
    """
    found: dict[tuple[str, str, str], float] = {}
    for state, count in queries.by_state(unit.connection).items():
        found["gateway_sync_runs", "state", state] = count
    for each in queries.standings(unit.connection, registry.kinds()):
        label = str(each.integration_id)
        complete = queries.newest(unit.connection, each.brand_id, each.integration_id, (rules.SUCCESS,))
        if complete is not None and complete.finished_at is not None:
            age = unit.now - complete.finished_at
            found["gateway_sync_last_success_age_seconds", "integration", label] = max(0.0, age.total_seconds())
        found["gateway_sync_held", "integration", label] = float(each.state == rules.HELD)
        found["gateway_sync_links", "integration", label] = link_queries.count_links(
            unit.connection, each.brand_id, each.integration_id)
    return found


def check(gateway: Gateway) -> tuple[bool, str]:
    """Whether every integration that is synced by a schedule was synced completely, and is not held.

    One is named whose last complete run is so old that a second one by its schedule is overdue.
    """
    with gateway.reading(system_actor(0)) as unit:
        found = queries.standings(unit.connection, registry.kinds())
        problems = [problem for each in found if (problem := _problem(unit, each))]
    if problems:
        return False, " ".join(problems)
    number = sum(1 for each in found if each.state is not None)
    return True, f"{number} integrations are in step" if number else "no integration is synced"


def _problem(unit: Unit, standing: Standing) -> str:
    brand_id, integration_id = standing.brand_id, standing.integration_id
    integration = integration_queries.get(unit.connection, brand_id, integration_id)
    if integration is None or standing.started_at is None:
        return ""
    own = dataclasses.replace(unit, actor=system_actor(brand_id))
    name = f"Brand {brand_id}: integration {integration.name}"
    if standing.state == rules.HELD:
        return f"{name} is held by the brake: `gateway sync-runs --brand {brand_id}` shows why."
    complete = queries.newest(unit.connection, brand_id, integration_id, (rules.SUCCESS,))
    since = (complete.finished_at if complete else None) or standing.started_at
    overdue_at = syncchoices.overdue_at(own, integration, since)
    if overdue_at is None or unit.now <= overdue_at + GRACE or integration.kind in registry.WATCHED:
        return ""
    last = f"was synced completely {(unit.now - since).days} days ago" if complete else "was never synced completely"
    return f"{name} {last}: `gateway sync-runs --brand {brand_id}` shows why."
