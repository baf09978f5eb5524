"""Which sync runs are there, which is at work, and which integrations wait for one? (ID-66, ID-67, ID-72)

Runs of one dynamic group alone (``interest_id``) are not among them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.imports import upload
from gateway.db.models.sync import sync_run
from gateway.db.queries.feeds import in_window
from gateway.domain import sync as rules
from gateway.domain.paging import Window
from gateway.domain.schedule import Standing
from gateway.domain.sync import RunFilter, Sample, SyncRunView

_WHOLE = sync_run.c.interest_id.is_(None)
_BEGUN = sync_run.c.state != rules.REQUESTED


@dataclass(frozen=True, slots=True)
class RunRow:
    """One sync run; its upload carries the decisions and, while it runs, the lease. A requested one has none yet."""

    run_id: int
    upload_id: int
    state: str
    started_at: dt.datetime
    lease_until: dt.datetime | None
    full: bool = True
    trigger: str | None = None
    requested_by: str | None = None
    released_by: str | None = None
    instance_id: int | None = None
    finished_at: dt.datetime | None = None
    told_at: dt.datetime | None = None


_ROW = (sync_run.c.id, sa.func.coalesce(sync_run.c.upload_id, 0), sync_run.c.state, sync_run.c.started_at,
        upload.c.lease_until, sync_run.c.full_run, sync_run.c.trigger, sync_run.c.requested_by,
        sync_run.c.released_by, sync_run.c.instance_id, sync_run.c.finished_at, sync_run.c.told_at)


def newest(connection: Connection, brand_id: int, integration_id: int, states: Collection[str] | None = None, *,
           full: bool = False, told: bool = False, before: int | None = None) -> RunRow | None:
    """The newest run of the integration that was begun; of those in these states; of those that read everybody; of
    those whose end somebody was told of; of those made before another one."""
    query = _rows(brand_id, integration_id).where(_BEGUN)
    if states is not None:
        query = query.where(sync_run.c.state.in_(states))
    if full:
        query = query.where(sync_run.c.full_run)
    if told:
        query = query.where(sync_run.c.told_at.is_not(None))
    if before is not None:
        query = query.where(sync_run.c.id < before)
    row = connection.execute(query.order_by(sync_run.c.id.desc()).limit(1)).first()
    return None if row is None else RunRow(*row)


def latest(connection: Connection, brand_id: int, integration_id: int) -> RunRow | None:
    """The newest run of the integration, also one that was only asked for."""
    row = connection.execute(_rows(brand_id, integration_id).order_by(sync_run.c.id.desc()).limit(1)).first()
    return None if row is None else RunRow(*row)


def requested(connection: Connection, brand_id: int, integration_id: int) -> RunRow | None:
    """The oldest run that was asked for and waits for a worker."""
    row = connection.execute(_rows(brand_id, integration_id).where(~_BEGUN).order_by(sync_run.c.id).limit(1)).first()
    return None if row is None else RunRow(*row)


def deaths(connection: Connection, brand_id: int, integration_id: int) -> int:
    """How many of the newest runs, one after the other, ended because their worker died."""
    messages = connection.scalars(
        sa.select(sync_run.c.message).where(*_of(brand_id, integration_id), _BEGUN)
        .order_by(sync_run.c.id.desc()).limit(rules.MAX_DEATHS)).all()
    return next((number for number, message in enumerate(messages) if message != rules.DIED), len(messages))


def add(connection: Connection, brand_id: int, integration_id: int, *, trigger: str, full: bool,
        requested_by: str | None, released_by: str | None, instance_id: int | None, now: dt.datetime) -> int:
    """A run that is asked for; answers its id."""
    return connection.execute(sa.insert(sync_run).values(
        brand_id=brand_id, integration_id=integration_id, full_run=full, state=rules.REQUESTED, counters={},
        trigger=trigger, requested_by=requested_by, released_by=released_by, instance_id=instance_id,
        started_at=now)).inserted_primary_key[0]


def widen(connection: Connection, brand_id: int, run_id: int, *, full: bool, released_by: str | None,
          instance_id: int | None) -> None:
    """Lets a run that nobody has begun do more: what another one asks for."""
    values: dict[str, object] = {"full_run": True} if full else {}
    values |= {"released_by": released_by} if released_by is not None else {}
    values |= {"instance_id": instance_id} if instance_id is not None else {}
    if values:
        connection.execute(sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.id == run_id)
                           .values(**values))


def begin(connection: Connection, brand_id: int, run_id: int, upload_id: int, *, full: bool, now: dt.datetime,
          lease_until: dt.datetime) -> RunRow | None:
    """Begins a run that was asked for; its upload is stored already. None when it is not waiting any more."""
    connection.execute(sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == upload_id)
                       .values(lease_until=lease_until))
    connection.execute(
        sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.id == run_id, ~_BEGUN)
        .values(state=rules.RUNNING, full_run=full, upload_id=upload_id, started_at=now))
    row = connection.execute(_joined().where(sync_run.c.brand_id == brand_id, sync_run.c.id == run_id)).first()
    return None if row is None else RunRow(*row)


def renew(connection: Connection, brand_id: int, run: RunRow, lease_until: dt.datetime) -> bool:
    """Moves the end of the lease; False when the run was given up and another one may be at work."""
    running = sa.exists().where(sync_run.c.id == run.run_id, sync_run.c.state == rules.RUNNING)
    return connection.execute(
        sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == run.upload_id, running)
        .values(lease_until=lease_until)).rowcount == 1


def finish(connection: Connection, brand_id: int, run: RunRow, state: str, counters: Mapping[str, int], message: str,
           now: dt.datetime, *, full: bool | None = None,
           samples: Mapping[str, Sequence[Sample]] | None = None) -> bool:
    """Ends a run; False when it had ended already. ``full``: whether it did read everybody. ``samples``: kept until the
    next run of the integration ends."""
    kept = None if samples is None else {name: [asdict(sample) for sample in each] for name, each in samples.items()}
    values = {} if full is None else {"full_run": full}
    ended = connection.execute(
        sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.id == run.run_id,
                                  sync_run.c.state == rules.RUNNING)
        .values(state=state, counters=dict(counters), message=message or None, finished_at=now,
                samples=sa.null() if kept is None else kept, **values)).rowcount == 1
    connection.execute(
        sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == run.upload_id)
        .values(counters=dict(counters), lease_until=None, finished_at=now))
    return ended


def forget_samples(connection: Connection, brand_id: int, integration_id: int | None = None,
                   before: int | None = None) -> None:
    """Removes the people that are named in held runs of the brand: of an integration, before a run."""
    query = sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.state == rules.HELD)
    if integration_id is not None:
        query = query.where(sync_run.c.integration_id == integration_id)
    if before is not None:
        query = query.where(sync_run.c.id < before)
    connection.execute(query.values(samples=sa.null()))


def begin_telling(connection: Connection, brand_id: int, run_id: int, now: dt.datetime, until: dt.datetime) -> bool:
    """Reserves the telling of a run's end until then; False where it was told, or somebody else tells it now."""
    t = sync_run.c
    free = sa.or_(t.telling_until.is_(None), t.telling_until < now, t.telling_until > until)
    return connection.execute(
        sa.update(sync_run).where(t.brand_id == brand_id, t.id == run_id, t.told_at.is_(None), free)
        .values(telling_until=until)).rowcount == 1


