"""How is somebody forgotten who asked for it, and how is it known that they must not come back? (ID-35)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.db.queries import decisions, events, inbound, locks, switches, syncruns
from gateway.db.queries import erasure as stored
from gateway.db.queries import suppression as suppressions
from gateway.db.queries.erasure import Traces
from gateway.db.unit import Unit
from gateway.domain.addresses import normalise
from gateway.domain.erasure import EMAIL, KEY, PURPOSE, address_hash, remote_hash
from gateway.domain.events import ERASED, NewEvent
from gateway.domain.inbound import DONE, IGNORED, QUARANTINED
from gateway.domain.records import UPDATED, Identifier, Outcome
from gateway.errors import GatewayError
from gateway.services import spool, subscribers


@dataclass(frozen=True, slots=True)
class Hashes:
    """Keyed hashes of addresses and of (integration id, remote ID), by what they are of."""

    emails: Mapping[str, str]
    keys: Mapping[tuple[int, str], str]

    def all(self) -> list[str]:
        """Every hash."""
        return [*self.emails.values(), *self.keys.values()]


@dataclass(frozen=True, slots=True)
class ErasureView:
    """What an erasure removed, in numbers: ``merged_ids`` are tombstones that went with the record.

    ``subscriber_id`` is None when only an address was known. ``shared_addresses`` stay, for the records
    ``other_ids`` have them: erase those, too, if they are the same person. ``closed_writebacks`` never left.
    ``mails`` came back about them and are blank now; ``quarantined_mails`` stay as they are, for a person to read.
    """

    subscriber_id: int | None
    merged_ids: tuple[int, ...]
    addresses: int
    shared_addresses: int
    other_ids: tuple[int, ...]
    remote_ids: int
    values: int
    deliveries: int
    events: int
    closed_writebacks: int
    mails: int
    quarantined_mails: tuple[int, ...]
    erased_at: dt.datetime


def hashes_of(unit: Unit, emails: Iterable[str], keys: Iterable[tuple[int, str]]) -> Hashes:
    """The hashes by which erased people are known: of normalised addresses, and of (integration id, remote ID)."""
    key, brand_id = unit.keys.derived(PURPOSE), unit.brand_id
    return Hashes({email: address_hash(key, brand_id, email) for email in emails},
                  {(integration_id, remote_id): remote_hash(key, brand_id, integration_id, remote_id)
                   for integration_id, remote_id in keys})


def erase(unit: Unit, who: Identifier, *, confirmed: bool, close_writebacks: bool = False) -> ErasureView:
    """Forgets a person: values, addresses and remote IDs go from every table, with those of records merged into them.

    Files of failed rows in which the person stands go whole. Events and deliveries stay without person, keyed hashes
    stay, so that a later record is ``suppressed``; an event ``erased`` carries ids only. Mails that came back about
    them are blanked, but those in quarantine, whose ids are answered (SEND-53). It cannot be undone. Without
    ``confirmed`` nothing happens and ``INVALID_REQUEST`` says what would. Raises also ``NOT_ALLOWED`` (administrators
    only), what ``subscribers.get`` raises, and ``STATE_CONFLICT`` while a message to the person is being sent, while
    One-to-Many is being switched on, or while writebacks have not left, unless ``close_writebacks``.
    """
    unit.actor.require("admin")
    locks.lock_brand(unit.connection, unit.brand_id)
    found = _traces(unit, who)
    waiting = stored.open_writebacks(unit.connection, unit.brand_id, found)
    returned = inbound.about(unit.connection, unit.brand_id, found.subscriber_ids, found.addresses)
    mails, quarantined = returned[DONE] + returned[IGNORED], returned[QUARANTINED]
    numbers = stored.counts(unit.connection, unit.brand_id, found)
    _require_quiet(unit, found)
    if not confirmed:
        raise GatewayError("INVALID_REQUEST", _what_goes(found, numbers | {"mails": len(mails)}, len(waiting)),
                           field="confirmed")
    if waiting and not close_writebacks:
        raise GatewayError("STATE_CONFLICT", f"{len(waiting)} writebacks about this person have not reached their "
                                             "system yet. Let them leave first, or erase with their closing; their "
                                             "system then never hears of it.", field="close-writebacks")
    for name in stored.drop_rejects(unit.connection, unit.brand_id, found):
        spool.discard(unit.settings.spool_dir, name)
    inbound.blank(unit.connection, mails)
    stored.forget(unit.connection, unit.brand_id, found, unit.now)
    syncruns.forget_samples(unit.connection, unit.brand_id)  # held runs name people; a preview does so again
    _remember(unit, found)
    subscriber_id, *merged = found.subscriber_ids or (None,)
    return ErasureView(subscriber_id, tuple(merged), len(found.addresses), len(found.shared), found.other_ids,
                       len(found.keys), numbers["values"], numbers["deliveries"], numbers["events"], len(waiting),
                       len(mails), tuple(quarantined), unit.now)


def _traces(unit: Unit, who: Identifier) -> Traces:
    email = normalise(who.email, utf8=True) if who.email is not None and who.email.strip() else None
    named = [email] if isinstance(email, str) else []
    try:
        ids = stored.family(unit.connection, unit.brand_id, subscribers.identify(unit, who))
    except GatewayError as error:
        alone = who.subscriber_id is None and who.remote_id is None
        if error.code != "NOT_FOUND" or not (alone and named) \
                or not stored.knows_address(unit.connection, unit.brand_id, named[0]):
            raise
        ids = []  # an address that was opted out, refused or given up, and that no record has
    if ids and stored.is_erased(unit.connection, unit.brand_id, ids[0]):
        raise GatewayError("STATE_CONFLICT", f"Record {ids[0]} is erased already.")
    return stored.traces(unit.connection, unit.brand_id, ids, named)


def _require_quiet(unit: Unit, found: Traces) -> None:
    if stored.being_sent(unit.connection, unit.brand_id, found):
        raise GatewayError("STATE_CONFLICT", "A message to this person is being sent at this moment. Try again in a "
                                             "minute.")
    if switches.running(unit.connection, unit.brand_id) is not None:
        raise GatewayError("STATE_CONFLICT", "One-to-Many is being switched on in this brand. Erase when that is done.")


def _remember(unit: Unit, found: Traces) -> None:
    hashes = hashes_of(unit, found.addresses, found.keys)
    kinds = dict.fromkeys(hashes.emails.values(), EMAIL) | dict.fromkeys(hashes.keys.values(), KEY)
    suppressions.add(unit.connection, unit.brand_id, kinds, unit.now)
    if not found.subscriber_ids:
        return
    subscriber_id, *merged = found.subscriber_ids
    events.add(unit.connection, unit.brand_id, NewEvent(
        ERASED, unit.now, f"erased:{subscriber_id}:{unit.now.isoformat()}", subscriber_id=subscriber_id,
        raw={"mergedIds": merged} if merged else None), unit.now)
    decisions.record(unit.connection, unit.brand_id, upload_id=None, actor=unit.actor.label, door=unit.actor.door,
                     now=unit.now, outcomes=[Outcome(0, UPDATED, "ID-35", subscriber_id)])


def _what_goes(found: Traces, numbers: Mapping[str, int], waiting: int) -> str:
    counted = {"records": len(found.subscriber_ids), "addresses": len(found.addresses),
               "remote IDs": len(found.keys), "sets of values": numbers["values"],
               "mails that came back": numbers["mails"]}
    what = ", ".join(f"{name}: {count}" for name, count in counted.items())
    left = f"{numbers['deliveries']} deliveries and {numbers['events']} events stay without the person."
    also = f" {len(found.shared)} addresses stay, for records {', '.join(map(str, found.other_ids[:20]))} have them: " \
           "erase those, too, if they are the same person." if found.shared else ""
    open_rows = f" {waiting} writebacks have not left yet." if waiting else ""
    return f"This erases for good {what}. {left}{also}{open_rows} Confirm it to go on; nothing was done."
