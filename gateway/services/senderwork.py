"""What does a sender read and write, a few hundred rows at a time, beside its connections? (SEND-9, SEND-19, SEND-20)

Every function here runs in a thread beside the event loop, so that a busy store never holds up a conversation.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.db.queries import audience, deliveries, instances, locks, mailings
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.delivery import INVALID_ADDRESS, PERSONALISATION_MISSING, Claimed, Settled
from gateway.domain.mailing import OpenInstance
from gateway.domain.tiers import Fetched, serve
from gateway.errors import GatewayError
from gateway.log import event
from gateway.mail.journal import Journal, JournalBroken
from gateway.mail.message import BuiltMessage
from gateway.mail.smtp import Outcome, Verdict
from gateway.services import compose, lifecycle, outcomes, personalisation, subscribers
from gateway.services.gateway import Gateway
from gateway.services.outcomes import News
from gateway.services.personalisation import Wanted
from gateway.services.throttle import Throttle

log = logging.getLogger("gateway.services")

ROOM_S = 0.25
"""After so long a destination that few connections serve may have room again."""

AHEAD_BYTES = 4 * 1024 * 1024
"""So much of signed messages each thread makes ahead of the connections."""

TRANSPORT_REFUSALS = 3
"""So many refusals of AUTH or MAIL in a row pause the instance (SEND-36)."""


@dataclass(slots=True)
class Item:
    """One delivery that the sender has in hand, from its claim to its fold; ``built``: its message, if it is made.

    ``fetched``: personal data that is nowhere stored (ID-76), ``tiers``: from where each live field was served.
    """

    instance: OpenInstance
    claimed: Claimed
    mailing: compose.Prepared | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    built: BuiltMessage | None = None
    fetched: Fetched | None = None
    tiers: str | None = None
    delivery_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.delivery_id = self.claimed.delivery_id

    def personalise(self, person: int, needs: Wanted) -> bool:
        """Puts the values of live fields to the stored ones, and whether nothing required is missing (ID-77)."""
        if needs.names:
            fetched = self.fetched if self.fetched is not None and self.fetched.person == person else None
            self.values, self.tiers = serve(needs.names, fetched, self.values, needs.defaults)
        return not needs.misses(self.values)

    def forget(self) -> None:
        """Lets go of everything personal: the row has its outcome, or is given back."""
        self.values, self.built, self.fetched = {}, None, None


class Done(NamedTuple):
    """What became of an item: ``outcome`` of its attempt, or the ``reason`` why it is left out after all."""

    item: Item
    at: dt.datetime
    outcome: Outcome | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """What may be worked on, as of now: the open instances by id, and which of them have somebody to claim."""

    open: Mapping[int, OpenInstance]
    ready: frozenset[int]


@dataclass(frozen=True, slots=True)
class Group:
    """What planning made of some items: those that may start, and those that are left out after all."""

    planned: Sequence[Item]
    left_out: Sequence[Done]
    closed: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim got. ``more``: there may be more to claim at once; ``wait_s``: there will be, when limits allow."""

    items: Sequence[Item] = ()
    more: bool = False
    wait_s: float | None = None


