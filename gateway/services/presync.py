"""Is what the foreign systems say of a mailing's interests fresh enough to freeze its audience? (ID-66, ID-67)

Nothing here waits: a run is asked for, and its end rings for the instance again; the sweep does so, too. So a worker
that dies in between delays the instance by a minute at most, and two workers make one run.
"""

from __future__ import annotations

import datetime as dt
import logging

from gateway.bridges import registry
from gateway.db.queries import accounts, integrations, locks, presync, syncruns
from gateway.db.queries.instances import StoredInstance
from gateway.db.queries.syncruns import RunRow
from gateway.db.unit import Unit
from gateway.domain import sync, window
from gateway.domain.accounts import system_actor
from gateway.domain.integration import IntegrationView
from gateway.domain.remotegroups import FAILED, READY, WAITS
from gateway.domain.schedule import SyncChoices, choices_of
from gateway.log import event
from gateway.services import remotegroups
from gateway.services.gateway import Gateway
from gateway.services.syncruns import Wish, ask

log = logging.getLogger("gateway.services")

FRESH = dt.timedelta(days=1)
"""A run that is older counts for nobody, however long ago the instance became due."""


def prepare(gateway: Gateway, brand_id: int, instance: StoredInstance) -> str:
    """Sees to it that everything is read that the audience of an instance in ``preparing`` depends on.

    Answers ``READY``, ``WAITS`` (a run that was asked for has not ended) or ``FAILED`` (one did not end well). Groups
    that are interests are read here and now, when the syncs are done. May be called at any time and any number of
    times, by any number of workers.
    """
    with gateway.unit(system_actor(brand_id)) as unit:
        if not window.of(accounts.brand_settings(unit.connection, brand_id)).is_open(unit.now):
            return READY  # it is not frozen before the window opens, and is synced then
        locks.lock_brand(unit.connection, brand_id)
        verdicts = {_look(unit, each, instance) for each in _feeding(unit, instance.instance_id)}
        since = _since(unit, instance)
    for verdict in (FAILED, WAITS):
        if verdict in verdicts:
            return verdict
    return remotegroups.prepare(gateway, brand_id, instance.instance_id, since)


def again(unit: Unit, instance_id: int) -> None:
    """Asks for new runs in place of those that failed, for an instance that somebody resumes.

    The caller has locked the instance's row, so the brand's lock is not taken: at worst one run too many is made.
    """
    for integration, _ in _feeding(unit, instance_id):
        last = syncruns.latest(unit.connection, unit.brand_id, integration.integration_id)
        if last is not None and last.state in sync.ENDED and last.state != sync.SUCCESS:
            ask(unit, integration.integration_id, _for(instance_id), locked=True)


def _feeding(unit: Unit, instance_id: int) -> list[tuple[IntegrationView, SyncChoices]]:
    """The integrations that are to be synced before the instance, with their choices."""
    found = []
    for integration_id in presync.feeding(unit.connection, unit.brand_id, instance_id, registry.kinds()):
        integration = integrations.get(unit.connection, unit.brand_id, integration_id)
        choices = choices_of(integration.choices) if integration is not None else None
        if integration is not None and choices is not None and choices.before_mailing:
            found.append((integration, choices))
    return found


def _look(unit: Unit, feeder: tuple[IntegrationView, SyncChoices], instance: StoredInstance) -> str:
    integration, choices = feeder
    last = syncruns.latest(unit.connection, unit.brand_id, integration.integration_id)
    if last is None:
        return READY  # the first run is a person's decision
    if last.state == sync.REQUESTED or not _counts(unit, last, instance):
        ask(unit, integration.integration_id, _for(instance.instance_id))
        return WAITS
    if last.state == sync.RUNNING:
        return WAITS
    if last.state == sync.SUCCESS or _goes_on(unit, integration, choices):
        return READY
    event(log, "sync before a mailing failed", brand=unit.brand_id, integration=integration.integration_id,
          instance=instance.instance_id, run=last.run_id, state=last.state)
    return FAILED


def _counts(unit: Unit, run: RunRow, instance: StoredInstance) -> bool:
    """Whether the run was started after the instance became due, and not long ago, nor by a clock that was wrong."""
    return _since(unit, instance) <= run.started_at <= unit.now + sync.CLOCK_TOLERANCE


def _since(unit: Unit, instance: StoredInstance) -> dt.datetime:
    opening = window.of(accounts.brand_settings(unit.connection, unit.brand_id))
    return max(opening.opens_at(instance.send_at), unit.now - FRESH)


def _goes_on(unit: Unit, integration: IntegrationView, choices: SyncChoices) -> bool:
    """Whether the brand lets mailings go on, as the last complete run is young enough (ID-67)."""
    if choices.go_on_hours is None:
        return False
    complete = syncruns.newest(unit.connection, unit.brand_id, integration.integration_id, (sync.SUCCESS,))
    since = unit.now - dt.timedelta(hours=choices.go_on_hours)
    return complete is not None and since <= complete.started_at <= unit.now + sync.CLOCK_TOLERANCE


def _for(instance_id: int) -> Wish:
    return Wish(sync.MAILING, instance_id=instance_id)
