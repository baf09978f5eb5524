"""How do the members that a foreign system lists become staged rows, and staged rows people? (ID-65, ID-69..71)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.bridges.port import RemoteMember
from gateway.db.queries import accounts, suppression
from gateway.db.queries import sync as queries
from gateway.db.queries import writebacks as writeback_queries
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.queries.sync import KeyState
from gateway.db.unit import Unit
from gateway.domain.addresses import normalise_remote_id
from gateway.domain.batch import AddressRules, read_identity
from gateway.domain.links import REPLACEMENT
from gateway.domain.records import MAX_INTERESTS_PER_RECORD, ImportOptions, Outcome, Problem, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.domain.switching import is_one_to_many
from gateway.domain.sync import Impact, Sample, SyncCounters
from gateway.domain.writeback import RESUBSCRIBE, UNSUBSCRIBE
from gateway.services import erased, imports
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


def impact(unit: Unit, integration_id: int, rows: Sequence[StagedRow], stage: Stage | None = None, *,
           links: int = 0) -> Impact:
    """What these rows would end, flag and overwrite of an integration with so many ``links`` (ID-70). Reads only.

    In ``stage`` it notes which new remote IDs come to an address that has others (ID-29), and where a brand has one
    record per address, which rows are of one record: it is in the lists of all of them (ID-4, ID-38).
    """
    known = _look_up(unit, integration_id, rows)
    ended = flagged = overwritten = 0
    if stage is not None:
        stage.links.update(state.key_id for state in known.keys.values())
    for row in rows:
        state = known.keys.get(row.key or "")
        if state is None or not state.is_live or row.problem is not None or row.differs:
            continue
        if _ends(row):
            ended += 1
            continue
        flagged += not state.is_flagged and row.flag is True and _flag(row, known) is True
        if not _has_same_address(row, state, known.reading):
            address = _address(row, known.reading)
            overwritten += address is not None and address != state.email
    if stage is not None:
        if links:
            stage.add_neighbours(_neighbours(unit, integration_id, rows, known))
        if is_one_to_many(accounts.brand_settings(unit.connection, unit.brand_id)):
            stage.add_at_addresses(_at_addresses(unit, integration_id, rows, known.reading, stage))
    return Impact(links, ended, flagged, overwritten)


def apply_rows(unit: Unit, integration_id: int, upload_id: int, rows: Sequence[StagedRow],
               counters: SyncCounters, replaced: Collection[str] = ()) -> None:
    """Applies one chunk through the one import of all doors and counts what became of every row.

    ``replaced``: remote IDs that warn of a possible replacement (ID-29). Nothing is committed here; repeating it
    leaves everything unchanged (ID-P1).
    """
    context = imports.prepare(unit, ImportOptions(), upload_id)
    known = _look_up(unit, integration_id, rows, upload_id)
    silent = silent_rows(unit, context, rows, known, replaced)
    counters.add("read", len(rows) + sum(row.copies for row in rows))
    counters.add_rows("unchanged", list(silent), [known.keys[key].email for key in silent])
    counters.add("unchanged", sum(row.copies for row in silent.values()))
    records: list[tuple[StagedRow, SubscriberRecord]] = []
    for row in rows:
        if row.key in silent:
            continue
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
    done, outcomes = imports.apply_apart(unit, context, [record for _, record in records],
                                         [row.seq - 1 for row, _ in records])
    counters.add_rows("new", done.created.remote_ids, done.created.emails)
    counters.add_rows("unchanged", done.same.remote_ids, done.same.emails)
    for at, outcome in zip(done.others, outcomes, strict=True):
        row, record = records[at]
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


def find_missing(unit: Unit, integration_id: int, stage: Stage, made_until: dt.datetime | None) -> int:
    """Notes in the stage every live link that was not listed, but those whose address is listed without a remote ID: it
    may be the same person, whose ID got lost (ID-69). Answers how many those are; reads only.

    A link made after ``made_until``, while the source was being read, is not missing; None: whenever it was made.
    """
    after, kept = "", 0
    while page := queries.links(unit.connection, unit.brand_id, integration_id, made_until, unit.now, after,
                                CHUNK_ROWS):
        after = page[-1][1]
        unmet = [remote_id for link_id, remote_id in page if link_id not in stage.links]
        gone = stage.absent(unmet) if unmet else []
        states = queries.key_states(unit.connection, unit.brand_id, integration_id, gone) if gone else {}
        nameless = stage.keyless({state.email for state in states.values() if state.email}) if states else set()
        going = [key for key in gone if key not in states or states[key].email not in nameless]
        stage.add_missing(going)
        kept += len(gone) - len(going)
    return kept


def silent_rows(unit: Unit, context: imports.ImportContext, rows: Sequence[StagedRow], known: _Known,
            replaced: Collection[str]) -> dict[str, StagedRow]:
    """The rows, by remote ID, that say what is stored already of people of whom there is nothing to warn: they are
    unchanged without a closer look (ID-72, ID-P1).

    None shares its address with another row of the chunk that is looked at, so that the order of rows does not matter
    (ID-27, ID-P3). The caller holds the brand's lock.
    """
    found = {row.key: row for row in rows if row.key is not None and row.key not in replaced
             and (state := known.keys.get(row.key)) is not None and _says_the_same(row, state, known)}
    if not found:
        return {}
    found = _never_erased(unit, context, _in_same_lists(unit, context, found, known))
    others = [row for row in rows if row.key not in found]
    busy = {_address(row, known.reading) for row in others}
    busy.update(known.keys[row.key].email for row in others if row.key in known.keys)
    return {key: row for key, row in found.items() if known.keys[key].email not in busy}


def _says_the_same(row: StagedRow, state: KeyState, known: _Known) -> bool:
    return (state.is_quiet and not row.deleted and row.problem is None and not row.differs
            and (row.flag is not True or _flag(row, known) is None)  # a flag would be something to warn of
            and _has_same_address(row, state, known.reading))


def _in_same_lists(unit: Unit, context: imports.ImportContext, rows: dict[str, StagedRow],
                   known: _Known) -> dict[str, StagedRow]:
    """Those of the rows whose lists, if they name any, are exactly the ones that the person is in (ID-38, ID-40)."""
    people = [known.keys[key].subscriber_id for key, row in rows.items() if row.interests is not None]
    if not people:
        return rows
    there = queries.lists_of(unit.connection, context.value_source_id, people)
    left = queries.who_left(unit.connection, people)
    same = {}
    for key, row in rows.items():
        who = known.keys[key].subscriber_id
        if row.interests is None or (who not in left and len(row.interests) <= MAX_INTERESTS_PER_RECORD
                                     and there.get(who, set()) == set(row.interests)):
            same[key] = row
    return same


def _never_erased(unit: Unit, context: imports.ImportContext, rows: dict[str, StagedRow]) -> dict[str, StagedRow]:
    """Those of the rows that are of nobody who was erased (ID-35)."""
    if suppression.is_empty(unit.connection, unit.brand_id):
        return rows
    read = erased.withheld(unit, context.integration_id, [
        Identity(key, (row.email or "").lower()) for key, row in rows.items()])
    return {who.remote_id: rows[who.remote_id] for who in read if isinstance(who, Identity) and who.remote_id}


def _has_same_address(row: StagedRow, state: KeyState, rules: AddressRules) -> bool:
    """Whether the import surely reads the row's address as the one that is stored, which is normalised already."""
    email = (row.email or "").lower()
    return email == state.email and len(email) <= rules.max_length and email.isascii()