class SenderWork:
    """The reading and writing of one sender, which is known in leases and journal as ``owner``.

    ``claimed`` are the rows that it has in hand; kept by :meth:`store` alone, for only what a durable commit settled
    may leave the journal (SEND-20). ``room_for``: how many more rows of a destination are worth having.
    """

    def __init__(self, gateway: Gateway, owner: str, journal: Journal, throttle: Throttle, lease_s: float,
                 room_for: Callable[[str], int]) -> None:
        self.gateway, self.owner, self.journal, self.throttle = gateway, owner, journal, throttle
        self.room_for = room_for
        self.lease = dt.timedelta(seconds=lease_s)
        self.lease_until = gateway.clock()
        self.claimed: set[int] = set()
        self._mailings: dict[int, tuple[compose.Prepared | None, Wanted | None]] = {}
        self._welcome: set[int] = set()

    # --- looking ----------------------------------------------------------------------------------------------------

    def look(self) -> View:
        """What is open now, for all brands (SEND-37)."""
        with self.gateway.reading(system_actor(0)) as unit:
            return look(unit)

    def plan(self, items: Sequence[Item]) -> Group:
        """Reads the facts and values of a group and notes durably that it may start (SEND-9, SEND-15).

        Raises ``UNAVAILABLE``, and ``JournalBroken``, after which nothing more may start.
        """
        planned: list[Item] = []
        left_out: list[Done] = []
        closed: list[Item] = []
        by_instance: dict[int, list[Item]] = {}
        for item in items:
            by_instance.setdefault(item.instance.instance_id, []).append(item)
        with self.gateway.reading(system_actor(0)) as unit:
            is_open = {one.instance_id for one in lifecycle.open_instances(unit)}
            for instance_id, several in by_instance.items():
                instance = several[0].instance
                mailing, needs = self._prepared(unit, instance)
                if instance_id not in is_open or mailing is None:
                    closed += several
                    continue
                own = outcomes.of_brand(unit, instance.brand_id)
                for item in self._current(own, mailing, needs, several, left_out):
                    item.mailing = mailing
                    planned.append(item)
        _make_ahead([item for item in planned if item.mailing.compiled.sign])
        if planned:
            self.journal.plan([(item.delivery_id, item.claimed.attempt + 1) for item in planned])
        return Group(planned, left_out, closed)

    def needs(self, instance: OpenInstance) -> Wanted | None:
        """What is to be fetched for the recipients of this instance before :meth:`plan`; in the thread of plans."""
        with self.gateway.reading(system_actor(0)) as unit:
            needs = self._prepared(unit, instance)[1]
        return needs if needs is not None and needs.names else None

    def _current(self, unit: Unit, mailing: compose.Prepared, needs: Wanted | None, items: Sequence[Item],
                 left_out: list[Done]) -> Iterable[Item]:
        """Those who may still be mailed, with their values; the others go to ``left_out``."""
        facts = audience.facts(unit.connection, unit.brand_id, items[0].instance.mailing_id,
                               items[0].instance.instance_id, [item.delivery_id for item in items],
                               mailing.draft.include_orphans, unit.now)
        people = [fact.person for fact in facts.values() if fact.reason is None]
        is_live = needs is not None and needs.names
        values = (subscribers.stored_values if is_live else subscribers.merge_values)(unit, people)
        for item in items:
            fact = facts[item.delivery_id]
            person, reason = fact.person, fact.reason
            if reason is None:
                item.values = values.get(person, {})
                if needs is None or item.personalise(person, needs):
                    yield item
                    continue
            item.forget()
            left_out.append(Done(item, unit.now, reason=reason or PERSONALISATION_MISSING))

    def _prepared(self, unit: Unit, instance: OpenInstance) -> tuple[compose.Prepared | None, Wanted | None]:
        """The compiled mailing; None for one that cannot be compiled any more, which must not hold up the others. And
        what it needs beyond what is stored."""
        if instance.instance_id not in self._mailings:
            if len(self._mailings) >= 100:
                self._mailings.clear()
            own = outcomes.of_brand(unit, instance.brand_id)
            mailing = mailings.get(own.connection, own.brand_id, instance.mailing_id)
            prepared = needs = None
            if mailing is not None:
                try:
                    prepared = compose.prepare(own, mailing.draft, instance.instance_id, frozen=True)
                    needs = personalisation.wanted(own, prepared.asked)
                except GatewayError as error:
                    event(log, "mailing not usable", level=logging.ERROR, instance=instance.instance_id,
                          code=error.code, field=error.field)
            self._mailings[instance.instance_id] = prepared, needs
        return self._mailings[instance.instance_id]

    # --- writing ----------------------------------------------------------------------------------------------------

    def store(self, done: Sequence[Done], returned: Sequence[Item], refused: Iterable[OpenInstance] = (),
              claim: tuple[OpenInstance, int] | None = None) -> Claim:
        """One durable transaction: folds outcomes (SEND-20), gives back what was not begun, claims the next rows.

        ``refused``: the instances that the mail servers refused (SEND-36). Then the journal turns, and segments all
        of whose rows are settled go. Nothing of it happened when it raises ``UNAVAILABLE``.
        """
        got, now = Claim(), self.gateway.clock()
        with self.gateway.unit(system_actor(0)) as unit:
            outcomes.fold(unit, self.owner, [_news(one) for one in done])
            self._note_trouble(unit, done)
            self._give_back(unit, returned)
            self._count_refusals(unit, done, refused)
            if claim is not None:
                now = unit.now
                got = self._claim(unit, *claim)
        self.claimed.difference_update([one.item.delivery_id for one in done])
        self.claimed.difference_update([item.delivery_id for item in returned])
        if got.items and not self.claimed:
            self.lease_until = now + self.lease
        self.claimed.update([item.delivery_id for item in got.items])
        if done:
            with contextlib.suppress(JournalBroken):  # what is stored is stored; the next P or D stops the sender
                self.journal.turn()
                self.journal.settle(self.claimed)
        return got

    def extend(self) -> tuple[frozenset[int], dt.datetime]:
        """Keeps what is in hand for another lease; answers the rows that are not ours any more, and until when we have
        the others (SEND-22). The caller sets ``lease_until``, once it has seen to it that none of the former begins."""
        with self.gateway.unit(system_actor(0)) as unit:
            kept = deliveries.extend(unit.connection, self.owner, sorted(self.claimed), unit.now + self.lease)
            until = unit.now + self.lease
        gone = frozenset(self.claimed - kept)
        self.claimed &= kept
        return gone, until

    def _claim(self, unit: Unit, instance: OpenInstance, number: int) -> Claim:
        own = outcomes.of_brand(unit, instance.brand_id)
        granted = self.throttle.grant(own, instance, number)
        if granted <= 0:
            return Claim(wait_s=self.throttle.wait_s(own, [instance]) or 1.0)
        full = {group for group in self.throttle.few_connections() if not self.room_for(group)}
        closed = self.throttle.closed_groups(own) | full
        locks.lock_sender(own.connection, self.owner)
        rows = deliveries.claim(own.connection, own.brand_id, instance.instance_id, self.owner, own.now,
                                own.now + self.lease, granted, closed)
        kept, crowded = self._within_groups(own, rows)
        self.throttle.give_back(own, instance, granted - len(kept))
        more, wait_s = len(rows) == granted and len(kept) > 0, None
        if not more and (closed or len(kept) < len(rows)):
            wait_s = self.throttle.wait_s(own, [instance]) or 1.0
            wait_s = min(wait_s, ROOM_S) if full or crowded else wait_s
        return Claim([Item(instance, claimed) for claimed in kept], more, wait_s)

    def _within_groups(self, unit: Unit, rows: Sequence[Claimed]) -> tuple[list[Claimed], bool]:
        """What the rates and connections of the destinations allow, and whether connections are what is missing; the
        rest is given back in the same transaction (SEND-34)."""
        limited = self.throttle.limited_groups(unit)
        left, crowded = {}, False
        for group, wanted in sorted(Counter(claimed.domain_group for claimed in rows).items()):
            number = min(wanted, self.room_for(group))
            crowded = crowded or number < wanted
            left[group] = self.throttle.take_group(unit, group, number) if group in limited else number
        kept, over = [], []
        for claimed in rows:
            left[claimed.domain_group] -= 1
            (kept if left[claimed.domain_group] >= 0 else over).append(claimed)
        deliveries.release(unit.connection, self.owner, [claimed.delivery_id for claimed in over], unit.now)
        return kept, crowded

    def _give_back(self, unit: Unit, returned: Sequence[Item]) -> None:
        deliveries.release(unit.connection, self.owner, [item.delivery_id for item in returned], unit.now)
        tokens = Counter(item.instance for item in returned)
        for instance, number in sorted(tokens.items(), key=lambda pair: pair[0].instance_id):
            self.throttle.give_back(outcomes.of_brand(unit, instance.brand_id), instance, number)

    def _note_trouble(self, unit: Unit, done: Sequence[Done]) -> None:
        """Tells the limits which destinations took mail and which are in trouble (SEND-35)."""
        counts = Counter(one.item.claimed.domain_group for one in done
                         if one.outcome is not None and one.outcome.kind is Verdict.ACCEPTED)
        self.throttle.clean(counts, unit.now)
        for group in sorted({one.item.claimed.domain_group for one in done if is_trouble(one.outcome)}):
            self.throttle.trouble(unit, group, unit.now)

    def _count_refusals(self, unit: Unit, done: Sequence[Done], refused: Iterable[OpenInstance]) -> None:
        """Three in a row pause an instance; a message that got past MAIL ends the row (SEND-36)."""
        refused = list(refused)
        tried = {one.item.instance.instance_id for one in done if one.outcome is not None}
        instances.forget_refusals(unit.connection, tried - self._welcome)
        self._welcome |= tried
        self._welcome -= {instance.instance_id for instance in refused}
        for instance in refused:
            own = outcomes.of_brand(unit, instance.brand_id)
            if instances.count_refusal(own.connection, own.brand_id, instance.instance_id) >= TRANSPORT_REFUSALS:
                lifecycle.pause_for_transport(own, instance.instance_id)


