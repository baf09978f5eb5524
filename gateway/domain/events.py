"""What happened to whom? One normalised event, whatever it came from (SEND-49..51)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

SENT, DEFERRED, BOUNCED, IN_DOUBT = "sent", "deferred", "bounced", "in_doubt"
OPENED, CLICKED, UNSUBSCRIBED, RESUBSCRIBED = "opened", "clicked", "unsubscribed", "resubscribed"
OPTED_OUT, COMPLAINED, MERGED = "opted_out", "complained", "merged"
ERASED, UNMERGED, REJOINED = "erased", "unmerged", "rejoined"
ADDRESS_CORRECTED = "address_corrected"
PREFERENCE = "preference"
"""A person changed a field, or joined an interest, on the preference form."""

TYPES = (SENT, DEFERRED, BOUNCED, IN_DOUBT, OPENED, CLICKED, UNSUBSCRIBED, RESUBSCRIBED, OPTED_OUT, COMPLAINED, MERGED,
         ERASED, UNMERGED, REJOINED, ADDRESS_CORRECTED, PREFERENCE)

MOBILE, DESKTOP, BROWSER, WEB_MAIL, UNKNOWN = "mobile", "desktop", "web browser", "web based email", "unknown"
"""Types of what a recipient reads mail with."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be stored once: ``once_key`` is unique in the brand (SEND-50)."""

    type: str
    occurred_at: dt.datetime
    once_key: str
    instance_id: int | None = None
    delivery_id: int | None = None
    subscriber_id: int | None = None
    remote_id: str | None = None
    address: str | None = None
    url: str | None = None
    link_number: int | None = None
    origin: str | None = None
    reason: str | None = None
    code: str | None = None
    automated: bool = False
    rule: str | None = None
    raw: Mapping[str, object] | None = None
    client_name: str | None = None
    client_type: str | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """A stored event as every door shows it."""

    event_id: int
    type: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    mailing_id: int | None
    instance_id: int | None
    delivery_id: int | None
    subscriber_id: int | None
    remote_id: str | None
    address: str | None
    url: str | None
    origin: str | None
    reason: str | None
    code: str | None
    automated: bool


@dataclass(frozen=True, slots=True)
class EventFilter:
    """FindEvents (SOAP-62); times compare ``recorded_at`` (SOAP-70). Empty ``types`` are all."""

    types: tuple[str, ...] = ()
    mailing_id: int | None = None
    instance_id: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
