"""Which kinds of foreign system can we speak to, and is this configuration one that a bridge takes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.bridges.port import Bridge
from gateway.bridges.sql.bridge import SqlBridge

FACTORIES: dict[str, Callable[[Mapping[str, object]], Bridge]] = {
    "sql": SqlBridge.from_config,
}
"""Makes a bridge from its configuration without connecting; raises ``INVALID_VALUE`` naming the key at fault."""


def kinds() -> tuple[str, ...]:
    """The kinds of integration that have a bridge."""
    return tuple(FACTORIES)


def make(kind: str, config: Mapping[str, object]) -> Bridge:
    """A bridge of a known kind, not connected yet. Raises ``INVALID_VALUE`` that names the key and the remedy."""
    return FACTORIES[kind](config)


def check(kind: str, config: Mapping[str, object]) -> None:
    """Raises ``INVALID_VALUE`` unless :func:`make` takes this configuration."""
    make(kind, config).close()
