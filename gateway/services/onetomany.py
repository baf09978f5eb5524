"""How does a brand get one main record per address, and how does it go back? (ID-73..75)

The mode flips first, under the brand's lock: from then on every import resolves by section 3 of identity.md, which
takes the oldest record of an address that is not done yet. The mains are then completed address by address, in
chunks whose checkpoint commits with them, so that imports go on in between. The sweep takes up a run that was killed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, batches, decisions, identities, locks, switches
from gateway.db.queries.switches import OFF, ON, RUNNING, Switch
from gateway.db.unit import Unit
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.merge import Rank
from gateway.domain.people import Directory, Person
from gateway.domain.records import UPDATED, Outcome
from gateway.domain.suppression import AddressFacts
from gateway.domain.switching import (
    COUNTERS,
    IDENTITY_MODE,
    ONE_TO_MANY,
    STANDARD,
    MergeGroup,
    SwitchCounters,
    in_order,
    is_one_to_many,
    merge_into,
    plan,
)
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import joining
from gateway.services.accounts import require_brand
from gateway.services.gateway import Gateway
from gateway.services.subscribers import brand_rank

log = logging.getLogger("gateway.services")

CHUNK_ADDRESSES = 500
RULE = "ID-74"


@dataclass(frozen=True, slots=True)
class SwitchPreview:
    """What switching on would do now. ``counters``: mains, merged, fieldConflicts, statusChanges.

    ``groups`` lists the merges with ids, 1,000 at most (``complete``: these are all). ``fingerprint`` stands for the
    state that was seen: switching on takes it, and refuses it when that state has moved on.
    """

    fingerprint: str
    counters: Mapping[str, int]
    groups: tuple[MergeGroup, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class SwitchView:
    """Where a brand stands: ``mode`` standard or one_to_many; ``state`` of its last switch running, on, off or None."""

    mode: str
    state: str | None
    fingerprint: str | None
    counters: Mapping[str, int]
    actor: str | None
    created_at: dt.datetime | None
    finished_at: dt.datetime | None


def get(unit: Unit) -> SwitchView:
    """Where the unit's brand stands. Raises ``NOT_FOUND`` when there is no such brand."""
    require_brand(unit)
    return _view(unit, switches.newest(unit.connection, unit.brand_id))


def preview(unit: Unit) -> SwitchPreview:
    """What switching One-to-Many on would do; changes nothing (ID-73).

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``STATE_CONFLICT`` when it is on already.
    """
    unit.actor.require("admin")
    require_brand(unit)
    if is_one_to_many(accounts.brand_settings(unit.connection, unit.brand_id)):
        raise GatewayError("STATE_CONFLICT", "One-to-Many is on in this brand, or is being switched on.")
    rank = brand_rank(unit, batches.sources(unit.connection, unit.brand_id))
    counters, seen, after = SwitchCounters(), hashlib.sha256(), ""
    while emails := switches.shared_addresses(unit.connection, unit.brand_id, after, CHUNK_ADDRESSES):
        directory = _picture(unit, emails)
        for email in emails:
            people = directory.living_at(email)
            group = _plan(directory, email, rank)
            counters.add(group)
            seen.update(_state(email, people, directory.facts.get(email), group))
        after = emails[-1]
    live, addresses = switches.totals(unit.connection, unit.brand_id)
    counters.mains = addresses
    seen.update(json.dumps([live, counters.numbers()]).encode())
    listed = sum(len(group.loser_ids) for group in counters.groups)
    return SwitchPreview(seen.hexdigest()[:32], counters.numbers(), tuple(counters.groups), listed == counters.merged)


def switch_on(gateway: Gateway, actor: Actor, fingerprint: str) -> SwitchView:
    """Switches One-to-Many on and merges the records of each address into one main (ID-74).

    Commits chunk by chunk. Killed, or told to stop, a worker goes on where it was, and so does the same call again;
    imports may run meanwhile. Raises ``NOT_ALLOWED``, ``NOT_FOUND``, and ``STATE_CONFLICT`` when the
    state is not the one that the preview saw, or it is on already.
    """
    with gateway.unit(actor) as unit:
        _begin(unit, fingerprint)
    while not gateway.stopping():
        with gateway.unit(actor) as unit:
            if _run_chunk(unit) is None:
                break
    with gateway.reading(actor) as unit:
        return get(unit)


def due(gateway: Gateway) -> list[tuple[int, int]]:
    """(brand, switch) of the switches that are not finished: what the sweep rings for."""
    with gateway.reading(system_actor(0)) as unit:
        return [(brand_id, switch_id) for brand_id, switch_id, _ in switches.unfinished_of_all(unit.connection)]


def resume(gateway: Gateway, brand_id: int, switch_id: int) -> None:
    """Goes on with a switch whose process is gone, as its own call would; of several at it all but one leave.

    Whoever finds that another one took the last chunk leaves the rest to that one. Harmless when repeated.
    """
    mine: str | None = None
    while not gateway.stopping():
        with gateway.unit(system_actor(brand_id)) as unit:
            locks.lock_brand(unit.connection, brand_id)
            found = switches.running(unit.connection, brand_id)
            if found is None or found.switch_id != switch_id or mine not in (None, found.checkpoint):
                return
            mine = _run_chunk(unit)
            if mine is None:
                return


