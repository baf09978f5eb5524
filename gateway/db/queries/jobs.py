"""How are background jobs kept, claimed under a lease, settled and scheduled? (SEND-6)

A claim moves ``run_at`` to the end of the lease, so that one index answers "what may be taken now" for
fresh, delayed and abandoned messages alike. Whoever settles a claim names its owner and number; when
the lease has run out and somebody else has claimed the message, nothing happens.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.jobs import job_dead, job_message, job_schedule
from gateway.domain.job import Claim, Job, QueueCount


def put(connection: Connection, job: Job) -> None:
    """Keeps a job; one with the same message id replaces the waiting or claimed one."""
    dialect = postgresql if is_postgresql(connection) else sqlite
    values = {"queue": job.queue, "actor": job.actor, "priority": job.priority, "run_at": job.run_at,
              "body": job.body, "owner": None}
    statement = dialect.insert(job_message).values(message_id=job.message_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["message_id"], set_=values))


def put_back(connection: Connection, claim: Claim, run_at: dt.datetime, body: bytes | None = None) -> bool:
    """Releases a claimed job until ``run_at``, with a new body if one is given. False: the claim is lost."""
    values: dict[str, object] = {"run_at": run_at, "owner": None}
    if body is not None:
        values["body"] = body
    return connection.execute(sa.update(job_message).where(_mine(claim)).values(values)).rowcount == 1


def has_due(connection: Connection, queue: str, now: dt.datetime) -> bool:
    """Whether a claim would find something; reads only, so that idle workers do not write."""
    due = sa.select(job_message.c.id).where(job_message.c.queue == queue, job_message.c.run_at <= now).limit(1)
    return connection.execute(due).first() is not None


def claim(connection: Connection, queue: str, owner: str, now: dt.datetime, lease_until: dt.datetime,
          limit: int) -> list[Claim]:
    """Claims up to ``limit`` due jobs, best priority and longest wait first.

    PostgreSQL skips rows that another worker is claiming at this moment. A row that still has an owner
    was abandoned by a dead worker, which is counted in ``losses``.
    """
    t = job_message.c
    ready = (sa.select(t.id).where(t.queue == queue, t.run_at <= now)
             .order_by(t.priority, t.run_at, t.id).limit(limit))
    if is_postgresql(connection):
        ready = ready.with_for_update(skip_locked=True)
    ids = connection.scalars(ready).all()
    if not ids:
        return []
    taken = connection.execute(
        sa.update(job_message).where(t.id.in_(ids))
        .values(run_at=lease_until, owner=owner, claims=t.claims + 1,
                losses=t.losses + sa.case((t.owner.is_not(None), 1), else_=0))
        .returning(t.id, t.message_id, t.claims, t.body))
    claims = {row.id: Claim(row.id, row.message_id, owner, row.claims, bytes(row.body)) for row in taken}
    return [claims[id_] for id_ in ids]


def bury_lost(connection: Connection, queue: str, now: dt.datetime, max_losses: int) -> int:
    """Moves due jobs that have already cost ``max_losses`` workers their lives to the dead; returns how many."""
    t = job_message.c
    worn = connection.execute(
        sa.delete(job_message).where(t.queue == queue, t.run_at <= now, t.owner.is_not(None), t.losses >= max_losses)
        .returning(t.message_id, t.queue, t.actor, t.body)).mappings().all()
    for row in worn:
        connection.execute(sa.insert(job_dead).values(died_at=now, reason="LeaseLost", **row))
    return len(worn)


def extend(connection: Connection, claims: Sequence[Claim], lease_until: dt.datetime) -> None:
    """Moves the end of the leases; claims that are lost already stay lost."""
    t = job_message.c
    statement = (sa.update(job_message)
                 .where(t.id == sa.bindparam("b_id"), t.owner == sa.bindparam("b_owner"),
                        t.claims == sa.bindparam("b_claims"))
                 .values(run_at=sa.bindparam("b_until")))
    rows = [{"b_id": c.id, "b_owner": c.owner, "b_claims": c.claims, "b_until": lease_until}
            for c in sorted(claims, key=lambda c: c.id)]
    if rows:
        connection.execute(statement, rows)


def remove(connection: Connection, claim: Claim) -> bool:
    """Ends a claimed job that is done. False: the claim is lost, or the job was put back for a retry."""
    return connection.execute(sa.delete(job_message).where(_mine(claim))).rowcount == 1


def bury(connection: Connection, claim: Claim, now: dt.datetime, reason: str, body: bytes) -> bool:
    """Moves a claimed job that was given up to the dead. False: the claim is lost."""
    t = job_message.c
    row = connection.execute(sa.delete(job_message).where(_mine(claim))
                             .returning(t.message_id, t.queue, t.actor)).mappings().first()
    if row is None:
        return False
    connection.execute(sa.insert(job_dead).values(died_at=now, reason=reason[:200], body=body, **row))
    return True


def flush(connection: Connection, queue: str) -> None:
    """Drops every waiting and claimed job of a queue."""
    connection.execute(sa.delete(job_message).where(job_message.c.queue == queue))


def counts(connection: Connection) -> dict[str, QueueCount]:
    """How full each queue is; queues that hold nothing are absent."""
    t, d = job_message.c, job_dead.c
    living = connection.execute(
        sa.select(t.queue, sa.func.count() - sa.func.count(t.owner), sa.func.count(t.owner)).group_by(t.queue))
    found = {queue: (waiting, claimed) for queue, waiting, claimed in living}
    dead = {queue: number for queue, number in connection.execute(
        sa.select(d.queue, sa.func.count()).group_by(d.queue))}
    return {queue: QueueCount(*found.get(queue, (0, 0)), dead.get(queue, 0)) for queue in sorted(found | dead)}


def is_due(connection: Connection, name: str, now: dt.datetime) -> bool:
    """Whether a periodic task is due or has never been scheduled; reads only."""
    s = job_schedule.c
    next_at = connection.scalar(sa.select(s.next_at).where(s.name == name))
    return next_at is None or next_at <= now


def take_turn(connection: Connection, name: str, now: dt.datetime, next_at: dt.datetime) -> bool:
    """Whether this caller, alone of all processes, runs the periodic task now; if so, it is next due at ``next_at``."""
    s = job_schedule.c
    dialect = postgresql if is_postgresql(connection) else sqlite
    won = connection.execute(dialect.insert(job_schedule).values(name=name, next_at=next_at, last_at=now)
                             .on_conflict_do_nothing(index_elements=["name"]).returning(s.name))
    if won.first() is not None:
        return True
    moved = sa.update(job_schedule).where(s.name == name, s.next_at <= now).values(next_at=next_at, last_at=now)
    return connection.execute(moved).rowcount == 1


def last_turn(connection: Connection, name: str) -> dt.datetime | None:
    """When the periodic task was last rung by any process; None if never."""
    return connection.scalar(sa.select(job_schedule.c.last_at).where(job_schedule.c.name == name))


def _mine(claim: Claim) -> sa.ColumnElement[bool]:
    t = job_message.c
    return sa.and_(t.id == claim.id, t.owner == claim.owner, t.claims == claim.claims)
