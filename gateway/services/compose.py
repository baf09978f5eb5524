"""How do a stored mailing and a person become a message? The seam between sending and the mail package (SEND-39)."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gateway.db.queries import deliveries, fields
from gateway.db.unit import Unit
from gateway.domain.delivery import Claimed
from gateway.domain.fields import JSON
from gateway.domain.mailing import MailingDraft
from gateway.domain.records import Identifier, Problem
from gateway.mail.message import (
    BuiltMessage,
    CompiledMailing,
    MailingContent,
    Recipient,
    RenderedMessage,
    compile_mailing,
    mail_domain,
)
from gateway.mail.smtp import SmtpConnection
from gateway.mail.smtp_url import SmtpUrl
from gateway.services import subscribers
from gateway.settings import Settings

NO_DELIVERY = 0
"""The delivery of test copies and previews: no row has this id, so their tokens find nothing and record nothing."""


EMAIL_TAG, REMOTE_ID_TAG = "email", "remoteId"
BUILT_IN_TAGS = frozenset({EMAIL_TAG, REMOTE_ID_TAG})
"""Merge tags that are no fields: what the delivery itself knows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mailing compiled for one instance (0: for none); ``now`` dates messages that have no first try yet."""

    brand_id: int
    instance_id: int
    draft: MailingDraft
    compiled: CompiledMailing
    now: dt.datetime

    @property
    def links(self) -> tuple[str, ...]:
        """The tracked links by number (SEND-46)."""
        return self.compiled.links


def prepare(unit: Unit, draft: MailingDraft, instance_id: int, *, frozen: bool = False) -> Prepared:
    """Compiles a mailing once for all its recipients; ``frozen``: with the links of the instance, whose numbers stand.

    Raises ``INVALID_VALUE``, ``INVALID_CHARACTER`` or ``INVALID_EMAIL`` naming the field at fault.
    """
    content = MailingContent(
        subject=draft.subject, from_name=draft.from_name or "", from_address=draft.from_address,
        reply_to=draft.reply_to or "", html=draft.html, text=draft.text or "", track_opens=draft.track_opens,
        track_clicks=draft.track_clicks)
    public_url = unit.settings.public_url
    links = deliveries.link_urls(unit.connection, unit.brand_id, instance_id) if frozen else None
    compiled = compile_mailing(content, public_url=public_url, keys=unit.keys, frozen_links=links,
                               list_id=f"brand-{unit.brand_id}.{mail_domain(public_url)}")
    return Prepared(unit.brand_id, instance_id, draft, compiled, unit.now)


def warnings(unit: Unit, prepared: Prepared) -> tuple[Problem, ...]:
    """What the author should look at: merge tags that no field of the brand has, or where none is filled (SEND-40)."""
    known = {field.name for field in fields.of_brand(unit.connection, unit.brand_id).values() if field.kind != JSON}
    unknown = sorted(prepared.compiled.merge_tags - known - BUILT_IN_TAGS)
    found = [Problem("FIELD_UNKNOWN", f"There is no field '{name}'; its merge tag stays empty. "
                                      "Correct the tag, or import values for it.", name) for name in unknown]
    if "{{" in (prepared.draft.from_name or ""):
        found.append(Problem("INVALID_VALUE", "fromName is sent as it is written: merge tags are filled in subject, "
                                              "html and text only. Take them out.", "fromName"))
    return tuple(found)


def prepare_view(unit: Unit, draft: MailingDraft, instance_id: int) -> Prepared:
    """As :func:`prepare` of a frozen instance, without the open pixel: looking at it in a browser is no open."""
    return prepare(unit, replace(draft, track_opens=False), instance_id, frozen=True)


def view(prepared: Prepared, claimed: Claimed, values: Mapping[str, str]) -> str:
    """The HTML of one delivery's message."""
    recipient = Recipient(prepared.brand_id, prepared.instance_id, claimed.delivery_id, claimed.email,
                          _known(claimed, values))
    return prepared.compiled.render(recipient, claimed.first_tried_at or prepared.now).html


def message(prepared: Prepared, claimed: Claimed, values: Mapping[str, str]) -> BuiltMessage:
    """The message of one delivery, the same on every attempt but for changed values (SEND-23).

    Raises ``INVALID_EMAIL`` for an address that cannot stand in a message.
    """
    recipient = Recipient(prepared.brand_id, prepared.instance_id, claimed.delivery_id, claimed.email,
                          _known(claimed, values))
    return prepared.compiled.build(recipient, claimed.first_tried_at or prepared.now)


def test_message(prepared: Prepared, email: str, values: Mapping[str, str]) -> BuiltMessage:
    """A copy that belongs to no delivery. Its Message-ID is new each time."""
    recipient = Recipient(prepared.brand_id, secrets.randbits(60), NO_DELIVERY, email, values)
    return prepared.compiled.build(recipient, prepared.now)


def rendered(prepared: Prepared, delivery_id: int, email: str, values: Mapping[str, str]) -> RenderedMessage:
    """What a person would read."""
    recipient = Recipient(prepared.brand_id, prepared.instance_id, delivery_id, email, values)
    return prepared.compiled.render(recipient, prepared.now)


def sample_values(unit: Unit, who: Identifier | None) -> dict[str, str]:
    """The values of a person, or none: then a tag's own default shows. Raises as ``subscribers.get``."""
    if who is None:
        return {}
    found = subscribers.get(unit, who)
    return dict(subscribers.merge_values(unit, [found.subscriber_id]).get(found.subscriber_id, {}))


def connection(settings: Settings) -> SmtpConnection:
    """A connection to the configured mail server, opened with the first message."""
    helo = urlsplit(settings.public_url).hostname or "localhost"
    return SmtpConnection(SmtpUrl.parse(settings.smtp_url), helo=helo)


def _known(claimed: Claimed, values: Mapping[str, str]) -> dict[str, str]:
    """What the delivery itself knows, then the person's values."""
    return {EMAIL_TAG: claimed.email, REMOTE_ID_TAG: claimed.remote_id or "", **values}
