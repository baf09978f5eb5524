"""How many messages may leave now? Token buckets, and how a destination in trouble is slowed down (SEND-34, SEND-35).

A bucket fills at its rate up to its burst; whoever sends takes tokens out first. Everything here is arithmetic: where
buckets are kept, and that two senders never take the same token, is ``db/queries/buckets``.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.domain.providers import PROVIDERS, domain_group, group_of_domain
from gateway.errors import SettingsError

__all__ = ["BURST_S", "FREE_RATE", "LEAST_RATE", "MESSAGES_PER_SECOND", "Bucket", "GroupLimit", "available", "burst",
           "domain_group", "group_of_domain", "group_rate", "parse_group_limits", "refill", "slow", "take",
           "wait_s"]

MESSAGES_PER_SECOND = "messagesPerSecond"
"""The brand's choice: so many of its messages leave in a second; 0 is no limit."""

BURST_S = 2.0
"""A bucket holds what its rate gives in this time, at least one message: enough to lose nothing between two looks."""

SKEW_S = 10.0
"""Clocks of several hosts may be so far apart; a moment before the last one is not a clock that was set back."""

LEAST_RATE = 1 / 60
FREE_RATE = 32.0
"""A destination without a limit that was slowed down is free again when it has come back to so many a second."""

FIRST_RATE = 1.0
SLOW_AGAIN_S = 10.0
"""Refusals that come this close together are one trouble: ten connections are told at the same time."""

CLEAN_S = 60.0

_LIMIT = re.compile(r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?)/(?P<unit>s|min|h)", re.ASCII)
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens that were there at ``filled_at``. ``slowed``: messages a second, halved at ``slowed_at``."""

    tokens: float
    filled_at: dt.datetime
    slowed: float | None = None
    slowed_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """What the operator allows for one destination: messages a second, connections; None: no limit."""

    rate: float | None = None
    connections: int | None = None


def burst(rate: float) -> float:
    """How many tokens a bucket of this rate holds when it is full."""
    return max(1.0, rate * BURST_S)


def refill(bucket: Bucket, rate: float, now: dt.datetime) -> Bucket:
    """The bucket as it is now.

    A clock that was set forward fills it once, at most to its burst; one that was set back adds nothing, and does
    not keep the bucket waiting for the old time to come again.
    """
    elapsed_s = (now - bucket.filled_at).total_seconds()
    tokens = min(burst(rate), bucket.tokens + max(0.0, elapsed_s) * rate)
    if -SKEW_S <= elapsed_s <= 0:
        return replace(bucket, tokens=tokens)
    slowed_at = bucket.slowed_at and min(bucket.slowed_at, now)
    return replace(bucket, tokens=tokens, filled_at=now, slowed_at=slowed_at)


def available(bucket: Bucket) -> int:
    """How many whole messages a refilled bucket has tokens for."""
    return max(0, math.floor(bucket.tokens + 1e-9))


def take(bucket: Bucket, number: int) -> Bucket:
    """Without ``number`` tokens, which must be there; a negative number gives tokens back (the burst still bounds)."""
    return replace(bucket, tokens=max(0.0, bucket.tokens - number))


def wait_s(bucket: Bucket, rate: float) -> float:
    """Seconds until a refilled bucket without a whole token is worth another look: half full, at least one token."""
    if available(bucket):
        return 0.0
    return (max(1.0, burst(rate) / 2) - bucket.tokens) / rate


def group_rate(bucket: Bucket | None, limit: float | None, now: dt.datetime) -> float | None:
    """Messages a second to a destination now; None: no limit.

    After trouble each clean minute doubles the rate, until the limit holds again, or, without one, ``FREE_RATE`` is
    reached. Nothing need be written for that: the minutes since the trouble say it.
    """
    if bucket is None or bucket.slowed is None or bucket.slowed_at is None:
        return limit
    minutes = max(0, int((now - bucket.slowed_at).total_seconds() // CLEAN_S))
    rate = bucket.slowed * 2.0 ** min(minutes, 64)
    if limit is not None:
        return min(rate, limit)
    return rate if not minutes or rate < FREE_RATE else None


def slow(bucket: Bucket, limit: float | None, measured: float, now: dt.datetime) -> Bucket:
    """The bucket after trouble: half the rate, at least one a minute, and empty, so that a pause comes first.

    ``measured``: messages a second that went there lately; what is halved where no rate is in force.
    """
    if bucket.slowed_at is not None and 0 <= (now - bucket.slowed_at).total_seconds() < SLOW_AGAIN_S:
        return bucket
    rate = group_rate(bucket, limit, now)
    if rate is None:
        rate = max(measured, FIRST_RATE)
    return Bucket(0.0, max(now, bucket.filled_at), max(LEAST_RATE, rate / 2), now)


def parse_group_limits(text: str) -> Mapping[str, GroupLimit]:
    """Reads ``google=20/s,4; example.org=30/min`` (rate, then connections, either alone) by destination.

    A domain of a provider stands for the provider. Raises :class:`SettingsError` that says what is wrong where.
    """
    limits: dict[str, GroupLimit] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, values = (piece.strip() for piece in part.partition("="))
        group = group_of_domain(name)
        if not equals or not (group in PROVIDERS or re.fullmatch(r"[^\s@=;,/]+\.[^\s@=;,/]+", group)):
            raise _unreadable(part, f"'{name}' is neither a domain nor a provider ({', '.join(PROVIDERS)})")
        if group in limits:
            raise _unreadable(part, f"{group} has a limit already")
        limits[group] = _group_limit(part, [value.strip() for value in values.split(",")])
    return limits


def _group_limit(part: str, values: list[str]) -> GroupLimit:
    rate = connections = None
    for value in values:
        found = _LIMIT.fullmatch(value)
        if found and rate is None and float(found["number"]) > 0:
            rate = float(found["number"]) / _UNITS[found["unit"]]
        elif connections is None and re.fullmatch(r"[1-9][0-9]{0,3}", value, re.ASCII):
            connections = int(value)
        else:
            raise _unreadable(part, f"'{value}' is neither a rate such as 20/s, 30/min or 100/h nor a number of "
                                    "connections")
    return GroupLimit(rate, connections)


def _unreadable(part: str, reason: str) -> SettingsError:
    return SettingsError(f"GATEWAY_DOMAIN_LIMITS cannot be read at '{part}': {reason}. "
                         "It reads like google=20/s,4;example.org=30/min.")
