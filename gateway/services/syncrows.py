"""How do the members that a foreign system lists become staged rows, and staged rows people? (ID-65, ID-69..71)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.bridges.port import RemoteMember
from gateway.db.queries import accounts
from gateway.db.queries import sync as queries
from gateway.db.queries import writebacks as writeback_queries
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.queries.sync import KeyState
from gateway.db.unit import Unit
from gateway.domain.addresses import normalise_remote_id
from gateway.domain.batch import AddressRules, read_identity
from gateway.domain.links import REPLACEMENT
from gateway.domain.records import ImportOptions, Outcome, Problem, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.domain.sync import Impact, Sample, SyncCounters
from gateway.domain.writeback import RESUBSCRIBE, UNSUBSCRIBE
from gateway.services import imports
from gateway.services.importcontext import reading_rules

CHUNK_ROWS = 2000

_NO_KEY = Problem("REMOTE_ID_REQUIRED", "The foreign system lists this person without a remote ID.", "remoteId")
_CONFLICT = Problem("IDENTITY_MISMATCH", "The foreign system lists this remote ID several times, with different data. "
                                         "Make its members query give one row per person.", "remoteId")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store knows of the rows of one chunk, by remote ID."""

    keys: dict[str, KeyState]
    open_kinds: dict[str, str]
    reading: AddressRules


def staged(members: Iterable[RemoteMember]) -> Iterator[StagedRow]:
    """The members as rows to stage."""
    for member in members:
        key = normalise_remote_id(member.remote_id)
        problem = member.problem
        if isinstance(key, Problem):
            key, problem = None, key
        elif key is None:
            problem = _NO_KEY
        yield StagedRow(key, member.remote_id, (member.email or "").strip() or None, member.do_not_email,
                        member.interests, member.deleted,
                        None if problem is None else (problem.code, problem.message, problem.field))


def impact(unit: Unit, integration_id: int, rows: Sequence[StagedRow], stage: Stage | None = None) -> Impact:
    """What these rows would end, flag and overwrite; ``links`` is left 0 (ID-70). Reads only.

    In ``stage`` it notes which new remote IDs come to an address that has others (ID-29).
    """
    known = _look_up(unit, integration_id, rows)
    ended = flagged = overwritten = 0
    for row in rows:
        state = known.keys.get(row.key or "")
        if state is None or not state.is_live or row.problem is not None or row.differs:
            continue
        if _ends(row):
            ended += 1
            continue
        flagged += _flag(row, known) is True and not state.is_flagged
        address = _address(row, known.reading)
        overwritten += address is not None and address != state.email
    if stage is not None:
        stage.add_neighbours(_neighbours(unit, integration_id, rows, known))
    return Impact(0, ended, flagged, overwritten)


def apply_rows(unit: Unit, integration_id: int, upload_id: int, rows: Sequence[StagedRow],
               counters: SyncCounters, replaced: Collection[str] = ()) -> None:
    """Applies one chunk through the one import of all doors and counts what became of every row.

    ``replaced``: remote IDs that warn of a possible replacement (ID-29). Nothing is committed here; repeating it
    leaves everything unchanged (ID-P1).
    """
    known = _look_up(unit, integration_id, rows)
    records: list[tuple[StagedRow, SubscriberRecord]] = []
    for row in rows:
        counters.add("read", 1 + row.copies)
        if row.differs:
            counters.add("conflicting", 1 + row.copies, Sample(row.key, row.email, _CONFLICT.message))
            records.append((row, SubscriberRecord(row.remote_id, row.email, problem=_CONFLICT)))
            continue
        counters.add("unchanged", row.copies)
        record = _record(row, known)
        if record is None:
            counters.add("unchanged")
        else:
            warned = row.key in replaced
            records.append((row, replace(record, warnings=(REPLACEMENT,)) if warned else record))
    if not records:
        return
    context = imports.prepare(unit, ImportOptions(), upload_id)
    outcomes = imports.apply_chunk(unit, context, [record for _, record in records], 0,
                                   numbers=[row.seq - 1 for row, _ in records])
    for (row, record), outcome in zip(records, outcomes, strict=True):
        if record.deleted or record.withdrawn:
            counters.add("ended", 1, Sample(row.key, outcome.email))
            _count_orphan(outcome, counters)
        elif not row.differs:
            counters.add_outcome(outcome)


