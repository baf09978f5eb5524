"""How is a system told of writebacks by a signed webhook? (ID-63)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection

from gateway.bridges.webhook.bridge import WebhookBridge, Writer
from gateway.bridges.webhook.config import new_secret
from gateway.clock import instant
from gateway.db.queries import integrations as queries
from gateway.db.queries import locks
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.integration import IntegrationView
from gateway.domain.writeback import KINDS, UNSUBSCRIBE
from gateway.errors import GatewayError
from gateway.services import integrations
from gateway.services.gateway import Gateway
from gateway.services.secretbox import decrypt, encrypt

PURPOSE = "integration-webhook"
OLD_SIGNS = dt.timedelta(hours=24)
"""So long the secret before the last one signs too, so that a receiver can change over without a gap."""


def set_up(unit: Unit, integration_id: int, url: str, *, secret: str | None = None, take: Collection[str] = (),
           plain_http: bool = False) -> str | None:
    """Lets the integration's writebacks be posted to ``url``; answers a secret that was made, which is shown once.

    A webhook that is there gets another address; what it takes stays unless ``take`` says otherwise, and its secret
    unless ``secret`` does, which then replaces it as :func:`rotate` would. Unsubscribes are told in any case (ID-53).
    An integration that was down is tried at once; a bridge of it only reads from now on. Raises ``NOT_ALLOWED``
    (administrators only), ``NOT_FOUND``, ``INVALID_VALUE``, ``STATE_CONFLICT`` for one that fetches its writebacks.
    """
    found = _own(unit, integration_id)
    if found.pulls:
        raise GatewayError("STATE_CONFLICT", f"The integration '{found.name}' fetches its writebacks. Let it stop that "
                                             "first: gateway integration set --writebacks none.", field="webhook")
    stored = _stored(unit, found) if found.has_webhook else {}
    made = new_secret() if secret is None and "secret" not in stored else None
    config = {**stored, "url": url, "plain_http": plain_http}
    if take:
        unknown = [kind for kind in take if kind not in KINDS]
        if unknown:
            raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(KINDS)}.", field="take")
        config["take"] = [kind for kind in KINDS if kind in take or kind == UNSUBSCRIBE]
    if secret is not None and stored and secret != stored["secret"]:
        config |= _outgoing(unit, stored)
    config["secret"] = made or secret or stored["secret"]
    _store(unit, found, config)
    return made


def rotate(unit: Unit, integration_id: int) -> str:
    """Makes a new secret and answers it, this once; the old one signs too for 24 hours, an older one no more.

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``STATE_CONFLICT`` for an integration without a
    webhook.
    """
    found = _own(unit, integration_id)
    if not found.has_webhook:
        raise GatewayError("STATE_CONFLICT", f"The integration '{found.name}' has no webhook.", field="integration")
    stored, made = _stored(unit, found), new_secret()
    _store(unit, found, {**stored, **_outgoing(unit, stored), "secret": made})
    return made


def remove(unit: Unit, integration_id: int) -> None:
    """Ends the webhook and forgets its secrets. Rows that are open stay so: a bridge writes them, else they expire.

    Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``; the end of the unit raises ``INVALID_VALUE`` where
    nobody takes its unsubscribes then: see :func:`gateway.services.integrations.tell_unsubscribes`.
    """
    found = _own(unit, integration_id)
    integrations.tell_unsubscribes(unit, integration_id)
    queries.set_webhook(unit.connection, unit.brand_id, found.integration_id, None)


def writer(gateway: Gateway, integration: IntegrationView) -> Writer:
    """What writes into this integration's system: its webhook, else its bridge; not connected, the caller closes it.

    Raises as :func:`gateway.services.integrations.bridge`.
    """
    with gateway.reading(system_actor(integration.brand_id)) as unit:
        return writer_of(unit, integration, gateway)


def writer_of(unit: Unit, integration: IntegrationView, gateway: Gateway | None = None) -> Writer:
    """As :func:`writer`, within a transaction of the integration's brand."""
    if not integration.has_webhook:
        return integrations.bridge_of(unit, integration)
    clock = (lambda: unit.now) if gateway is None else gateway.clock
    return WebhookBridge.from_config(_stored(unit, integration), clock)


def _own(unit: Unit, integration_id: int) -> IntegrationView:
    """The integration, which nobody else changes until the unit ends: it either fetches or has a webhook, and no secret
    is lost."""
    unit.actor.require("admin")
    locks.lock_brand(unit.connection, unit.brand_id)
    return integrations.get(unit, integration_id)


def _outgoing(unit: Unit, stored: dict[str, object]) -> dict[str, object]:
    return {"old_secret": stored["secret"], "old_until": instant(unit.now + OLD_SIGNS)}


def _stored(unit: Unit, found: IntegrationView) -> dict[str, object]:
    sealed = queries.webhook(unit.connection, unit.brand_id, found.integration_id)
    opened: dict[str, object] = json.loads(
        decrypt(unit.settings.secret_key, PURPOSE, sealed or "", unit.settings.old_secret_keys))
    return opened


def _store(unit: Unit, found: IntegrationView, config: dict[str, object]) -> None:
    WebhookBridge.from_config(config, lambda: unit.now).close()
    queries.set_webhook(unit.connection, unit.brand_id, found.integration_id,
                        encrypt(unit.settings.secret_key, PURPOSE, json.dumps(config)))
    unit.ring("run_writebacks", unit.brand_id, found.integration_id)
