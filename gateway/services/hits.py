"""How do opens and clicks get from a request into the database, each once? (SEND-24, SEND-47, SEND-50..52)"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import closing

from gateway.db.queries import hits as stored
from gateway.db.queries import locks
from gateway.db.queries.hits import HitDelivery
from gateway.db.unit import Unit
from gateway.domain import events as types
from gateway.domain import hitlog
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.events import NewEvent
from gateway.domain.hitlog import Record
from gateway.domain.hits import HIDDEN, HIDDEN_URL, SOON, Hit, automated_rule, burst_rules
from gateway.domain.tokens import Kind, Token
from gateway.domain.writeback import MAIL_CLICKED, MAIL_OPENED
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import bounces, evidence, hitspool, writebacks
from gateway.services.clients import client_of
from gateway.services.gateway import Gateway
from gateway.services.hitspool import Segment
from gateway.services.linktables import Table

log = logging.getLogger("gateway.public")

OPENS, CLICKS = (Kind.OPEN, Kind.INSTANCE_OPEN), (Kind.CLICK, Kind.INSTANCE_CLICK)
EVERY_S = 1.0
RIPE = SOON + dt.timedelta(seconds=1)
"""A hit is folded when it is so old: its neighbours and the acceptance of its message are known by then (SEND-52)."""

RECENT = dt.timedelta(days=60)
JUST_FROZEN = dt.timedelta(minutes=10)
MOST_PRELOADED = 2000
IDLE_S = 5.0
"""A process without a worker folds when no other has for so long."""

Noted = tuple[str, Record]
"""A hit and its key for all time: segment and position (SEND-50)."""


def keep(gateway: Gateway, token: Token, hit: Hit) -> bool:
    """Writes a hit to the spool, for good once this returns True; False: no room. Asks no database, never raises.

    A hit on a copy that is no delivery's, such as a test's, is not kept.
    """
    return bool(token.delivery_id) and gateway.hits.write(hitlog.line(token, hit, gateway.clock()))


def url_at_hand(gateway: Gateway, token: Token) -> str | None:
    """As :func:`url_of`, if it is in memory."""
    table = gateway.links.get(token.brand_id, token.instance_id) if token.kind is Kind.INSTANCE_CLICK else None
    return table[token.link] if table and token.link < len(table) else None


def url_of(gateway: Gateway, token: Token) -> str | None:
    """The frozen URL that a click token leads to (SEND-46), from memory or the store. Raises ``UNAVAILABLE``."""
    instance_id: int | None = token.instance_id
    if token.kind is Kind.CLICK:
        with gateway.reading(_recipient(token.brand_id)) as unit:
            instance_id = stored.instance_of(unit.connection, token.brand_id, token.delivery_id)
    table = _table(gateway, token.brand_id, instance_id) if instance_id else ()
    return table[token.link] if token.link < len(table) else None


def refresh_links(gateway: Gateway, recent: dt.timedelta = RECENT) -> None:
    """Takes the links of recent instances into memory before anybody clicks, so that no redirect needs the store.

    ``recent``: how long ago they were frozen at most. Raises ``UNAVAILABLE``.
    """
    with gateway.reading(system_actor(0)) as unit:
        missing: dict[int, list[int]] = {}
        for brand_id, instance_id in stored.instances_with_links(unit.connection, unit.now - recent, MOST_PRELOADED):
            if not gateway.links.has(brand_id, instance_id):
                missing.setdefault(brand_id, []).append(instance_id)
        for brand_id, instance_ids in missing.items():
            for instance_id, urls in stored.links(unit.connection, brand_id, instance_ids).items():
                gateway.links.put(brand_id, instance_id, urls)


def fold(gateway: Gateway, ripe: dt.timedelta = RIPE) -> int:
    """Brings the hits of this host that are older than ``ripe`` into the database; how many lines it took in.

    Repeating it, or being killed in it, changes nothing: each line is one event. Only one process of a host does it at
    a time, for the others there is nothing. Raises ``UNAVAILABLE``; then the rest stays where it is. What is wrong with
    one segment holds up no other; it is raised when those are done.
    """
    taken, now, failure = 0, gateway.clock(), None
    with hitspool.folding(gateway.hits.folder) as places:
        for place in places:
            try:
                with closing(hitspool.Segment(place)) as segment:
                    taken += _fold_segment(gateway, segment, (now - ripe, now))
            except GatewayError:
                raise
            except Exception as error:  # of this segment alone
                failure = error
    if failure is not None:
        raise failure
    return taken


def store(unit: Unit, noted: Sequence[Noted]) -> None:
    """Stores hits of the unit's brand, with all that they mean; those that are stored already change nothing."""
    locks.lock_brand(unit.connection, unit.brand_id)  # else an erase beside it could miss what is written here
    found = stored.deliveries(unit.connection, unit.brand_id, sorted({record.token.delivery_id for _, record in noted}),
                              unit.now)
    known = [(key, record, found[record.token.delivery_id]) for key, record in noted
             if record.token.delivery_id in found]
    if len(known) < len(noted):
        event(log, "hits of unknown deliveries", level=logging.WARNING, hits=len(noted) - len(known))
    tables = stored.links(unit.connection, unit.brand_id, sorted({delivery.instance_id for _, _, delivery in known}))
    news = [_event(unit, key, record, delivery, tables.get(delivery.instance_id, ()))
            for key, record, delivery in known]
    stored.add(unit.connection, unit.brand_id, news, unit.now)
    marked = _mark_bursts(unit, news, tables)
    telling = writebacks.telling_instances(unit, {delivery.instance_id for _, _, delivery in known})
    for kind in (MAIL_OPENED, MAIL_CLICKED) if telling else ():
        writebacks.queue_activity(unit, kind, [
            new.once_key for new in news if new.type == kind and not new.automated and new.instance_id in telling])
    for delivery_id in sorted({delivery.delivery_id for _, _, delivery in known if delivery.in_doubt}):
        evidence.prove(unit, delivery_id)
    human = {new.address for new in news if new.address and not new.automated and new.once_key not in marked}
    for email in stored.bouncing(unit.connection, unit.brand_id, sorted(human)):
        bounces.reset(unit, email)