def end_telling(connection: Connection, brand_id: int, run_id: int, told_at: dt.datetime | None) -> None:
    """Ends what :func:`begin_telling` reserved; None: nobody could be told."""
    connection.execute(sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.id == run_id)
                       .values(telling_until=None, told_at=told_at))


def standings(connection: Connection, kinds: Sequence[str], brand_id: int | None = None,
              integration_id: int | None = None) -> list[Standing]:
    """How every integration of these kinds stands, in all brands or in one: its schedule, its newest run that was
    begun, and whether one is asked for."""
    own = sync_run.alias("own")
    mine = (own.c.integration_id == integration.c.id, own.c.interest_id.is_(None))
    last = sa.select(sa.func.max(own.c.id)).where(*mine, own.c.state != rules.REQUESTED).scalar_subquery()
    query = (
        sa.select(integration.c.brand_id, integration.c.id, integration.c.kind, integration.c.choices,
                  integration.c.next_sync_at, sa.exists().where(*mine, own.c.state == rules.REQUESTED),
                  sync_run.c.state, sync_run.c.started_at, upload.c.lease_until)
        .select_from(integration.outerjoin(sync_run, sync_run.c.id == last)
                     .outerjoin(upload, upload.c.id == sync_run.c.upload_id))
        .where(integration.c.kind.in_(kinds)).order_by(integration.c.brand_id, integration.c.id))
    if brand_id is not None:
        query = query.where(integration.c.brand_id == brand_id, integration.c.id == integration_id)
    return [Standing(*row[:3], row[3] or {}, *row[4:]) for row in connection.execute(query)]