def sweep(unit: Unit, upload_id: int, keys: Sequence[str], counters: SyncCounters, *, replaced: Collection[str] = (),
          first_number: int = 0) -> None:
    """Ends the links of remote IDs that a complete source does not list any more (ID-69), counted from
    ``first_number``, for they have no row."""
    context = imports.prepare(unit, ImportOptions(), upload_id)
    warned = {key: REPLACEMENT for key in keys if key in replaced}
    for outcome in imports.end_links(unit, context, keys, first_index=first_number, warned=warned):
        _count_orphan(outcome, counters)
    for key in keys:
        counters.add("swept", 1, Sample(key, None))


def find_missing(unit: Unit, integration_id: int, stage: Stage, made_until: dt.datetime | None) -> None:
    """Notes in the stage every live link that was not listed; reads only.

    A link made after ``made_until``, while the source was being read, is not missing; None: whenever it was made.
    """
    after = 0
    while True:
        page = queries.links(unit.connection, unit.brand_id, integration_id, made_until, after, CHUNK_ROWS)
        if not page:
            return
        after = page[-1][0]
        stage.add_missing(stage.absent([key for _, key in page]))


def _look_up(unit: Unit, integration_id: int, rows: Sequence[StagedRow]) -> _Known:
    keys = [row.key for row in rows if row.key is not None]
    brand_id, connection = unit.brand_id, unit.connection
    return _Known(queries.key_states(connection, brand_id, integration_id, keys),
                  writeback_queries.open_kinds(connection, brand_id, integration_id, keys),
                  reading_rules(accounts.brand_settings(connection, brand_id)))


def _ends(row: StagedRow) -> bool:
    """Deleted there, or listed without an address: the link ends, the last address is kept (ID-32, ID-33)."""
    return row.deleted or row.email is None


def _flag(row: StagedRow, known: _Known) -> bool | None:
    """The do-not-email flag that counts: what an open writeback is about to set beats what was read (ID-64)."""
    waiting = known.open_kinds.get(row.key or "")
    if (waiting == UNSUBSCRIBE and row.flag is False) or (waiting == RESUBSCRIBE and row.flag is True):
        return None
    return row.flag


def _neighbours(unit: Unit, integration_id: int, rows: Sequence[StagedRow],
                known: _Known) -> Iterator[tuple[str, str]]:
    new = [(row.key, address) for row in rows if row.key is not None and row.key not in known.keys
           and (address := _address(row, known.reading)) is not None]
    there = queries.keys_at(unit.connection, unit.brand_id, integration_id, [address for _, address in new]) if new \
        else {}
    for key, address in new:
        for old_key in there.get(address, ()):
            yield key, old_key


def _address(row: StagedRow, rules: AddressRules) -> str | None:
    """The address as the import will read it; None when it will not take it."""
    read = read_identity(SubscriberRecord(None, row.email), rules)
    return read.email if isinstance(read, Identity) else None


def _count_orphan(outcome: Outcome, counters: SyncCounters) -> None:
    if "orphan" in outcome.changes:
        counters.add("orphaned", 1, Sample(outcome.remote_id, outcome.email))


def _record(row: StagedRow, known: _Known) -> SubscriberRecord | None:
    """What the row says as a record of any door; None: a link that is not there, or not any more, cannot end."""
    if row.problem is not None:
        return SubscriberRecord(row.remote_id, row.email, problem=Problem(*row.problem))
    state = known.keys.get(row.key or "")
    if _ends(row) and (state is not None or row.deleted):
        if state is None or not state.is_live:
            return None
        return SubscriberRecord(row.key, deleted=row.deleted, withdrawn=not row.deleted)
    return SubscriberRecord(row.key, row.email, do_not_email=_flag(row, known), listed=row.interests)
