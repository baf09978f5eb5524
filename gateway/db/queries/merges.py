"""Which records were merged into which, and what is needed to undo it? (ID-26)"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import event
from gateway.db.models.subscribers import membership, remote_key, source_values, subscriber, subscriber_merge
from gateway.db.queries.bulk import among, insert_rows
from gateway.domain.snapshot import Snapshot, dump, load

_COLUMNS = ("brand_id", "loser_id", "survivor_id", "rule", "upload_id", "merged_at", "before")


@dataclass(frozen=True, slots=True)
class StoredMerge:
    """One merge: ``loser_id`` is the tombstone, ``rule`` decided it, ``before`` undoes it."""

    merge_id: int
    loser_id: int
    survivor_id: int
    rule: str
    merged_at: dt.datetime
    before: Snapshot


def look(connection: Connection, brand_id: int, pairs: Mapping[int, int]) -> dict[int, Snapshot]:
    """Loser id -> what undoing its merge needs, of ``pairs`` loser -> survivor; asked before the merge is written."""
    if not pairs:
        return {}
    losers, survivors = list(pairs), sorted(set(pairs.values()))
    facts = {row.id: row for row in connection.execute(
        sa.select(subscriber.c.id, subscriber.c.keyless, subscriber.c.source_id).where(
            subscriber.c.brand_id == brand_id, among(connection, subscriber.c.id, survivors)))}
    values, memberships = _values(connection, survivors), _memberships(connection, survivors)
    keys, events = _keys(connection, losers), _events(connection, brand_id, losers)
    none: list[tuple[tuple[int, str], bool]] = []
    found = {}
    for loser_id, survivor_id in pairs.items():
        row = facts.get(survivor_id)
        found[loser_id] = Snapshot(
            row is not None, row is not None and row.keyless, None if row is None else row.source_id,
            values.get(survivor_id, {}), frozenset(memberships.get(survivor_id, ())),
            tuple(name for name, _ in keys.get(loser_id, none)),
            tuple(name for name, is_flagged in keys.get(loser_id, none) if is_flagged), tuple(events.get(loser_id, ())))
    return found


def record(connection: Connection, brand_id: int, pairs: Mapping[int, int], before: Mapping[int, Snapshot], *,
           rule: str, upload_id: int | None, now: dt.datetime) -> None:
    """Stores that each loser of ``pairs`` was merged at ``now``, the time at which its memberships ended."""
    insert_rows(connection, subscriber_merge, _COLUMNS, [
        (brand_id, loser_id, survivor_id, rule, upload_id, now, dump(before[loser_id]))
        for loser_id, survivor_id in pairs.items()])


def newest(connection: Connection, brand_id: int, loser_id: int) -> StoredMerge | None:
    """The merge that made this record a tombstone, unless it was undone."""
    t = subscriber_merge.c
    row = connection.execute(
        sa.select(t.id, t.loser_id, t.survivor_id, t.rule, t.merged_at, t.before)
        .where(t.brand_id == brand_id, t.loser_id == loser_id, t.undone_at.is_(None))
        .order_by(t.id.desc()).limit(1)).first()
    return None if row is None else StoredMerge(*row[:-1], load(row[-1]))


def still_merged(connection: Connection, brand_id: int, survivor_id: int) -> dict[int, dt.datetime]:
    """The records that are merged into this one now, in the order of their merging, and when each was."""
    t = subscriber_merge.c
    rows = connection.execute(
        sa.select(t.loser_id, t.merged_at)
        .where(t.brand_id == brand_id, t.survivor_id == survivor_id, t.undone_at.is_(None)).order_by(t.id))
    return {loser_id: merged_at for loser_id, merged_at in rows}


def set_undone(connection: Connection, merge_id: int, now: dt.datetime) -> None:
    """Notes that the merge was undone; its snapshot is no longer needed and goes."""
    connection.execute(sa.update(subscriber_merge).where(subscriber_merge.c.id == merge_id)
                       .values(undone_at=now, before="{}"))


def _values(connection: Connection, subscriber_ids: Sequence[int]) -> dict[int, dict[int, frozenset[str]]]:
    v = source_values.c
    found: dict[int, dict[int, frozenset[str]]] = defaultdict(dict)
    for subscriber_id, source_id, document in connection.execute(
            sa.select(v.subscriber_id, v.source_id, v.document)
            .where(among(connection, v.subscriber_id, subscriber_ids))):
        found[subscriber_id][source_id] = frozenset(json.loads(document))
    return found


def _memberships(connection: Connection, subscriber_ids: Sequence[int]) -> dict[int, list[tuple[int, int, str]]]:
    m = membership.c
    found: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for subscriber_id, *row in connection.execute(
            sa.select(m.subscriber_id, m.interest_id, m.source_id, m.channel)
            .where(among(connection, m.subscriber_id, subscriber_ids), m.until.is_(None))):
        found[subscriber_id].append((row[0], row[1], row[2]))
    return found


def _keys(connection: Connection, subscriber_ids: Sequence[int]) -> dict[int, list[tuple[tuple[int, str], bool]]]:
    """The remote keys of these records, and whether each carries a flag."""
    k = remote_key.c
    found: dict[int, list[tuple[tuple[int, str], bool]]] = defaultdict(list)
    for subscriber_id, integration_id, remote_id, is_flagged in connection.execute(
            sa.select(k.subscriber_id, k.integration_id, k.remote_id, k.do_not_email)
            .where(among(connection, k.subscriber_id, subscriber_ids)).order_by(k.id)):
        found[subscriber_id].append(((integration_id, remote_id), is_flagged))
    return found


def _events(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for subscriber_id, event_id in connection.execute(
            sa.select(event.c.subscriber_id, event.c.id).where(
                event.c.brand_id == brand_id, among(connection, event.c.subscriber_id, subscriber_ids))
            .order_by(event.c.id)):
        found[subscriber_id].append(event_id)
    return found
