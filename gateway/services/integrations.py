"""Which foreign systems does a brand work with, and how is each of them reached?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial

from gateway.bridges import registry
from gateway.bridges.port import Bridge
from gateway.db.queries import accounts as accounts_queries
from gateway.db.queries import integrations as queries
from gateway.db.queries import locks
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.integration import API, IDENTITIES, IntegrationView
from gateway.domain.writeback import KINDS, UNSUBSCRIBE
from gateway.errors import GatewayError
from gateway.services.accounts import require_brand, unknown_integration
from gateway.services.gateway import Gateway
from gateway.services.secretbox import decrypt, encrypt

PURPOSE = "integration-config"


def add(unit: Unit, name: str, kind: str, config: Mapping[str, object] | None = None) -> int:
    """A new integration of the unit's brand, with the source its values belong to; answers its id.

    The configuration is checked without connecting, and stored sealed. Raises ``ALREADY_EXISTS`` for a name
    that is taken, ``INVALID_VALUE`` for an unknown kind or a bad configuration, ``NOT_FOUND`` for no such brand; the
    end of the unit raises ``INVALID_VALUE`` where nobody takes its unsubscribes: see :func:`tell_unsubscribes`.
    """
    require_brand(unit)
    name = name.strip()
    if not name or len(name) > 255 or not name.isprintable():
        raise GatewayError("INVALID_VALUE", "An integration's name has 1 to 255 printable characters.", field="name")
    if kind != API and kind not in registry.kinds():
        raise GatewayError("INVALID_VALUE", f"There is no integration of kind '{kind}'; known kinds are "
                                            f"{', '.join((API, *registry.kinds()))}.", field="kind")
    if kind == API and config:
        raise GatewayError("INVALID_VALUE", "An integration of kind 'api' calls us and takes no configuration; "
                                            "leave it out.", field="config")
    locks.lock_brand(unit.connection, unit.brand_id)  # of two who add the same name, one is told
    if queries.get_by_name(unit.connection, unit.brand_id, name) is not None:
        raise GatewayError("ALREADY_EXISTS", f"The brand has an integration '{name}' already; choose another name.",
                           field="name")
    sealed = None if kind == API else _seal(unit, kind, config or {})
    made = accounts_queries.add_integration(unit.connection, unit.brand_id, name, kind, sealed, unit.now)
    tell_unsubscribes(unit, made)
    return made


def reconfigure(unit: Unit, integration_id: int, config: Mapping[str, object]) -> None:
    """Replaces the configuration; an integration that is down is tried again at once.

    Raises ``NOT_FOUND``, ``STATE_CONFLICT`` for one without a bridge, ``INVALID_VALUE``; the end of the unit as that of
    :func:`add`.
    """
    tell_unsubscribes(unit, integration_id)
    found = get(unit, integration_id)
    require_bridge(found)
    queries.set_config(unit.connection, unit.brand_id, integration_id, _seal(unit, found.kind, config))
    unit.ring("run_writebacks", unit.brand_id, integration_id)


def set_identity(unit: Unit, integration_id: int, identity: str) -> None:
    """Says how records of this integration are known: ``standard``, or ``imis_legacy``, by the remote ID alone (ID-3).

    What is stored stays as it is; records resolve so from the next chunk on. Raises ``NOT_ALLOWED`` (administrators
    only), ``NOT_FOUND``, ``INVALID_VALUE``.
    """
    unit.actor.require("admin")
    if identity not in IDENTITIES:
        raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(IDENTITIES)}.", field="identity")
    locks.lock_brand(unit.connection, unit.brand_id)
    get(unit, integration_id)
    queries.set_identity(unit.connection, unit.brand_id, integration_id, identity)


def set_pulls(unit: Unit, integration_id: int, kinds: Sequence[str]) -> None:
    """Says which kinds of writebacks the integration fetches and acknowledges itself (ID-63); none: it fetches none.

    Whoever fetches is told of opt-outs in any case (ID-53), and is not written to by us, bridge or not. Rows that are
    open stay open: without a choice a bridge writes them again, and without a bridge they wait to be acknowledged or
    expire. Raises ``NOT_ALLOWED`` (administrators only), ``NOT_FOUND``, ``INVALID_VALUE``; the end of the unit as that
    of :func:`add`.
    """
    unit.actor.require("admin")
    tell_unsubscribes(unit, integration_id)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise GatewayError("INVALID_VALUE", f"It is one of {', '.join(KINDS)}.", field="take")
    found = get(unit, integration_id)
    if kinds and found.has_webhook:
        raise GatewayError("STATE_CONFLICT", f"The integration '{found.name}' has a webhook to which its writebacks "
                                             "are posted. End that first: --webhook none.", field="writebacks")
    taken = [kind for kind in KINDS if kind in kinds or kind == UNSUBSCRIBE] if kinds else []
    queries.set_pulls(unit.connection, unit.brand_id, integration_id, taken)
    unit.ring("run_writebacks", unit.brand_id, integration_id)


def tell_unsubscribes(unit: Unit, integration_id: int) -> None:
    """Sees to it that this unit leaves somebody who takes the integration's unsubscribes, which cannot be switched off
    (ID-53): its bridge, a webhook, or the system itself, which fetches.

    Called before any of the three is changed, in whatever order that is done; of others who change them at the same
    time, one waits. The end of the unit raises ``INVALID_VALUE`` where there is a bridge and nobody takes them, and as
    :func:`bridge_of` where its configuration does not open.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    unit.at_end.append(partial(_require_told, unit, integration_id))


