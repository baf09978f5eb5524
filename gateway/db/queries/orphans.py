"""Which records have no link any more, how did the last one end, and who has their addresses now? (ID-32..34)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.imports import decision, upload
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.models.sync import sync_run
from gateway.db.queries.bulk import among
from gateway.db.queries.feeds import in_window
from gateway.domain.orphans import ENDING_RULES, Ending, Neighbour
from gateway.domain.paging import Window


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """An orphan as it is stored."""

    subscriber_id: int
    email: str | None
    changed_at: dt.datetime


def find(connection: Connection, brand_id: int, window: Window, integration_id: int | None) -> list[OrphanRow]:
    """Orphans in (changed, id) order, at most ``window.size + 1``; with an integration, those who had a link to it."""
    t, k = subscriber.c, remote_key.c
    query = sa.select(t.id, t.email, t.changed_at).where(t.brand_id == brand_id, t.orphan, t.merged_into.is_(None))
    if integration_id is not None:
        had = sa.exists().where(k.subscriber_id == t.id, k.integration_id == integration_id)
        moved = sa.exists().where(decision.c.subscriber_id == t.id, decision.c.rule.in_(ENDING_RULES),
                                  upload.c.id == decision.c.upload_id, upload.c.integration_id == integration_id)
        query = query.where(sa.or_(had, moved))
    return [OrphanRow(*row) for row in connection.execute(in_window(query, window, t.changed_at, t.id))]


def endings(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, Ending]:
    """How the last link of each of these records ended; one of which nothing is known is absent."""
    found = _said(connection, brand_id, subscriber_ids)
    k = remote_key.c
    for subscriber_id, name, remote_id, ended_at in connection.execute(
            sa.select(k.subscriber_id, integration.c.name, k.remote_id, k.ended_at)
            .join(integration, integration.c.id == k.integration_id)
            .where(k.brand_id == brand_id, among(connection, k.subscriber_id, list(subscriber_ids)),
                   k.ended_at.is_not(None)).order_by(k.ended_at, k.id)):
        said = found.get(subscriber_id)
        if said is None or said.ended_at is None or ended_at >= said.ended_at:
            known = said is not None and said.remote_id == remote_id
            found[subscriber_id] = Ending(name, remote_id, ended_at, said.rule if said and known else None,
                                          said.row_number if said and known else None,
                                          said.read if said and known else None)
    return found


def neighbours(connection: Connection, brand_id: int, emails: Sequence[str]) -> dict[str, list[Neighbour]]:
    """Address -> the live records there that are no orphans, with each of their live links; lowest id first."""
    t, k = subscriber.c, remote_key.c
    live = sa.and_(k.subscriber_id == t.id, k.ended_at.is_(None))
    found: dict[str, list[Neighbour]] = {}
    for email, subscriber_id, name, remote_id in connection.execute(
            sa.select(t.email, t.id, integration.c.name, k.remote_id)
            .select_from(subscriber.outerjoin(remote_key, live)
                         .outerjoin(integration, integration.c.id == k.integration_id))
            .where(t.brand_id == brand_id, among(connection, t.email, list(emails)), t.merged_into.is_(None),
                   ~t.orphan).order_by(t.id, k.id)):
        found.setdefault(email, []).append(Neighbour(subscriber_id, name, remote_id))
    return found


def _said(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, Ending]:
    """What the newest decision that ended a link of each record says."""
    d = decision.c
    last = (sa.select(sa.func.max(d.id)).where(
        d.brand_id == brand_id, among(connection, d.subscriber_id, list(subscriber_ids)), d.rule.in_(ENDING_RULES),
        d.changes.is_not(None)).group_by(d.subscriber_id))
    found: dict[int, Ending] = {}
    for subscriber_id, remote_id, at, rule, number, changes, name, counters in connection.execute(
            sa.select(d.subscriber_id, d.remote_id, d.recorded_at, d.rule, d.row_number, d.changes,
                      integration.c.name, sync_run.c.counters)
            .select_from(decision.outerjoin(upload, upload.c.id == d.upload_id)
                         .outerjoin(integration, integration.c.id == upload.c.integration_id)
                         .outerjoin(sync_run, sync_run.c.upload_id == d.upload_id))
            .where(d.id.in_(last))):
        moved = json.loads(changes).get("remoteId")
        found[subscriber_id] = Ending(name, moved[0] if moved else remote_id, at, rule, number,
                                      (counters or {}).get("read"))
    return found
