"""Who asks for a sync run, which worker has it, and what is known of those that were? (ID-66, ID-67, ID-72)

A wish is a row before anybody is rung for it, so it outlives every process; one run of an integration is at work at a
time, on whatever host, because the brand's lock is held while it is begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.bridges import registry
from gateway.db.queries import integrations as integration_queries
from gateway.db.queries import locks, presync, remotegroups
from gateway.db.queries import syncruns as queries
from gateway.db.queries.syncruns import RunRow
from gateway.db.unit import Unit
from gateway.domain import schedule
from gateway.domain import sync as rules
from gateway.domain.integration import IntegrationView
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import ImportOptions
from gateway.domain.schedule import choices_of
from gateway.domain.sync import RunFilter, Sample, SyncRunView
from gateway.errors import GatewayError
from gateway.services import imports, integrations, syncchoices
from gateway.services.paging import close_page, open_window

MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a run. ``full``: everybody is read, not only what changed; ``released_by``: an administrator who
    lets go of the brake for it (ID-70); ``instance_id``: the mailing instance that waits for it."""

    trigger: str = rules.HAND
    full: bool = False
    requested_by: str | None = None
    released_by: str | None = None
    instance_id: int | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its state and why, its counts, whether it read everybody, the next cursor, and people by
    class."""

    state: str
    message: str
    counters: Mapping[str, int]
    full: bool
    cursor: str | None
    samples: Mapping[str, Sequence[Sample]]


# --- asking ------------------------------------------------------------------------------------------------------


def start(unit: Unit, name: str, *, full: bool = False, release: bool = False) -> SyncRunView:
    """Asks for a run of the brand's integration of this name, and rings for a worker.

    Asking again before it has begun answers the same run, which then does what either asked for. Needs the right
    ``import``; ``release``, the administrator's. Raises ``NOT_ALLOWED``, ``NOT_FOUND``, ``STATE_CONFLICT`` for an
    integration without a bridge.
    """
    unit.actor.require("import")
    if release:
        unit.actor.require("admin")
    found = integrations.get_by_name(unit, name)
    integrations.require_bridge(found)
    run_id = ask(unit, found.integration_id, Wish(rules.HAND, full, unit.actor.label,
                                                  unit.actor.label if release else None))
    return get(unit, run_id)


def ask(unit: Unit, integration_id: int, wish: Wish, *, locked: bool = False) -> int:
    """Stores the wish, or widens the one that waits already, and rings for it; answers the run's id.

    ``locked``: the caller holds a lock that comes after the brand's; then two wishes at once may make two runs.
    """
    if not locked:
        locks.lock_brand(unit.connection, unit.brand_id)
    waiting = queries.requested(unit.connection, unit.brand_id, integration_id)
    if waiting is None:
        run_id = _add(unit, integration_id, wish)
    else:
        run_id = waiting.run_id
        queries.widen(unit.connection, unit.brand_id, run_id, full=wish.full, released_by=wish.released_by,
                      instance_id=wish.instance_id)
    unit.ring("run_sync", unit.brand_id, integration_id)
    return run_id


def get(unit: Unit, run_id: int) -> SyncRunView:
    """The run of the unit's brand. Needs the right ``report``. Raises ``NOT_ALLOWED``, ``NOT_FOUND``."""
    _require_reader(unit)
    found = queries.get(unit.connection, unit.brand_id, run_id)
    if found is None:
        raise GatewayError("NOT_FOUND", "There is no sync run of this id.", field="runId")
    return found


def find(unit: Unit, request: PageRequest, *, integration: str | None = None, state: str | None = None,
         since: object = None, until: object = None) -> Page[SyncRunView]:
    """A page of the brand's runs, oldest first; runs in a feed's transaction.

    Raises ``NOT_ALLOWED``, ``NOT_FOUND`` (integration), ``INVALID_VALUE``, ``INVALID_TOKEN``.
    """
    _require_reader(unit)
    wanted = _filter(unit, integration, state, since, until)
    window = open_window(unit, "syncs", wanted, request)
    rows = queries.find(unit.connection, unit.brand_id, wanted, window)
    return close_page(unit, "syncs", wanted, window, rows, lambda row: (row.started_at, row.run_id))


