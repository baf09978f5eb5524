"""What do the pages of a recipient show and do: unsubscribing, the message in a browser? (SEND-24, SEND-45, SEND-48)"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.db.queries import accounts, audience, deliveries, fields, locks, mailings
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.unit import Unit
from gateway.domain import tokens
from gateway.domain.accounts import Actor
from gateway.domain.delivery import Claimed
from gateway.domain.suppression import LINK, ONE_CLICK
from gateway.domain.tokens import Kind, Token
from gateway.services import compose, evidence, personalisation, suppression
from gateway.services.gateway import Gateway


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """What the page says: whose mail it is and to which (masked) address; ``is_test``: nothing hangs on the link."""

    brand_name: str
    masked_address: str
    is_test: bool = False


def unsubscribe_page(gateway: Gateway, text: str) -> UnsubscribePage | None:
    """What the unsubscribe page shows; changes nothing (SEND-48). None for a wrong token."""
    token = _token(gateway, text, Kind.UNSUBSCRIBE)
    if token is None:
        return None
    with gateway.reading(_recipient(token)) as unit:
        return _page(unit, token)


def unsubscribe(gateway: Gateway, text: str, one_click: bool) -> UnsubscribePage | None:
    """Opts the recipient out, with event and writebacks in one transaction; repeating it changes nothing.

    It acts on the address that was mailed and, where the person has another one by now, on that too: whoever says no
    under an old address means it (ID-43). Works for ever, also after an erase (SEND-45). None for a wrong token. Raises
    ``UNAVAILABLE`` when nothing was stored.
    """
    token = _token(gateway, text, Kind.UNSUBSCRIBE)
    if token is None:
        return None
    with gateway.unit(_recipient(token)) as unit:
        locks.lock_brand(unit.connection, unit.brand_id)
        delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
        if delivery is not None and delivery.email:
            evidence.prove(unit, delivery.delivery_id)
            suppression.opt_out_recipient(unit, delivery, ONE_CLICK if one_click else LINK)
        return _page(unit, token)


def view(gateway: Gateway, text: str) -> str | None:
    """The HTML of this recipient's message, from current values, without the open pixel; None for a wrong token.

    Live fields are asked for again, since nothing of them was stored (ID-76). Whoever holds the message of a former
    address sees what shows where there is no value, as on the preference form.
    """
    token = _token(gateway, text, Kind.VIEW)
    if token is None:
        return None
    with gateway.reading(_recipient(token)) as unit:
        delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
        if delivery is None or not delivery.email:
            return None
        mailing = mailings.get(unit.connection, unit.brand_id, delivery.mailing_id)
        if mailing is None:
            return None
        person = _survivor(unit, delivery)
        prepared = compose.prepare_view(unit, mailing.draft, delivery.instance_id)
        if audience.current_email(unit.connection, unit.brand_id, person) == delivery.email:
            values = personalisation.values_of(unit, prepared.asked, person)
        else:  # somebody else may read that mailbox now
            values = fields.defaults(unit.connection, unit.brand_id)
        claimed = Claimed(delivery.delivery_id, person, delivery.email, delivery.remote_id, 0, delivery.accepted_at)
        return compose.view(prepared, claimed, values)


def is_test_copy(gateway: Gateway, text: str) -> bool:
    """Whether this is the browser address of a test copy: it works, but no message is kept behind it (SEND-4)."""
    token = _token(gateway, text, Kind.VIEW)
    return token is not None and token.delivery_id == compose.NO_DELIVERY


def mask(email: str) -> str:
    """An address that its owner recognises and nobody else learns: ``a***@example.org``."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


# --- parts -----------------------------------------------------------------------------------------------------


def _token(gateway: Gateway, text: str, kind: Kind) -> Token | None:
    token = tokens.read(gateway.keys, text)
    return token if token is not None and token.kind is kind else None


def _recipient(token: Token) -> Actor:
    return Actor(brand_id=token.brand_id, label="recipient", door="public")


def _page(unit: Unit, token: Token) -> UnsubscribePage | None:
    name = accounts.brand_name(unit.connection, unit.brand_id)
    if name is None:
        return None
    if token.delivery_id == compose.NO_DELIVERY:
        return UnsubscribePage(name, "", is_test=True)
    delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
    return UnsubscribePage(name, mask(delivery.email)) if delivery and delivery.email else UnsubscribePage(name, "")


def _survivor(unit: Unit, delivery: StoredDelivery) -> int:
    """The record that an event counts for: the survivor of a merged one (SEND-51)."""
    found = audience.survivors(unit.connection, unit.brand_id, [delivery.subscriber_id])
    return found.get(delivery.subscriber_id, delivery.subscriber_id)
