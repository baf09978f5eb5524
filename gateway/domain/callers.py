"""Where does a request really come from (GATEWAY_TRUSTED_PROXIES), and whom does it name?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

NO_BRAND = 0
MAX_BRAND = 2**31 - 1
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_ip(remote: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Who really asked: the last address of the chain that is not one of our own proxies.

    ``remote`` is the peer's address, ``forwarded_for`` the text of X-Forwarded-For: it is believed only as
    far as trusted proxies wrote it.
    """
    chain = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    found = remote
    while chain and _is_trusted(found, trusted):
        found = chain.pop()
    return found


def split_user(user_name: str) -> tuple[int, str]:
    """Brand and name of ``brandId/userName``; a text of another form names nobody."""
    brand_id, _, name = user_name.partition("/")
    return brand_number(brand_id), name_of(name)


def brand_number(text: str | None) -> int:
    """The number of a brand; a text that is none names a brand that does not exist, so that its refusal costs the
    same time (SOAP-17)."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return NO_BRAND
    number = int(text)
    return number if number <= MAX_BRAND else NO_BRAND


def name_of(text: str | None) -> str:
    """The user's name; one with control characters (HTTP Basic can carry a NUL) names nobody."""
    return text if text and text.isprintable() else ""


def _is_trusted(ip: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in network for network in trusted)
