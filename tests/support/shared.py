"""How do the tests of a door share one application? Making one takes longer than most tests do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.services.gateway import Gateway

_made: dict[tuple[Callable[[Any], Any], str], tuple[Lent, Any]] = {}


class Lent:
    """Stands for the gateway of the test that runs, in an application that outlives it."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gateway, name)


def application(make: Callable[[Gateway], Any], gateway: Gateway) -> Any:
    """What ``make(gateway)`` answers, made once in this process for each public URL.

    It serves the gateway that was named last, so a test that has two at a time makes its applications itself.
    """
    key = make, gateway.settings.public_url
    if key not in _made:
        lent = Lent(gateway)
        _made[key] = lent, make(lent)
    lent, app = _made[key]
    lent.gateway = gateway
    return app
