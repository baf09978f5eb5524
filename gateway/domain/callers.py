"""Where does a request really come from? (GATEWAY_TRUSTED_PROXIES)"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

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


def _is_trusted(ip: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return any(address in network for network in trusted)