def switch_off(unit: Unit) -> SwitchView:
    """Later records are resolved by section 2 again; mains keep what they have, tombstones stay (ID-75).

    A switch that still runs ends where it is. Raises ``NOT_ALLOWED``, ``NOT_FOUND``, ``STATE_CONFLICT`` when it is
    off already.
    """
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    if not is_one_to_many(accounts.brand_settings(unit.connection, unit.brand_id)):
        raise GatewayError("STATE_CONFLICT", "One-to-Many is off in this brand already.")
    running = switches.running(unit.connection, unit.brand_id)
    if running is not None:
        switches.finish(unit.connection, running.switch_id, OFF, unit.now)
    _set_mode(unit, STANDARD)
    switches.clear_mains(unit.connection, unit.brand_id)
    switches.add(unit.connection, unit.brand_id, OFF, "", {}, unit.actor.label, unit.now)
    event(log, "one-to-many off", brand=unit.brand_id)
    return get(unit)


def _begin(unit: Unit, fingerprint: str) -> None:
    """Flips the mode, if the state is the one that was seen; nothing for a switch that runs with this fingerprint."""
    unit.actor.require("admin")
    require_brand(unit)
    locks.lock_brand(unit.connection, unit.brand_id)
    running = switches.running(unit.connection, unit.brand_id)
    if running is not None and running.fingerprint == fingerprint:
        return
    if running is not None:
        raise GatewayError("STATE_CONFLICT", "One-to-Many is being switched on already. Go on with the fingerprint "
                                             f"{running.fingerprint}.", field="fingerprint")
    if preview(unit).fingerprint != fingerprint:
        raise GatewayError("STATE_CONFLICT", "The records have changed since the preview. Look at a new preview and "
                                             "take its fingerprint.", field="fingerprint")
    _set_mode(unit, ONE_TO_MANY)
    switches.add(unit.connection, unit.brand_id, RUNNING, fingerprint, dict.fromkeys(COUNTERS, 0), unit.actor.label,
                 unit.now)
    event(log, "one-to-many begins", brand=unit.brand_id)


def _run_chunk(unit: Unit) -> str | None:
    """Completes the next addresses and answers the last; None when the switch is on, or was switched off meanwhile."""
    locks.lock_brand(unit.connection, unit.brand_id)
    running = switches.running(unit.connection, unit.brand_id)
    if running is None:
        return None
    after = running.checkpoint or ""
    found = switches.unfinished(unit.connection, unit.brand_id, after, CHUNK_ADDRESSES)
    if not found and after:  # what came meanwhile, before the place where we were
        found = switches.unfinished(unit.connection, unit.brand_id, "", CHUNK_ADDRESSES)
    if not found:
        switches.finish(unit.connection, running.switch_id, ON, unit.now)
        event(log, "one-to-many on", brand=unit.brand_id, **running.counters)
        return None
    done = _complete(unit, [email for email, count in found if count > 1],
                     [email for email, count in found if count == 1])
    counters = {name: running.counters.get(name, 0) + number for name, number in done.items()}
    last = found[-1][0]
    switches.advance(unit.connection, running.switch_id, last, counters)
    return last


def _complete(unit: Unit, shared: Sequence[str], alone: Sequence[str]) -> dict[str, int]:
    counters, outcomes = SwitchCounters(mains=len(alone)), []
    switches.make_mains(unit.connection, unit.brand_id, alone)
    if shared:
        rank = brand_rank(unit, batches.sources(unit.connection, unit.brand_id))
        directory = _picture(unit, shared)
        for email in shared:
            group = _plan(directory, email, rank)
            counters.add(group)
            outcomes += _merge(unit, directory, email, group, rank)
        joining.store(unit, directory, RULE)
        decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                         now=unit.now, outcomes=outcomes)
    return counters.numbers()


def _merge(unit: Unit, directory: Directory, email: str, group: MergeGroup, rank: Rank) -> list[Outcome]:
    people = {person.subscriber_id: person for person in directory.living_at(email)}
    survivor = people.pop(group.survivor_id)
    merge_into(directory, survivor, in_order(people.values(), rank), unit.now)
    survivor.is_main = True
    return [Outcome(0, UPDATED, RULE, survivor.subscriber_id, email=email,
                    changes={"merged": (str(loser_id), str(survivor.subscriber_id))}) for loser_id in group.loser_ids]


def _plan(directory: Directory, email: str, rank: Rank) -> MergeGroup:
    facts = directory.facts.get(email)
    return plan(directory.living_at(email), rank, facts is not None and facts.opted_out_at is not None)


def _picture(unit: Unit, emails: Sequence[str]) -> Directory:
    """Everybody at these addresses, with keys and values."""
    directory = Directory(0, lambda: 0, one_to_many=True)
    for person in identities.people(unit.connection, unit.brand_id, 0, (), emails).values():
        directory.add(person)
    directory.facts = identities.address_facts(unit.connection, unit.brand_id, emails)
    return directory


def _state(email: str, people: Sequence[Person], facts: AddressFacts | None, group: MergeGroup) -> bytes:
    """What a preview saw of an address, for the fingerprint."""
    seen = [[person.subscriber_id, person.source_id, str(person.opted_out_at), person.orphan,
             sorted(map(str, person.keys)),
             sorted((source_id, document.text) for source_id, document in person.documents.items())]
            for person in people]
    return json.dumps([email, seen, str(facts and facts.opted_out_at), group.survivor_id]).encode()


def _set_mode(unit: Unit, mode: str) -> None:
    settings = accounts.brand_settings(unit.connection, unit.brand_id)
    accounts.set_brand_settings(unit.connection, unit.brand_id, {**settings, IDENTITY_MODE: mode})


def _view(unit: Unit, newest: Switch | None) -> SwitchView:
    mode = ONE_TO_MANY if is_one_to_many(accounts.brand_settings(unit.connection, unit.brand_id)) else STANDARD
    if newest is None:
        return SwitchView(mode, None, None, {}, None, None, None)
    return SwitchView(mode, newest.state, newest.fingerprint or None, newest.counters, newest.actor, newest.created_at,
                      newest.finished_at)