class Folding:
    """A thread of this process that folds about each second.

    ``first``: this process works anyhow; others step in when nobody of the host has folded for a while. ``answers``:
    it answers hits, so its spool and its links are looked after too.
    """

    def __init__(self, gateway: Gateway, *, first: bool, answers: bool) -> None:
        self._gateway, self._first, self._answers = gateway, first, answers
        self._recent = RECENT
        self._stop = threading.Event()
        self._complained_at = -hitspool.COMPLAIN_EVERY_S
        self._thread = threading.Thread(target=self._run, name="hits", daemon=True)

    def start(self) -> None:
        """Begins; what an earlier process left is folded at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it and waits; what was not folded yet stays in the spool."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._round()
            except Exception:  # the thread must outlive a store or a disk that is away
                if time.monotonic() - self._complained_at >= hitspool.COMPLAIN_EVERY_S:
                    self._complained_at = time.monotonic()
                    event(log, "hits wait in the spool", level=logging.WARNING, exc_info=True)
            if self._stop.wait(EVERY_S):
                return

    def _round(self) -> None:
        if self._answers:
            self._gateway.hits.sync()
            self._gateway.hits.turn()
            recent, self._recent = self._recent, RECENT  # if the store is away, all of them afterwards
            refresh_links(self._gateway, recent)
            self._recent = JUST_FROZEN
        if self._first or hitspool.idle_s(self._gateway.hits.folder) > IDLE_S:
            fold(self._gateway)


# --- parts -----------------------------------------------------------------------------------------------------------


def _recipient(brand_id: int) -> Actor:
    return Actor(brand_id=brand_id, label="recipient", door="public")


def _table(gateway: Gateway, brand_id: int, instance_id: int) -> Table:
    """The instance's URLs by number, from memory or the store; empty for an instance that the brand does not have."""
    found = gateway.links.get(brand_id, instance_id)
    if found is None:
        with gateway.reading(_recipient(brand_id)) as unit:
            found = stored.links(unit.connection, brand_id, [instance_id]).get(instance_id, ())
        if found:
            gateway.links.put(brand_id, instance_id, found)
    return found


