"""Who is calling, and may they? (PUSH-1, PUSH-2)"""

from __future__ import annotations

from dataclasses import replace

from flask import g, request

from gateway.domain.accounts import Actor
from gateway.domain.callers import client_ip
from gateway.services import accounts
from gateway.services.gateway import Gateway

COMPATIBLE = "v2"
"""The door of the compatible face."""

_HEADERS = ("ApiKey", "X-Api-Key")
_IN_URL = frozenset({"apikey", "xapikey", "key", "accesstoken", "authorization", "bearer"})


def authenticate(gateway: Gateway, door: str = "push") -> Actor:
    """The actor of the request's API key; ``door`` is what decisions and uploads say of where they came in.

    Raises ``NOT_AUTHENTICATED``, with one text, for a key that is missing, wrong, given in the URL, or given
    twice in different words; ``TOO_MANY_REQUESTS`` when its budget is used up. The compatible face's callers drop what
    is refused, so they are slowed down first (PUSH-13).
    """
    keys = {request.headers[name].strip() for name in _HEADERS if name in request.headers}
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        keys.add(token.strip())
    in_url = any(name.lower().replace("-", "").replace("_", "") in _IN_URL for name in request.args)
    key = keys.pop() if len(keys) == 1 and not in_url else ""  # "" is looked up like any other: no key has its hash
    actor = replace(accounts.authenticate_key(gateway, key, remote_address(gateway), door), request_id=g.request_id)
    g.actor = actor  # known also if the request is refused now
    gateway.rates.admit(actor, patiently=door == COMPATIBLE)
    return actor


def require(scope: str) -> None:
    """Raises ``NOT_ALLOWED`` naming the scope that the key does not have."""
    g.actor.require(scope)


def remote_address(gateway: Gateway) -> str:
    """The caller's address; of X-Forwarded-For as much is believed as trusted proxies wrote."""
    return client_ip(request.environ.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""),
                     gateway.settings.trusted_proxies)