def last(unit: Unit, limit: int, *, integration: str | None = None, state: str | None = None) -> list[SyncRunView]:
    """The newest runs of the brand, newest first. Raises as :func:`find`."""
    _require_reader(unit)
    return queries.last(unit.connection, unit.brand_id, _filter(unit, integration, state), min(limit, MAX_LISTED))


# --- at work -----------------------------------------------------------------------------------------------------


def due(unit: Unit) -> list[tuple[int, int]]:
    """(brand, integration) of all brands that the sweep must ring for."""
    found = queries.standings(unit.connection, registry.kinds())
    return [(each.brand_id, each.integration_id) for each in found
            if schedule.waits_for_worker(each, each.kind in registry.WATCHED, unit.now)]


def begin(unit: Unit, integration: IntegrationView, wish: Wish) -> tuple[RunRow, RunRow | None]:
    """Takes the integration's lease for a run that is made now (ID-67); answers it and the one before.

    A run whose worker died is closed as failed. Raises ``IN_PROGRESS`` while another one is at work.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    last = _close_dead(unit, integration.integration_id)
    if (last is not None and last.state == rules.RUNNING) or _reads_group(unit, integration.integration_id):
        raise GatewayError("IN_PROGRESS", "A sync of this integration is running. Wait until it has ended.",
                           field="integration")
    return _begin(unit, integration, _add(unit, integration.integration_id, wish), wish.full), last


def take(unit: Unit, integration: IntegrationView) -> tuple[RunRow, RunRow | None] | None:
    """The run that a worker is to do now, begun, and the one before; None: there is nothing to do, or another worker
    has it.

    First what somebody asked for, then what is due by the schedule. A run whose worker died is closed as failed and
    done again as it was asked for, unless that has happened to :data:`~gateway.domain.sync.MAX_DEATHS` in a row.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    integration_id = integration.integration_id
    before = queries.newest(unit.connection, unit.brand_id, integration_id)
    last = _close_dead(unit, integration_id)
    if (last is not None and last.state == rules.RUNNING) or _reads_group(unit, integration_id):
        return None
    died = before is not None and before.state == rules.RUNNING
    if before is not None and died and \
            queries.deaths(unit.connection, unit.brand_id, integration_id) < rules.MAX_DEATHS:
        ask(unit, integration_id, Wish(before.trigger or rules.SCHEDULE, before.full, before.requested_by,
                                       before.released_by, before.instance_id))
    waiting = queries.requested(unit.connection, unit.brand_id, integration_id)
    if waiting is None:
        wish = _by_schedule(unit, integration)
        if wish is None:
            if died:
                syncchoices.plan(unit, integration, unit.now, failed=True)
            return None
        return _begin(unit, integration, _add(unit, integration_id, wish), wish.full), last
    return _begin(unit, integration, waiting.run_id, waiting.full), last


def hold(unit: Unit, run: RunRow) -> None:
    """Renews the lease; a run that was given up meanwhile must not go on beside the next one."""
    locks.lock_brand(unit.connection, unit.brand_id)
    if not queries.renew(unit.connection, unit.brand_id, run, unit.now + rules.LEASE):
        raise given_up()


def given_up() -> GatewayError:
    """What a worker is told whose run was taken from it."""
    return GatewayError("STATE_CONFLICT", "This sync run was given up, for it had not been heard of for too long. "
                                          "Run it again.", field="integration")