def _require_told(unit: Unit, integration_id: int) -> None:
    found = queries.get(unit.connection, unit.brand_id, integration_id)
    if found is None or found.pulls or found.has_webhook or found.kind not in registry.kinds():
        return  # none: a part of the unit that added it was undone
    with closing(bridge_of(unit, found)) as bridge:
        if UNSUBSCRIBE in bridge.writes:
            return
    raise GatewayError("INVALID_VALUE", "The bridge's configuration: writeback must have at least 'unsubscribe', for "
                                        "opt-outs are always written back, and nobody else takes those of "
                                        f"'{found.name}'. Add it, or let them be fetched (--writebacks pull) or posted "
                                        "(--webhook URL) in the same command.", field="writeback")


def is_written_to(integration: IntegrationView) -> bool:
    """Whether we write its writebacks into it ourselves: it has a bridge or a webhook, and does not fetch (ID-63)."""
    return (integration.has_webhook or integration.kind in registry.kinds()) and not integration.pulls


def get(unit: Unit, integration_id: int) -> IntegrationView:
    """The brand's integration of this id; raises ``NOT_FOUND``."""
    found = queries.get(unit.connection, unit.brand_id, integration_id)
    if found is None:
        raise GatewayError("NOT_FOUND", f"There is no integration {integration_id} in this brand.",
                           field="integration")
    return found


def get_by_name(unit: Unit, name: str) -> IntegrationView:
    """The brand's integration of this name; raises ``NOT_FOUND``."""
    found = queries.get_by_name(unit.connection, unit.brand_id, name)
    if found is None:
        raise unknown_integration(name)
    return found


def find(unit: Unit) -> tuple[IntegrationView, ...]:
    """All integrations of the brand, oldest first."""
    return tuple(queries.find(unit.connection, unit.brand_id))


def bridge(gateway: Gateway, integration: IntegrationView) -> Bridge:
    """The bridge to this foreign system, not connected yet; the caller closes it.

    Raises ``STATE_CONFLICT`` for a kind without a bridge, ``INTERNAL_ERROR`` when the stored configuration
    does not open with this installation's key, ``INVALID_VALUE`` when it is not one that this version takes.
    """
    with gateway.reading(system_actor(integration.brand_id)) as unit:
        return bridge_of(unit, integration)


def bridge_of(unit: Unit, integration: IntegrationView) -> Bridge:
    """As :func:`bridge`, within a transaction of the integration's brand."""
    require_bridge(integration)
    sealed = queries.config(unit.connection, integration.brand_id, integration.integration_id)
    config = json.loads(decrypt(unit.settings.secret_key, PURPOSE, sealed or "", unit.settings.old_secret_keys))
    return registry.make(integration.kind, config)


def _seal(unit: Unit, kind: str, config: Mapping[str, object]) -> str:
    if not isinstance(config, Mapping):
        raise GatewayError("INVALID_VALUE", "The bridge's configuration must be one JSON object.", field="config")
    registry.check(kind, config)
    return encrypt(unit.settings.secret_key, PURPOSE, json.dumps(config))


def require_bridge(integration: IntegrationView) -> None:
    """Raises ``STATE_CONFLICT`` for a kind without a bridge."""
    if integration.kind not in registry.kinds():
        raise GatewayError("STATE_CONFLICT", f"The integration '{integration.name}' is of kind '{integration.kind}', "
                                             "which has no bridge: it calls us, we cannot call it.",
                           field="integration")