def look(unit: Unit) -> View:
    """What may be worked on now, as the unit sees it."""
    found = {one.instance_id: one for one in lifecycle.open_instances(unit)}
    return View(found, frozenset(deliveries.ready_instances(unit.connection, list(found), unit.now)))


def _make_ahead(items: Sequence[Item]) -> None:
    """Makes signed messages with all CPUs: most of their cost is the signature, which needs no interpreter."""
    threads = min(os.cpu_count() or 1, len(items))
    if threads:
        with ThreadPoolExecutor(threads, thread_name_prefix="sender-sign") as pool:
            list(pool.map(_make, [items[first::threads] for first in range(threads)]))


def _make(items: Iterable[Item]) -> None:
    size_bytes = 0
    for item in items:
        if size_bytes >= AHEAD_BYTES:
            return
        with contextlib.suppress(Exception):  # tried once more when it is its turn, and told then
            item.built = compose.message(item.mailing, item.claimed, item.values)
            size_bytes += item.built.form.size_bytes


def _news(done: Done) -> News:
    claimed, instance = done.item.claimed, done.item.instance
    if done.outcome is None:
        settled = Settled(claimed, "leave_out", done.at, reason=done.reason or INVALID_ADDRESS)
    else:
        settled = outcomes.judge(claimed, done.outcome, done.at)
    tiers = done.item.tiers
    return News(instance.brand_id, instance.instance_id, settled._replace(tiers=tiers) if tiers else settled)


def is_trouble(outcome: Outcome | None) -> bool:
    """Whether a destination asks us to slow down (SEND-35)."""
    return (outcome is not None and outcome.kind is Verdict.DEFERRED
            and (outcome.code == 421 or (outcome.enhanced or "").startswith("4.7.")))