def end(unit: Unit, integration: IntegrationView, run: RunRow, ending: Ending) -> bool:
    """Ends a run with all that follows: the cursor, the next run by schedule, whoever waits for it or must be told.

    ``integration``: as it was when the run was begun; the cursor is not kept if it was configured anew since (ID-68).
    False when it was given up meanwhile; then nothing is changed.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    connection, brand_id, integration_id = unit.connection, unit.brand_id, integration.integration_id
    samples = ending.samples if ending.state == rules.HELD else None
    if not queries.finish(connection, brand_id, run, ending.state, ending.counters, ending.message, unit.now,
                          full=ending.full, samples=samples):
        return False
    queries.forget_samples(connection, brand_id, integration_id, run.run_id)
    stored = integrations.get(unit, integration_id)
    is_same_system = stored.config_mark == integration.config_mark  # else the cursor is of what was configured before
    if ending.state == rules.SUCCESS and ending.cursor != stored.cursor and is_same_system:
        integration_queries.set_cursor(connection, brand_id, integration_id, ending.cursor)
    syncchoices.plan(unit, stored, run.started_at, failed=ending.state == rules.FAILED)
    unit.ring("tell_of_sync", brand_id, run.run_id)
    for instance_id in presync.preparing(connection, brand_id):
        unit.ring("run_instance", brand_id, instance_id)
    if queries.requested(connection, brand_id, integration_id) is not None:
        unit.ring("run_sync", brand_id, integration_id)
    return True


def is_asked_for(unit: Unit, integration_id: int) -> bool:
    """Whether a run waits for a worker, or lost its own: then nobody looks whether there is news."""
    last = queries.newest(unit.connection, unit.brand_id, integration_id)
    return (last is not None and last.state == rules.RUNNING) or queries.requested(
        unit.connection, unit.brand_id, integration_id) is not None


def skip(unit: Unit, integration: IntegrationView) -> None:
    """Counts the schedule of a folder on, in which there was nothing to read."""
    if integration.next_sync_at is not None and integration.next_sync_at <= unit.now:
        syncchoices.plan(unit, integration, unit.now)


# --- parts -------------------------------------------------------------------------------------------------------


def _add(unit: Unit, integration_id: int, wish: Wish) -> int:
    return queries.add(unit.connection, unit.brand_id, integration_id, trigger=wish.trigger, full=wish.full,
                       requested_by=wish.requested_by, released_by=wish.released_by, instance_id=wish.instance_id,
                       now=unit.now)


def _begin(unit: Unit, integration: IntegrationView, run_id: int, full: bool) -> RunRow:
    upload_id = imports.open_upload(unit, ImportOptions())
    begun = queries.begin(unit.connection, unit.brand_id, run_id, upload_id, full=full or integration.cursor is None,
                          now=unit.now, lease_until=unit.now + rules.LEASE)
    assert begun is not None
    return begun


def _close_dead(unit: Unit, integration_id: int) -> RunRow | None:
    """The newest run; closed as failed first, if its worker died."""
    last = queries.newest(unit.connection, unit.brand_id, integration_id)
    if last is None or last.state != rules.RUNNING or rules.is_alive(last.lease_until, unit.now):
        return last
    queries.finish(unit.connection, unit.brand_id, last, rules.FAILED, {}, rules.DIED, unit.now)
    return queries.newest(unit.connection, unit.brand_id, integration_id)


def _reads_group(unit: Unit, integration_id: int) -> bool:
    """Whether a group of the integration is being read, which has the same lease; closed as failed, if its worker died.
    Who reads it rings for a run that is asked for when it is done."""
    reading = remotegroups.reading(unit.connection, unit.brand_id, integration_id)
    if reading is None or rules.is_alive(reading.lease_until, unit.now):
        return reading is not None
    queries.finish(unit.connection, unit.brand_id, reading, rules.FAILED, {}, rules.DIED, unit.now)
    return False


def _by_schedule(unit: Unit, integration: IntegrationView) -> Wish | None:
    """What the schedule wants now, if anything. A file that waits in a folder without a schedule is news enough."""
    found = queries.standings(unit.connection, registry.kinds(), unit.brand_id, integration.integration_id)
    is_watched = integration.kind in registry.WATCHED
    trigger = schedule.trigger_of(found[0], is_watched, unit.now) if found else None
    if is_watched and found and schedule.is_looked_at(found[0]):
        trigger = rules.FOLDER
    if trigger is None:
        return None
    whole = queries.newest(unit.connection, unit.brand_id, integration.integration_id, (rules.SUCCESS,), full=True)
    return Wish(trigger, schedule.wants_full(choices_of(integration.choices), whole.started_at if whole else None,
                                             unit.now))


def _filter(unit: Unit, integration: str | None, state: str | None, since: object = None,
            until: object = None) -> RunFilter:
    if state is not None and state not in rules.STATES:
        raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(rules.STATES)}.", field="state")
    found = None if integration is None else integrations.get_by_name(unit, integration).integration_id
    return RunFilter(found, state, since, until)  # type: ignore[arg-type]


def _require_reader(unit: Unit) -> None:
    """Whoever may start a run may see it."""
    if "import" not in unit.actor.scopes:
        unit.actor.require("report")
