"""How is a merge taken back that should not have been? (ID-26)"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence

from gateway.db.queries import accounts, decisions, events, locks, switches, unmerging
from gateway.db.queries import merges as stored
from gateway.db.queries import subscribers as stored_subscribers
from gateway.db.queries.merges import StoredMerge
from gateway.db.queries.unmerging import Record
from gateway.db.unit import Unit
from gateway.domain.events import UNMERGED, NewEvent
from gateway.domain.merge import give_back
from gateway.domain.records import UPDATED, Identifier, Outcome, SubscriberView
from gateway.domain.snapshot import UNDO_WITHIN
from gateway.domain.suppression import stricter
from gateway.domain.switching import is_one_to_many
from gateway.errors import GatewayError
from gateway.services import subscribers


def undo(unit: Unit, loser_id: int) -> SubscriberView:
    """Makes a merged record live again, as it was, and answers it; the survivor keeps what is its own (ID-26).

    Address, remote keys, values, memberships and events go back. The survivor loses what came only from the other,
    unless it was changed since. An opt-out of either stays with both. Raises ``NOT_ALLOWED`` (administrators only),
    ``NOT_FOUND``, and ``STATE_CONFLICT``: after 30 days, or when address or keys have found another owner.
    """
    unit.actor.require("admin")
    locks.lock_brand(unit.connection, unit.brand_id)
    merge = stored.newest(unit.connection, unit.brand_id, loser_id)
    if merge is None:
        raise GatewayError("NOT_FOUND", f"Record {loser_id} was not merged into another, or that was undone already.")
    found = unmerging.records(unit.connection, unit.brand_id, [loser_id, merge.survivor_id])
    loser, survivor = found[loser_id], found[merge.survivor_id]
    _require_fresh(unit, merge, loser, survivor)
    keys = _keys_of(unit, merge)
    keyless = _survivor_is_keyless(unit, merge, keys)
    one_to_many = is_one_to_many(accounts.brand_settings(unit.connection, unit.brand_id))
    _require_unique(unit, loser, survivor, survivor_keyless=keyless, one_to_many=one_to_many)
    _give_back(unit, merge, loser, survivor, keys, keyless=keyless, is_main=one_to_many)
    stored.set_undone(unit.connection, merge.merge_id, unit.now)
    _tell(unit, loser, survivor)
    return subscribers.get(unit, Identifier(subscriber_id=loser_id))


def _require_fresh(unit: Unit, merge: StoredMerge, loser: Record, survivor: Record) -> None:
    if unit.now - merge.merged_at > UNDO_WITHIN:
        raise GatewayError("STATE_CONFLICT", f"A merge can be undone for {UNDO_WITHIN.days} days; this one is older.")
    if loser.erased_at is not None or survivor.erased_at is not None:
        raise GatewayError("STATE_CONFLICT", "The person was erased; nothing is left to undo.")
    if survivor.merged_into is not None:
        raise GatewayError("STATE_CONFLICT", f"Record {survivor.subscriber_id} was itself merged into "
                                             f"{survivor.merged_into} since. Undo that merge first.")
    if switches.running(unit.connection, unit.brand_id) is not None:
        raise GatewayError("STATE_CONFLICT", "One-to-Many is being switched on in this brand. Undo when that is done.")


def _keys_of(unit: Unit, merge: StoredMerge) -> list[tuple[int, str]]:
    """The loser's keys that can go back; one that somebody else has by now may not be taken from them (ID-31)."""
    holders = unmerging.holders(unit.connection, unit.brand_id, merge.before.keys)
    for (_, remote_id), (holder_id, _) in holders.items():
        if holder_id not in (merge.survivor_id, merge.loser_id):
            raise GatewayError("STATE_CONFLICT", f"The remote ID '{remote_id}' belongs to record {holder_id} by now.")
    return list(holders)


def _survivor_is_keyless(unit: Unit, merge: StoredMerge, keys: Collection[tuple[int, str]]) -> bool:
    all_keys, _ = unmerging.live_links(unit.connection, unit.brand_id, merge.survivor_id)
    return merge.before.keyless and all_keys == len(keys)


