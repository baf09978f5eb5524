"""How does what an AMS says of a group become who is in an interest? (ID-38, ID-39, ID-67..70)"""

from __future__ import annotations

import datetime as dt
import logging
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from gateway.bridges.port import Bridge, MemberStream, Outage, Refused, RemoteMember
from gateway.db.queries import accounts, decisions, identities, interests, locks, own_interests, presync, syncruns
from gateway.db.queries import remotegroups as queries
from gateway.db.queries import sync as sync_queries
from gateway.db.queries.remotegroups import DynamicInterest
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.queries.syncruns import RunRow
from gateway.db.unit import Unit
from gateway.domain import records
from gateway.domain import sync as rules
from gateway.domain.accounts import SCOPES, Actor, system_actor
from gateway.domain.brake import Brake
from gateway.domain.idset import IdSet
from gateway.domain.merge import GROUPS
from gateway.domain.records import ImportOptions, Outcome
from gateway.domain.remotegroups import (
    JOINED,
    LEFT,
    MEMBERS,
    OPTED_OUT,
    GroupReport,
    held_as_empty,
)
from gateway.domain.sync import Impact, SyncCounters
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import imports, integrations, syncchoices, syncrows
from gateway.services import syncruns as syncs
from gateway.services.gateway import Gateway
from gateway.services.syncrows import CHUNK_ROWS
from gateway.services.syncruns import Wish

log = logging.getLogger("gateway.services")

RULE = "ID-38"


@dataclass(slots=True)
class _Reading:
    """One reading in work."""

    gateway: Gateway
    actor: Actor
    group: DynamicInterest
    stage: Stage
    started: RunRow
    brake: Brake
    counters: SyncCounters = field(default_factory=SyncCounters)
    joined: int = 0
    left: int = 0
    opted_out: int = 0
    members: int = 0
    seen: IdSet = field(default_factory=IdSet)
    complete: bool = False
    broke_off: str = ""


def resolve(gateway: Gateway, brand_id: int, interest_id: int, trigger: str, *, instance_id: int | None = None,
            release: bool = False) -> GroupReport:
    """Makes the interest's people those whom its group in the AMS has now.

    The group is read into a file first. People who are new or changed are imported with remote ID, address and flag,
    in chunks that commit each; they join in the same transaction. This source's others leave at the end, in one
    transaction, and only if the group was read to its end: a reading that breaks off ends nothing and is ``partial``.
    A group that is gone there, or a system that is away, is ``failed`` and changes nothing. Flags newly set and
    addresses overwritten count against the brake (ID-70), and so does an answer without anybody (``held``); ``release``
    lets go of both. No link ends here: that is a sync's. Whoever left the interest by their own act stays out (ID-39).
    The integration's lease keeps syncs and other readings away meanwhile (ID-67). May be repeated at any time.

    ``trigger``, ``instance_id``: why, for the list of runs. Raises ``NOT_FOUND``, ``STATE_CONFLICT`` for an interest
    that no group defines, ``IN_PROGRESS`` while a sync of the integration is at work.
    """
    with gateway.reading(system_actor(brand_id, "sync")) as unit:
        group = dynamic(unit, interest_id)
        integration = integrations.get(unit, group.integration_id)
        brake = syncchoices.brake(unit, integration)
    actor = Actor(brand_id, f"sync:{integration.name}", "sync", frozenset(SCOPES), group.integration_id,
                  integration.name)
    with closing(integrations.bridge(gateway, integration)) as bridge, \
            closing(Stage(gateway.settings.spool_dir)) as stage:
        work = _Reading(gateway, actor, group, stage, _begin(gateway, actor, group, trigger, instance_id), brake)
        try:
            state, message = _steps(work, bridge, release)
        except (Outage, Refused) as error:
            state, message = rules.FAILED, str(error)
        except GatewayError as error:
            _end(work, rules.FAILED, error.message)
            raise
        return _end(work, state, message)


def dynamic(unit: Unit, interest_id: int) -> DynamicInterest:
    """The brand's dynamic interest. Raises ``NOT_FOUND``, ``STATE_CONFLICT`` for one that no group defines."""
    found = queries.get(unit.connection, unit.brand_id, interest_id)
    if found is not None:
        return found
    if interests.get(unit.connection, unit.brand_id, interest_id, unit.now) is None:
        raise GatewayError("NOT_FOUND", "There is no interest of this id in this brand.", field="interestId")
    raise GatewayError("STATE_CONFLICT", "No group of an AMS defines this interest; there is nothing to resolve.",
                       field="interestId")


