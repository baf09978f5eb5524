"""How do a stored mailing and a person become a message? The seam between sending and the mail package (SEND-39)."""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from gateway.db.queries import deliveries, fields, instances
from gateway.db.unit import Unit
from gateway.domain import files as file_rules
from gateway.domain.delivery import Claimed
from gateway.domain.fields import HTML, JSON, fold
from gateway.domain.mailing import MailingDraft
from gateway.domain.records import Identifier, Problem
from gateway.domain.tokens import Keys
from gateway.domain.values import Field
from gateway.errors import GatewayError
from gateway.mail import dkim
from gateway.mail.message import (
    BuiltMessage,
    CompiledMailing,
    MailingContent,
    Recipient,
    RenderedMessage,
    compile_mailing,
    mail_domain,
)
from gateway.mail.mime import content_id
from gateway.mail.smtp import SmtpConnection
from gateway.mail.smtp_url import parse_relays
from gateway.services import dkim as dkim_keys
from gateway.services import files, personalisation, subscribers
from gateway.settings import Settings

NO_DELIVERY = 0
"""The delivery of test copies and previews: no row has this id, so their tokens find nothing and record nothing."""

SAMPLE_ADDRESS = "recipient@example.org"

EMAIL_TAG, REMOTE_ID_TAG = "email", "remoteId"
BUILT_IN_TAGS = frozenset({EMAIL_TAG, REMOTE_ID_TAG})
"""Merge tags that are no fields: what the delivery itself knows."""

MAX_SHOWN = 5
"""Warnings of one kind; an author who sees five of a kind knows what to look for."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mailing compiled for one instance (0: for none); ``now`` dates messages that have no first try yet.

    ``spelled``: tags that name a field in another spelling, such as ``First_Name`` for ``FirstName`` (PUSH-61), and the
    field's own name.
    """

    brand_id: int
    instance_id: int
    draft: MailingDraft
    compiled: CompiledMailing
    now: dt.datetime
    spelled: Mapping[str, str]

    @property
    def asked(self) -> frozenset[str]:
        """The fields that the mailing uses, by their own names: in tags, and in conditions (ID-76)."""
        return frozenset(self.spelled.get(tag, tag) for tag in self.compiled.merge_tags)

    @property
    def links(self) -> tuple[str, ...]:
        """The tracked links by number (SEND-46)."""
        return self.compiled.links


def prepare(unit: Unit, draft: MailingDraft, instance_id: int, *, frozen: bool = False) -> Prepared:
    """Compiles a mailing once for all its recipients; ``frozen``: with the links of the instance, whose numbers stand.

    An instance brings the stored files of its mailing and the key of its freezing (SEND-23); without one (0) the
    draft's own ``files`` count. Raises ``INVALID_VALUE``, ``INVALID_CHARACTER`` or ``INVALID_EMAIL`` naming the field
    at fault, or as ``domain.files.checked``.
    """
    instance = instances.get(unit.connection, unit.brand_id, instance_id) if instance_id else None
    if instance is not None and not draft.files:
        draft = files.with_files(unit, instance.mailing_id, draft)
    settings, kinds = unit.settings, fields.of_brand(unit.connection, unit.brand_id).values()
    content = MailingContent(
        subject=draft.subject, from_name=draft.from_name or "", from_address=draft.from_address,
        reply_to=draft.reply_to or "", html=draft.html, text=draft.text or "", track_opens=draft.track_opens,
        track_clicks=draft.track_clicks, files=file_rules.checked(draft.files),
        html_fields=frozenset(field.name for field in kinds if field.kind == HTML))
    signers = dkim_keys.signers(unit, draft.from_address)
    compiled = compile_mailing(
        content, public_url=settings.public_url, bounce_domain=settings.bounce_domain,
        keys=_pinned(unit.keys, instance.token_key if instance else None),
        frozen_links=deliveries.link_urls(unit.connection, unit.brand_id, instance_id) if frozen else None,
        list_id=f"brand-{unit.brand_id}.{mail_domain(settings.public_url)}",
        feedback_id=f"{instance_id}:{unit.brand_id}:mailing:gateway",
        sign=partial(dkim.signature_lines, signers, timestamp=int(unit.now.timestamp())) if signers else None)
    return Prepared(unit.brand_id, instance_id, draft, compiled, unit.now, _spelled(compiled.merge_tags, kinds))


def _spelled(tags: Collection[str], kinds: Collection[Field]) -> dict[str, str]:
    """The tags that are no field's name, but name one in another spelling; not one of kind html or json."""
    names = {field.name for field in kinds} | BUILT_IN_TAGS
    by_folded = {fold(name): name for name in BUILT_IN_TAGS} | {
        fold(field.name): field.name for field in kinds if field.kind not in (HTML, JSON)}
    return {tag: by_folded[fold(tag)] for tag in tags if tag not in names and fold(tag) in by_folded}


def _pinned(keys: Keys, number: int | None) -> Keys:
    """The keyring as it signed when the instance was frozen."""
    if number is not None and number not in keys.secrets:
        raise GatewayError("INTERNAL_ERROR", "The key that signs this instance is not there any more. Name all earlier "
                                             "keys in GATEWAY_OLD_SECRET_KEYS, oldest first.")
    return keys if number is None else keys.pinned(number)


