"""How many messages may a sender claim now, and to which destinations? (SEND-5, SEND-34, SEND-35)"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping

from gateway.db.queries import accounts, buckets
from gateway.db.queries.buckets import DOMAIN
from gateway.db.unit import Unit
from gateway.domain import limits
from gateway.domain.limits import MESSAGES_PER_SECOND, Bucket
from gateway.domain.mailing import OpenInstance
from gateway.log import event
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.services")

UNBOUNDED = 1_000_000
BRAND_KEPT_S = 5.0
"""A brand's new choice is noticed after so long."""

METER_S = 60.0


class Throttle:
    """The limits as one sender sees them. The tokens are rows that all senders share; without limits none is read.

    Tokens are taken in the caller's transaction: if it rolls back they are there again. A process that dies after
    the commit takes its tokens along, so after a crash less may leave for a moment, never more.
    Not thread-safe: one for each sender.
    """

    def __init__(self, gateway: Gateway, transport_rate: float | None = None) -> None:
        """``transport_rate``: messages a second that the mail servers together take; None: no limit."""
        self._limits = limits.parse_group_limits(gateway.settings.domain_limits)
        self._transport_rate = transport_rate
        self._brands: dict[int, tuple[dt.datetime, float | None]] = {}
        self._meters: dict[str, tuple[dt.datetime, int]] = {}

    def grant(self, unit: Unit, instance: OpenInstance, wanted: int) -> int:
        """How many of ``wanted`` rows of the instance may be claimed now; their tokens are taken.

        Bounded by the mail servers' rate, the brand's, and the instance's even distribution over ``spread_s``. Rows
        that are not claimed after all, or not tried, go back by :meth:`give_back`.
        """
        rates = self._rates(unit, instance)
        return _take(unit, rates, wanted) if rates else max(wanted, 0)

    def give_back(self, unit: Unit, instance: OpenInstance, number: int) -> None:
        """Returns tokens of :meth:`grant` that were not used."""
        rates = self._rates(unit, instance)
        if rates and number > 0:
            _take(unit, rates, -number)

    def closed_groups(self, unit: Unit) -> frozenset[str]:
        """The destinations that nothing may be claimed for now."""
        rates, found = self._limited(unit)
        closed = set()
        for group, rate in rates.items():
            bucket = found.get(group)
            if bucket is None:
                continue  # full
            if bucket.filled_at > unit.now + dt.timedelta(seconds=limits.SKEW_S):
                _take(unit, {DOMAIN + group: rate}, 0)  # the clock was set back: it fills from now on
            if not limits.available(limits.refill(bucket, rate, unit.now)):
                closed.add(group)
        return frozenset(closed)

    def limited_groups(self, unit: Unit) -> frozenset[str]:
        """The destinations that have a rate now: what is claimed for one of them must be asked for by
        :meth:`take_group`. A claim for all others may leave these out, so that it returns nothing."""
        return frozenset(self._limited(unit)[0])

    def take_group(self, unit: Unit, group: str, wanted: int) -> int:
        """How many of ``wanted`` messages may go to a destination now; all, when it has no rate."""
        rate = self._limited(unit)[0].get(group)
        return max(wanted, 0) if rate is None else _take(unit, {DOMAIN + group: rate}, wanted)

    def few_connections(self) -> frozenset[str]:
        """The destinations that only so many connections may serve."""
        return frozenset(group for group, limit in self._limits.items() if limit.connections is not None)

    def connections(self, group: str) -> int:
        """How many connections of this process may serve the destination at the same time."""
        limit = self._limits.get(group)
        return UNBOUNDED if limit is None or limit.connections is None else limit.connections

    def clean(self, counts: Mapping[str, int], now: dt.datetime) -> None:
        """Notes how many messages a destination took (by destination): trouble later halves this pace.

        Touches no table. That minutes were clean need not be told: the time since the last trouble says it.
        """
        for group, number in counts.items():
            since, before = self._meters.get(group, (now, 0))
            if (now - since).total_seconds() > METER_S or now < since:
                since, before = now, 0
            self._meters[group] = (since, before + number)
        if len(self._meters) > 10_000:  # every domain there is: forget those that are quiet
            self._meters = {group: meter for group, meter in self._meters.items()
                            if (now - meter[0]).total_seconds() <= METER_S}

    def trouble(self, unit: Unit, group: str, now: dt.datetime) -> None:
        """A destination answered 421 or 4.7.x: its rate is halved, at least one a minute (SEND-35).

        Answers that come within 10 s of each other count once.
        """
        limit = self._limit(group)
        name = DOMAIN + group
        bucket = buckets.lock(unit.connection, {name: Bucket(1.0, now)})[name]
        since, number = self._meters.get(group, (now, 0))
        measured = number / METER_S if 0 <= (now - since).total_seconds() <= METER_S else 0.0
        slowed = limits.slow(bucket, limit, measured, now)
        if slowed != bucket:
            buckets.store(unit.connection, {name: slowed})
            event(log, "destination slowed down", level=logging.WARNING, group=group, per_minute=round(
                (slowed.slowed or 0) * 60, 1))

    def wait_s(self, unit: Unit, instances: Iterable[OpenInstance]) -> float | None:
        """After how many seconds something that is refused now may go; None when nothing is refused.

        Looks at the buckets of these instances and at the destinations that have a rate.
        """
        wanted = [self._rates(unit, instance) for instance in instances]
        found = buckets.find(unit.connection, {name for rates in wanted for name in rates})
        waits = [max((_wait_s(found.get(name), rate, unit.now) for name, rate in rates.items()), default=0.0)
                 for rates in wanted]
        group_rates, groups = self._limited(unit)
        waits += [_wait_s(groups.get(group), rate, unit.now) for group, rate in group_rates.items()]
        return min((wait for wait in waits if wait > 0), default=None)

    def _rates(self, unit: Unit, instance: OpenInstance) -> dict[str, float]:
        """Bucket -> messages a second, of all that bounds this instance whatever the recipient."""
        rates: dict[str, float] = {}
        if self._transport_rate:
            rates["transport"] = self._transport_rate
        brand_rate = self._brand_rate(unit, instance.brand_id)
        if brand_rate:
            rates[f"brand:{instance.brand_id}"] = brand_rate
        if instance.spread_s and instance.recipients:
            rates[f"instance:{instance.instance_id}"] = instance.recipients / instance.spread_s
        return rates

    def _brand_rate(self, unit: Unit, brand_id: int) -> float | None:
        looked_at, rate = self._brands.get(brand_id, (None, None))
        if looked_at is None or abs((unit.now - looked_at).total_seconds()) >= BRAND_KEPT_S:
            chosen = accounts.brand_settings(unit.connection, brand_id).get(MESSAGES_PER_SECOND)
            rate = float(chosen) if isinstance(chosen, int | float) and chosen > 0 else None
            self._brands[brand_id] = (unit.now, rate)
        return rate

    def _limit(self, group: str) -> float | None:
        limit = self._limits.get(group)
        return None if limit is None else limit.rate

    def _limited(self, unit: Unit) -> tuple[dict[str, float], dict[str, Bucket]]:
        """The rates in force by destination, and the stored buckets of destinations."""
        found = buckets.of_domains(unit.connection)
        rates = {}
        for group in {*self._limits, *found}:
            rate = limits.group_rate(found.get(group), self._limit(group), unit.now)
            if rate is not None:
                rates[group] = rate
        return rates, found


def _take(unit: Unit, rates: Mapping[str, float], wanted: int) -> int:
    """Takes at most ``wanted`` tokens out of each bucket, of all the same number; less than 0: gives them back."""
    stored = buckets.lock(unit.connection, {name: Bucket(limits.burst(rate), unit.now) for name, rate in rates.items()})
    filled = {name: limits.refill(stored[name], rate, unit.now) for name, rate in rates.items()}
    number = min(wanted, *map(limits.available, filled.values()))
    if number or any(bucket.filled_at < stored[name].filled_at for name, bucket in filled.items()):
        buckets.store(unit.connection, {name: limits.take(bucket, number) for name, bucket in filled.items()})
    return number


def _wait_s(bucket: Bucket | None, rate: float, now: dt.datetime) -> float:
    return 0.0 if bucket is None else limits.wait_s(limits.refill(bucket, rate, now), rate)