def _fold_segment(gateway: Gateway, segment: Segment, young: tuple[dt.datetime, dt.datetime]) -> int:
    taken, waiting = 0, True
    try:
        while waiting:
            lines, waiting = _fold_some(gateway, segment, young)
            taken += lines
            if not lines:
                break
    finally:
        segment.settle(waiting)
    return taken


def _fold_some(gateway: Gateway, segment: Segment, young: tuple[dt.datetime, dt.datetime]) -> tuple[int, bool]:
    """The next lines of a segment, up to a quarter of a megabyte: how many are done with, and whether more wait.

    A line of that time is too young; one of later is of a clock that was set back since.
    """
    data, start = segment.read(), segment.position
    brands, damaged, lines, position, waiting = dict[int, list[Noted]](), list[bytes](), 0, start, False
    for end, record in hitlog.records(data, start):
        if record is None:
            damaged.append(data[position - start:end - start])
        elif young[0] < record.at <= young[1]:
            waiting = True
            break
        else:
            key = f"hit:{segment.name}:{record.position}"
            brands.setdefault(record.token.brand_id, []).append((key, record))
        lines, position = lines + 1, end
    if not lines and not waiting and len(data) == hitspool.READ_BYTES:  # no line is so long: a disk made this
        damaged, lines, position = [data], 1, start + len(data)
    for brand_id, noted in brands.items():
        with gateway.unit(_recipient(brand_id)) as unit:
            store(unit, noted)
    for line in damaged:
        segment.put_aside(line)
    if lines:
        segment.advance(position)
    return lines, waiting or len(data) == hitspool.READ_BYTES


def _event(unit: Unit, key: str, record: Record, delivery: HitDelivery, links: Sequence[str]) -> NewEvent:
    token, hit = record.token, record.hit
    is_open = token.kind in OPENS
    url = links[token.link] if not is_open and token.link < len(links) else None
    rule = HIDDEN if url == HIDDEN_URL else automated_rule(
        hit, is_open=is_open, at=record.at, answered_at=delivery.answered_at, in_hand=delivery.in_hand,
        networks=unit.settings.scanner_networks)
    raw = {"ip": hit.ip, "agent": hit.agent}
    client, kind = client_of(hit.agent)
    return NewEvent(
        type=types.OPENED if is_open else types.CLICKED, occurred_at=record.at, once_key=key,
        instance_id=delivery.instance_id, delivery_id=delivery.delivery_id, subscriber_id=delivery.person,
        remote_id=delivery.remote_id, address=delivery.email, url=url, link_number=None if is_open else token.link,
        automated=rule is not None, rule=rule, raw=raw if delivery.person is not None else None,
        client_name=client, client_type=kind)


def _mark_bursts(unit: Unit, news: Sequence[NewEvent], tables: dict[int, tuple[str, ...]]) -> dict[str, str]:
    """Marks what its neighbours betray, stored hits too: key -> rule."""
    instances = {new.delivery_id: new.instance_id for new in news}
    betrayable = sorted(delivery_id for delivery_id, instance_id in instances.items()
                        if len(tables.get(instance_id, ())) > 1)
    if not betrayable:
        return {}
    moments = [new.occurred_at for new in news]
    near = stored.near(unit.connection, betrayable, min(moments) - SOON, max(moments) + SOON)
    marked: dict[str, str] = {}
    for delivery_id, seen in near.items():
        urls = tables[instances[delivery_id]]
        hidden = urls.index(HIDDEN_URL) if HIDDEN_URL in urls else None
        marked |= burst_rules(seen, range(len(urls)), hidden)
    stored.mark(unit.connection, unit.brand_id, marked, unit.now)
    return marked
