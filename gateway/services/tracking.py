"""What does a recipient's mail client or browser tell us, and what does it get? (SEND-24, SEND-46..52)"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

from gateway.db.queries import accounts, audience, deliveries, events, locks, mailings
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.unit import Unit
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain import tokens
from gateway.domain.accounts import Actor
from gateway.domain.delivery import Claimed, Settled
from gateway.domain.events import NewEvent
from gateway.domain.hits import Hit, automated_rule
from gateway.domain.suppression import LINK, ONE_CLICK
from gateway.domain.tokens import Kind, Token
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import bounces, compose, lanes, subscribers, suppression
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.services")

MAX_AGENT = 300
HIT_WAIT_S = 3.0
"""A person waits for the answer to a hit: the store gets no more time than that (SEND-47)."""


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """What the page says: whose mail it is and to which (masked) address; ``is_test``: nothing hangs on the link."""

    brand_name: str
    masked_address: str
    is_test: bool = False


def kind_of(gateway: Gateway, text: str) -> Kind | None:
    """What the token allows, None for one that we did not make (SEND-45). Asks no database."""
    token = tokens.read(gateway.keys, text)
    return token.kind if token else None


def opened(gateway: Gateway, text: str, hit: Hit) -> None:
    """Stores an open. Never raises: the picture is answered whatever happens here (SEND-47)."""
    token = _token(gateway, text, Kind.OPEN)
    if token is not None:
        _record_hit(gateway, token, types.OPENED, hit)


def clicked(gateway: Gateway, text: str, hit: Hit) -> str | None:
    """Where the click goes: the frozen URL of the link, None for a wrong token (SEND-46). Stores the click.

    A click that cannot be stored is logged and goes to its URL all the same. Raises ``UNAVAILABLE`` only when the URL
    itself cannot be read.
    """
    token = _token(gateway, text, Kind.CLICK)
    if token is None:
        return None
    with gateway.reading(_recipient(token)) as unit:
        delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
        url = delivery and deliveries.link_url(unit.connection, unit.brand_id, delivery.instance_id, token.link)
    if url:
        _record_hit(gateway, token, types.CLICKED, hit, url)
    return url or None


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
            _prove(unit, delivery)
            _opt_out(unit, delivery, ONE_CLICK if one_click else LINK)
        return _page(unit, token)


def view(gateway: Gateway, text: str) -> str | None:
    """The HTML of this recipient's message, from current values, without the open pixel; None for a wrong token."""
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
        values = subscribers.merge_values(unit, [person]).get(person, {})
        prepared = compose.prepare_view(unit, mailing.draft, delivery.instance_id)
        claimed = Claimed(delivery.delivery_id, person, delivery.email, delivery.remote_id, 0, delivery.accepted_at)
        return compose.view(prepared, claimed, values)


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


def _record_hit(gateway: Gateway, token: Token, kind: str, hit: Hit, url: str | None = None) -> None:
    """Every hit is one event; the one place where an error is only logged, for nobody waits for these figures."""
    try:
        with gateway.unit(_recipient(token), HIT_WAIT_S) as unit:
            delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
            if delivery is not None:
                _store_hit(unit, delivery, token, kind, hit, url)
    except GatewayError as error:
        event(log, "hit not stored", level=logging.ERROR, type=kind, delivery=token.delivery_id, code=error.code)


def _store_hit(unit: Unit, delivery: StoredDelivery, token: Token, kind: str, hit: Hit, url: str | None) -> None:
    rule = automated_rule(hit, is_open=kind == types.OPENED, at=unit.now, accepted_at=delivery.accepted_at,
                          in_doubt=delivery.state == rules.IN_DOUBT)
    events.add(unit.connection, unit.brand_id, NewEvent(
        type=kind, occurred_at=unit.now, once_key=f"hit:{uuid.uuid4().hex}", instance_id=delivery.instance_id,
        delivery_id=delivery.delivery_id, subscriber_id=_survivor(unit, delivery), remote_id=delivery.remote_id,
        address=delivery.email, url=url, link_number=token.link if url else None, automated=rule is not None,
        rule=rule, raw={"ip": hit.ip, "agent": _storable(hit.agent)}), unit.now)
    _prove(unit, delivery)
    if rule is None and delivery.email:
        bounces.reset(unit, delivery.email)


def _opt_out(unit: Unit, delivery: StoredDelivery, origin: str) -> None:
    person = _survivor(unit, delivery)
    addresses = [delivery.email, audience.current_email(unit.connection, unit.brand_id, person)]
    for email in dict.fromkeys(address for address in addresses if address):
        suppression.opt_out(unit, email=email, origin=origin, subscriber_id=person, instance_id=delivery.instance_id,
                            delivery_id=delivery.delivery_id, remote_id=delivery.remote_id)


def _prove(unit: Unit, delivery: StoredDelivery) -> None:
    """Whoever acts on a message has got it: a delivery in doubt is settled as accepted (SEND-24)."""
    if deliveries.prove(unit.connection, unit.brand_id, delivery.delivery_id, unit.now):
        claimed = Claimed(delivery.delivery_id, delivery.subscriber_id, delivery.email or "", delivery.remote_id,
                          delivery.attempt - 1, None)
        lanes.record_outcome(unit, delivery.instance_id, Settled(claimed, "accept", unit.now))


def _survivor(unit: Unit, delivery: StoredDelivery) -> int:
    """The record that an event counts for: the survivor of a merged one (SEND-51)."""
    found = audience.survivors(unit.connection, unit.brand_id, [delivery.subscriber_id])
    return found.get(delivery.subscriber_id, delivery.subscriber_id)


def _storable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_AGENT])