def _look_up(unit: Unit, integration_id: int, rows: Sequence[StagedRow], upload_id: int | None = None) -> _Known:
    keys = [row.key for row in rows if row.key is not None]
    brand_id, connection = unit.brand_id, unit.connection
    return _Known(queries.key_states(connection, brand_id, integration_id, keys, upload_id),
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


def _at_addresses(unit: Unit, integration_id: int, rows: Sequence[StagedRow], reading: AddressRules,
                  stage: Stage) -> Iterator[tuple[int, str, Sequence[str]]]:
    """Rows that name lists, with their address and what another remote ID of the record gave it that is not listed in
    this run: a list of changes does not say that it is in those no more."""
    there = {row.seq: (row.key, address) for row in rows if row.key is not None and row.interests is not None
             and row.problem is None and not row.differs and not _ends(row)
             and (address := _address(row, reading)) is not None}
    keys = queries.keys_at(unit.connection, unit.brand_id, integration_id, [address for _, address in there.values()])
    several = {address: others for address, others in keys.items() if len(others) > 1}
    silent = set(stage.absent([key for others in several.values() for key in others]))
    waiting = [address for address, others in several.items() if silent.intersection(others)]
    kept = queries.lists_at(unit.connection, unit.brand_id, integration_id, waiting) if waiting else {}
    for seq, (_, address) in there.items():
        yield seq, address, kept.get(address, ())


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