def _begin(gateway: Gateway, actor: Actor, group: DynamicInterest, trigger: str, instance_id: int | None) -> RunRow:
    """Takes the integration's lease (ID-67). A run whose worker died is closed as failed; a sync is asked for again."""
    with gateway.unit(actor) as unit:
        connection, brand_id, integration_id = unit.connection, unit.brand_id, group.integration_id
        locks.lock_brand(connection, brand_id)
        last = syncruns.newest(connection, brand_id, integration_id, (rules.RUNNING,))
        for run in (last, queries.reading(connection, brand_id, integration_id)):
            if run is None:
                continue
            if rules.is_alive(run.lease_until, unit.now):
                raise GatewayError("IN_PROGRESS", "A sync of this integration is running. Wait until it has ended.",
                                   field="integration")
            syncruns.finish(connection, brand_id, run, rules.FAILED, {}, rules.DIED, unit.now)
        if last is not None:
            syncs.ask(unit, integration_id, Wish(last.trigger or rules.SCHEDULE, last.full, last.requested_by,
                                                 last.released_by, last.instance_id))
        upload_id = imports.open_upload(unit, ImportOptions())
        return queries.start(connection, brand_id, group, upload_id, trigger=trigger, instance_id=instance_id,
                             now=unit.now, lease_until=unit.now + rules.LEASE)


def _steps(work: _Reading, bridge: Bridge, release: bool) -> tuple[str, str]:
    _read(work, bridge.group_members(work.group.group_id))
    held = "" if release else rules.brake(_impact(work), work.brake)
    if held:
        return rules.HELD, held
    for rows in work.stage.chunks(CHUNK_ROWS):
        with work.gateway.unit(work.actor) as unit:
            _hold(unit, work.started)
            _apply(unit, work, rows)
    if not work.complete:
        return rules.PARTIAL, (f"{work.broke_off or 'The system did not list the whole group.'} Who came until then "
                               "joined; nobody was taken out.")
    with work.gateway.unit(work.actor) as unit:
        _hold(unit, work.started)
        held = _replace(unit, work, release)
    return (rules.HELD, held) if held else (rules.SUCCESS, "")


def _read(work: _Reading, stream: MemberStream) -> None:
    """Stages the group. One that breaks off after its first people is not complete, nor an error."""
    with closing(stream):
        chunk: list[StagedRow] = []
        renewed_at = work.gateway.clock()
        try:
            for row in syncrows.staged(map(_without_lists, stream)):
                chunk.append(row)
                if len(chunk) == CHUNK_ROWS or work.gateway.clock() - renewed_at > rules.LEASE / 5:
                    work.stage.add(chunk)
                    chunk.clear()
                    renewed_at = _renew(work, renewed_at)
        except Outage as outage:
            if not chunk and not work.stage.read_count():
                raise
            work.broke_off = str(outage)
        work.stage.add(chunk)
        work.complete = stream.complete


def _without_lists(member: RemoteMember) -> RemoteMember:
    """What a group says of a person (ID-65); of other lists a sync knows."""
    return RemoteMember(member.remote_id, member.email, member.do_not_email, None, member.deleted, member.problem)


def _renew(work: _Reading, renewed_at: dt.datetime) -> dt.datetime:
    now = work.gateway.clock()
    if now - renewed_at <= rules.LEASE / 5:
        return renewed_at
    with work.gateway.unit(work.actor) as unit:
        _hold(unit, work.started)
    return now


def _hold(unit: Unit, started: RunRow) -> None:
    """Renews the lease; a reading that was given up meanwhile must not go on beside the next run."""
    locks.lock_brand(unit.connection, unit.brand_id)
    if not syncruns.renew(unit.connection, unit.brand_id, started, unit.now + rules.LEASE):
        raise GatewayError("STATE_CONFLICT", "This reading was given up, for it had not been heard of for too long. "
                                             "Resolve the group again.", field="integration")


def _impact(work: _Reading) -> Impact:
    """What the people's data would do (ID-70), counted before anything is applied; no link ends."""
    flagged = overwritten = 0
    with work.gateway.reading(work.actor) as unit:
        links = sync_queries.count_links(unit.connection, unit.brand_id, work.group.integration_id)
        for rows in work.stage.chunks(CHUNK_ROWS):
            part = syncrows.impact(unit, work.group.integration_id, _importable(rows))
            flagged, overwritten = flagged + part.flagged, overwritten + part.overwritten
    return Impact(links, 0, flagged, overwritten)


def _importable(rows: Sequence[StagedRow]) -> list[StagedRow]:
    """Rows that say something of a person. One that is deleted there or has no address would end a link, and what a
    group leaves out of its columns is no reason for that: the next sync knows."""
    return [row for row in rows if row.problem is not None or (row.email is not None and not row.deleted)]


