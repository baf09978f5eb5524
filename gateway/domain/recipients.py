"""What became of each person that a mailing was for, or was kept from? (SOAP-63)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries of an instance; empty ``states`` and ``reasons`` do not filter, both given must hold."""

    instance_id: int
    states: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One recipient, or one person that was left out with its ``reason`` (SEND-8).

    ``email`` and ``remote_id`` are those of the moment in which the audience was frozen. ``attempt`` counts tries.
    ``next_at``: when a deferred one is tried again. ``bounce_class``: hard, soft, block or other.
    """

    delivery_id: int
    mailing_id: int
    instance_id: int
    subscriber_id: int
    email: str | None
    remote_id: str | None
    state: str
    reason: str | None
    attempt: int
    code: str | None
    status_text: str | None
    bounce_class: str | None
    first_tried_at: dt.datetime | None
    next_at: dt.datetime | None
    accepted_at: dt.datetime | None
    changed_at: dt.datetime
