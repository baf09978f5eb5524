"""Which kinds of foreign system can we speak to, and is this configuration one that a bridge takes?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from gateway.bridges.port import Bridge

Factory = Callable[[Mapping[str, object]], Bridge]


def _of(kind: str, name: str) -> Factory:
    """Loads the kind's module when it is used, for a command need not wait for libraries of systems it never meets."""
    def make_one(config: Mapping[str, object]) -> Bridge:
        made: Bridge = getattr(import_module(f"gateway.bridges.{kind}.bridge"), name).from_config(config)
        return made

    return make_one


FACTORIES: dict[str, Factory] = {
    "sql": _of("sql", "SqlBridge"), "http": _of("http", "HttpBridge"), "folder": _of("folder", "FolderBridge"),
    "soap": _of("soap", "SoapBridge")}
"""Makes a bridge from its configuration without connecting; raises ``INVALID_VALUE`` naming the key at fault."""

WATCHED = ("folder",)
"""Kinds whose bridge is a :class:`~gateway.bridges.port.WatchedBridge`: looked at every some minutes."""


def kinds() -> tuple[str, ...]:
    """The kinds of integration that have a bridge."""
    return tuple(FACTORIES)


def make(kind: str, config: Mapping[str, object]) -> Bridge:
    """A bridge of a known kind, not connected yet. Raises ``INVALID_VALUE`` that names the key and the remedy."""
    return FACTORIES[kind](config)


def check(kind: str, config: Mapping[str, object]) -> None:
    """Raises ``INVALID_VALUE`` unless :func:`make` takes this configuration."""
    make(kind, config).close()
