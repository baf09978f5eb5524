"""Who is calling? One credential is enough; several must name the same user and all be right (SOAP-13..20)."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.callers import brand_number, client_ip, name_of, split_user
from gateway.services import accounts
from gateway.services.gateway import Gateway
from gateway.soap import faults
from gateway.spynekit.wsse import Timestamp, read_basic, read_security

DOOR = "soap"
CLOCK_SKEW = dt.timedelta(minutes=5)


def check_headers(gateway: Gateway, ctx: Any) -> None:
    """What holds for every call, also one that needs no credentials (SOAP-20).

    Raises ``NOT_SUPPORTED`` for XML signature or encryption, ``NOT_AUTHENTICATED`` for a stale wsu:Timestamp.
    """
    timestamp = read_security(ctx.in_header_doc or ()).timestamp
    if timestamp is not None and not is_current(timestamp, gateway.clock()):
        raise faults.stale_timestamp()


def authenticate(gateway: Gateway, ctx: Any) -> Actor:
    """The user of this call, with the call's request id.

    Raises ``NOT_AUTHENTICATED`` with one text whatever was wrong (SOAP-17), ``TOO_MANY_REQUESTS`` after repeated
    failures and beyond the budget of requests a minute (PUSH-13). A digest's nonce is used up.
    """
    actors = list(named_users(gateway, ctx))
    if not actors or any(actor != actors[0] for actor in actors):
        raise accounts.refused() if actors else faults.not_authenticated()
    gateway.rates.admit(actors[0])
    return dataclasses.replace(actors[0], request_id=ctx.udc.request_id)


def named_users(gateway: Gateway, ctx: Any) -> Iterator[Actor]:
    """The user of each credential the request carries; raises at the first that is wrong."""
    environ = ctx.udc.environ
    remote_addr = client_ip(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""),
                            gateway.settings.trusted_proxies)
    header = ctx.in_header
    if header is not None:
        yield accounts.authenticate_user(gateway, brand_number(header.brandId), name_of(header.userName),
                                         header.password or "", remote_addr, DOOR)
    token = read_security(ctx.in_header_doc or ()).token
    if token is not None:
        brand_id, name = split_user(token.user_name)
        if token.is_digest:
            yield accounts.check_digest(gateway, brand_id, name, token.secret, base64.b64encode(token.nonce).decode(),
                                        token.created_text, remote_addr, DOOR)
        else:
            yield accounts.authenticate_user(gateway, brand_id, name, token.secret, remote_addr, DOOR)
    basic = read_basic(environ.get("HTTP_AUTHORIZATION"))
    if basic is not None:
        brand_id, name = split_user(basic.user_name)
        yield accounts.authenticate_user(gateway, brand_id, name, basic.password, remote_addr, DOOR)


def is_current(timestamp: Timestamp, now: dt.datetime) -> bool:
    """Whether a wsu:Timestamp was made and is not over, give or take the clocks."""
    made = timestamp.created is None or timestamp.created <= now + CLOCK_SKEW
    return made and (timestamp.expires is None or timestamp.expires >= now - CLOCK_SKEW)