def _require_unique(unit: Unit, loser: Record, survivor: Record, *, survivor_keyless: bool,
                    one_to_many: bool) -> None:
    if loser.email is None:
        return
    others = unmerging.living_at(unit.connection, unit.brand_id, loser.email, loser.subscriber_id)
    if others and one_to_many:
        raise GatewayError("STATE_CONFLICT", f"Record {others[0][0]} has the address, and a brand with One-to-Many has "
                                             "one record per address. Change its address, or switch One-to-Many off.")
    keyless = [other for other, has_none in others
               if (survivor_keyless if other == survivor.subscriber_id else has_none)]
    if keyless and loser.keyless:
        raise GatewayError("STATE_CONFLICT", f"Record {keyless[0]} has the address, without a remote ID as well; two "
                                             "such records could not be told apart.")


def _give_back(unit: Unit, merge: StoredMerge, loser: Record, survivor: Record, keys: Collection[tuple[int, str]], *,
               keyless: bool, is_main: bool) -> None:
    connection, brand_id, before = unit.connection, unit.brand_id, merge.before
    unmerging.give_keys(connection, brand_id, keys, before.flagged, loser.subscriber_id, merge.merged_at)
    _, loser_live = unmerging.live_links(connection, brand_id, loser.subscriber_id)
    unmerging.revive(connection, brand_id, loser, is_main=is_main, orphan=not loser.keyless and not loser_live,
                     opted_out_at=loser.opted_out_at or survivor.opted_out_at, now=unit.now,
                     origin=stricter(loser.opt_out_origin, survivor.opt_out_origin))
    facts: dict[str, object] = {}
    if before.known and keys:
        _, live = unmerging.live_links(connection, brand_id, survivor.subscriber_id)
        facts = {"keyless": keyless, "orphan": not keyless and not live}
        if keyless and before.source_id is not None:
            facts["source_id"] = before.source_id
    unmerging.restore_survivor(connection, brand_id, survivor.subscriber_id, unit.now, **facts)
    others = stored.still_merged(connection, brand_id, survivor.subscriber_id)
    del others[loser.subscriber_id]
    _part_values(unit, merge, list(others))
    unmerging.part_memberships(connection, brand_id, survivor.subscriber_id, loser.subscriber_id, before.memberships,
                               others, merge.merged_at, unit.now)
    unmerging.share_opt_outs(connection, brand_id, survivor.subscriber_id, loser.subscriber_id)
    unmerging.give_events(connection, brand_id, before.events, survivor.subscriber_id, loser.subscriber_id)


def _part_values(unit: Unit, merge: StoredMerge, others: Sequence[int]) -> None:
    documents = stored_subscribers.documents(unit.connection, unit.brand_id,
                                             [merge.loser_id, merge.survivor_id, *others])
    own = documents.get(merge.survivor_id, {})
    for source_id, theirs in documents.get(merge.loser_id, {}).items():
        if source_id in own:
            staying = [documents[each][source_id] for each in others if source_id in documents.get(each, {})]
            left = give_back(own[source_id], theirs, merge.before.values.get(source_id, ()), staying)
            if left is None or left.text != own[source_id].text:
                unmerging.write_document(unit.connection, unit.brand_id, merge.survivor_id, source_id, left)


def _tell(unit: Unit, loser: Record, survivor: Record) -> None:
    events.add(unit.connection, unit.brand_id, NewEvent(
        UNMERGED, unit.now, f"{UNMERGED}:{uuid.uuid4()}", subscriber_id=loser.subscriber_id, address=loser.email,
        raw={"mergedInto": survivor.subscriber_id}), unit.now)
    decisions.record(
        unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door, now=unit.now,
        outcomes=[Outcome(0, UPDATED, "ID-26", loser.subscriber_id, email=loser.email,
                          changes={"merged": (str(survivor.subscriber_id), None)})])