def by_state(connection: Connection) -> dict[str, int]:
    """How many runs of all brands are in each state."""
    return {state: count for state, count in connection.execute(
        sa.select(sync_run.c.state, sa.func.count()).where(_WHOLE).group_by(sync_run.c.state))}


def get(connection: Connection, brand_id: int, run_id: int) -> SyncRunView | None:
    """The run of this brand."""
    row = connection.execute(_views(brand_id).where(sync_run.c.id == run_id)).first()
    return None if row is None else _view(row)


def find(connection: Connection, brand_id: int, wanted: RunFilter, window: Window) -> list[SyncRunView]:
    """Runs of the brand in (started, id) order, at most ``window.size + 1`` of them."""
    query = in_window(_narrowed(_views(brand_id), wanted), window, sync_run.c.started_at, sync_run.c.id)
    return [_view(row) for row in connection.execute(query)]


def last(connection: Connection, brand_id: int, wanted: RunFilter, limit: int) -> list[SyncRunView]:
    """The newest runs of the brand, newest first."""
    rows = connection.execute(_narrowed(_views(brand_id), wanted).order_by(sync_run.c.id.desc()).limit(limit))
    return [_view(row) for row in rows]


def _of(brand_id: int, integration_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return sync_run.c.brand_id == brand_id, sync_run.c.integration_id == integration_id, _WHOLE


def _joined() -> sa.Select:
    return sa.select(*_ROW).select_from(sync_run.outerjoin(upload, upload.c.id == sync_run.c.upload_id))


def _rows(brand_id: int, integration_id: int) -> sa.Select:
    return _joined().where(*_of(brand_id, integration_id))


def _views(brand_id: int) -> sa.Select:
    return (sa.select(sync_run, integration.c.name.label("integration"))
            .join(integration, integration.c.id == sync_run.c.integration_id)
            .where(sync_run.c.brand_id == brand_id, _WHOLE))


def _narrowed(query: sa.Select, wanted: RunFilter) -> sa.Select:
    if wanted.integration_id is not None:
        query = query.where(sync_run.c.integration_id == wanted.integration_id)
    return query if wanted.state is None else query.where(sync_run.c.state == wanted.state)


def _view(row: sa.Row) -> SyncRunView:
    samples = {name: tuple(Sample(**each) for each in kept) for name, kept in (row.samples or {}).items()}
    return SyncRunView(row.id, row.integration_id, row.integration, row.state, row.trigger, row.full_run,
                       row.counters or {}, row.message, row.started_at, row.finished_at, row.requested_by,
                       row.released_by, row.instance_id, samples)