def warnings(unit: Unit, prepared: Prepared) -> tuple[Problem, ...]:
    """What the author should look at: merge tags that no field of the brand has, or where none is filled (SEND-40)."""
    known = {field.name for field in fields.of_brand(unit.connection, unit.brand_id).values() if field.kind != JSON}
    draft = prepared.draft
    unknown = sorted(prepared.compiled.merge_tags - known - BUILT_IN_TAGS - prepared.spelled.keys())
    found = [Problem("FIELD_UNKNOWN", f"There is no field '{name}'; its merge tag stays empty. "
                                      "Correct the tag, or import values for it.", name) for name in unknown]
    if "{{" in (draft.from_name or ""):
        found.append(Problem("INVALID_VALUE", "fromName is sent as it is written: merge tags are filled in subject, "
                                              "html and text only. Take them out.", "fromName"))
    unsigned = dkim_keys.unsigned(unit, draft.from_address)
    found += [unsigned] if unsigned else []
    found += [Problem("INVALID_VALUE", f"'{address[:200]}' leads nowhere from a mail. Write the whole address, "
                                       "beginning with https://.", "html")
              for address in prepared.compiled.relative[:MAX_SHOWN]]
    return (*found, *file_rules.warnings(draft.html, draft.files)[:MAX_SHOWN])


def prepare_view(unit: Unit, draft: MailingDraft, instance_id: int) -> Prepared:
    """As :func:`prepare` of a frozen instance, without the open pixel: looking at it in a browser is no open."""
    return prepare(unit, replace(draft, track_opens=False), instance_id, frozen=True)


def view(prepared: Prepared, claimed: Claimed, values: Mapping[str, str]) -> str:
    """The HTML of one delivery's message, its images within it (RFC 2397): a browser knows no ``cid:``."""
    recipient = Recipient(prepared.brand_id, prepared.instance_id, claimed.delivery_id, claimed.email,
                          _known(prepared, claimed, values))
    html = prepared.compiled.render(recipient, claimed.first_tried_at or prepared.now).html
    return file_rules.with_references(html, {
        content_id(each.content_id, prepared.compiled.domain):
            f"data:{each.content_type};base64,{base64.b64encode(each.data).decode()}"
        for each in prepared.draft.files if each.content_id})


def message(prepared: Prepared, claimed: Claimed, values: Mapping[str, str]) -> BuiltMessage:
    """The message of one delivery, the same on every attempt but for changed values (SEND-23).

    Raises ``INVALID_EMAIL`` for an address that cannot stand in a message.
    """
    recipient = Recipient(prepared.brand_id, prepared.instance_id, claimed.delivery_id, claimed.email,
                          _known(prepared, claimed, values))
    return prepared.compiled.build(recipient, claimed.first_tried_at or prepared.now)


def test_message(prepared: Prepared, email: str, values: Mapping[str, str]) -> BuiltMessage:
    """A copy that belongs to no delivery. Its Message-ID is new each time."""
    recipient = Recipient(prepared.brand_id, secrets.randbits(60), NO_DELIVERY, email, _filled(prepared, values))
    return prepared.compiled.build(recipient, prepared.now)


def untracked(draft: MailingDraft) -> MailingDraft:
    """The same with plain links and without the open pixel, for what belongs to no delivery."""
    return replace(draft, track_opens=False, track_clicks=False)


def rendered(prepared: Prepared, values: Mapping[str, str]) -> RenderedMessage:
    """What a person would read, made for nobody's address."""
    recipient = Recipient(prepared.brand_id, prepared.instance_id, NO_DELIVERY, SAMPLE_ADDRESS,
                          _filled(prepared, values))
    return prepared.compiled.render(recipient, prepared.now)


def sample_values(unit: Unit, who: Identifier | None, prepared: Prepared) -> dict[str, str]:
    """The values of a person in this mailing, live ones among them (ID-76), or of nobody: what shows where there is no
    value. Raises as ``subscribers.get``."""
    if who is None:
        return fields.defaults(unit.connection, unit.brand_id)
    return personalisation.values_of(unit, prepared.asked, subscribers.get(unit, who).subscriber_id)


def connection(settings: Settings) -> SmtpConnection:
    """A connection to the first configured relay that takes us, opened with the first message."""
    helo = urlsplit(settings.public_url).hostname or "localhost"
    return SmtpConnection(*parse_relays(settings.smtp_url), helo=helo)


def _known(prepared: Prepared, claimed: Claimed, values: Mapping[str, str]) -> Mapping[str, str]:
    """What the delivery itself knows, then the person's values."""
    return _filled(prepared, {EMAIL_TAG: claimed.email, REMOTE_ID_TAG: claimed.remote_id or "", **values})


def _filled(prepared: Prepared, values: Mapping[str, str]) -> Mapping[str, str]:
    """The values also under the names by which the mailing's tags call them."""
    if not prepared.spelled:
        return values
    return {**values, **{tag: values[name] for tag, name in prepared.spelled.items() if name in values}}