def _apply(unit: Unit, work: _Reading, rows: Sequence[StagedRow]) -> None:
    """Imports one chunk through the one import, and lets its people join."""
    importable = _importable(rows)
    syncrows.apply_rows(unit, work.group.integration_id, work.started.upload_id, importable, work.counters)
    told = {row.seq for row in importable}
    for row in rows:
        if row.seq not in told:
            work.counters.add("read", 1 + row.copies)
            work.counters.add("unchanged", 1 + row.copies)
    keys = {row.key: row for row in rows if row.key is not None and not row.deleted}
    group, source_id = work.group, _source(unit, work)
    listed = own_interests.listed(unit.connection, unit.brand_id, group.integration_id, group.interest_id, list(keys))
    people = {each.subscriber_id: each for each in listed.values()}
    members = {number for number, each in people.items() if not each.has_left}
    fresh = [number for number in people if number not in work.seen]
    work.opted_out += sum(people[number].has_left for number in fresh)
    work.members += sum(not people[number].has_left for number in fresh)
    work.seen.update(people)
    joining = members - queries.inside(unit.connection, unit.brand_id, group.interest_id, source_id, GROUPS,
                                       list(members))
    own_interests.join(unit.connection, unit.brand_id, group.interest_id, source_id, GROUPS, sorted(joining), unit.now)
    work.joined += len(joining)
    _record(unit, work, [(keys[people[number].remote_id].seq - 1, number, people[number].remote_id)
                         for number in sorted(joining)], (None, group.name))


def _replace(unit: Unit, work: _Reading, release: bool) -> str:
    """This source's others leave; or why they do not."""
    connection, brand_id, group = unit.connection, unit.brand_id, work.group
    leaving, people = array("q"), array("q")
    for page in own_interests.member_pages(connection, brand_id, [group.interest_id], _source(unit, work), GROUPS):
        out = {number: row_id for row_id, number in page if number not in work.seen}
        for old_id, new_id in identities.merged_into(connection, brand_id, out.keys()):
            if old_id in work.seen:  # joined as a record that was merged meanwhile
                out.pop(new_id, None)
        people.extend(out)
        leaving.extend(out.values())
    held = "" if release else held_as_empty(work.brake, work.stage.key_count(), len(leaving))
    if held:
        return held
    for start in range(0, len(leaving), own_interests.PAGE):
        part = slice(start, start + own_interests.PAGE)
        interests.end_memberships(connection, brand_id, list(leaving[part]), unit.now)
        _record(unit, work, [(None, number, None) for number in people[part]], (group.name, None))
    work.left = len(leaving)
    return ""


def _ring(unit: Unit, integration_id: int) -> None:
    """Wakes whoever had to wait for the lease: a sync that is asked for, instances that are being prepared."""
    if syncruns.requested(unit.connection, unit.brand_id, integration_id) is not None:
        unit.ring("run_sync", unit.brand_id, integration_id)
    for instance_id in presync.preparing(unit.connection, unit.brand_id):
        unit.ring("run_instance", unit.brand_id, instance_id)


def _source(unit: Unit, work: _Reading) -> int:
    return accounts.add_source(unit.connection, unit.brand_id, "integration", work.group.integration,
                               work.group.integration_id)


def _record(unit: Unit, work: _Reading, people: Sequence[tuple[int | None, int, str | None]],
            change: tuple[str | None, str | None]) -> None:
    """Logs who joined or left (ID-78)."""
    outcomes = [Outcome(0 if number is None else number, records.UPDATED, RULE, subscriber_id, remote_id,
                        changes={"interest": change}) for number, subscriber_id, remote_id in people]
    decisions.record(unit.connection, unit.brand_id, upload_id=work.started.upload_id, actor=work.actor.label,
                     door=work.actor.door, now=unit.now, outcomes=outcomes)


def _end(work: _Reading, state: str, message: str) -> GroupReport:
    counters = {**work.counters.counts, MEMBERS: work.members, JOINED: work.joined, LEFT: work.left,
                OPTED_OUT: work.opted_out}
    with work.gateway.unit(work.actor) as unit:
        syncruns.finish(unit.connection, unit.brand_id, work.started, state, counters, message, unit.now)
        _ring(unit, work.group.integration_id)
        finished_at = unit.now
    event(log, "group resolved", brand=work.actor.brand_id, interest=work.group.interest_id, state=state,
          reason=message, members=work.members, joined=work.joined, left=work.left)
    return GroupReport(work.group.interest_id, work.group.name, work.group.integration, state, message, counters,
                       work.started.run_id, work.started.started_at, finished_at)
