"""Who made this hit, a person or a machine? And how much of an IP address is kept? (SEND-51, SEND-52)"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

SOON_AFTER_ACCEPTANCE = dt.timedelta(seconds=2)

SCANNER_AGENTS = (
    "bot", "crawler", "spider", "scanner", "barracuda", "mimecast", "proofpoint", "safelinks", "urldefense", "curl/",
    "wget/", "python-requests", "python-urllib", "go-http-client", "okhttp", "java/", "headlesschrome", "phantomjs",
    "libwww-perl", "virustotal")
IMAGE_PROXY_AGENTS = ("googleimageproxy", "yahoomailproxy", "ggpht.com")
"""Lower-case parts of User-Agent texts. An image proxy fetches for a person or ahead of one, and images only: it says
nothing about clicks."""

PRIVACY_PROXY_AGENT = "mozilla/5.0"
"""The whole User-Agent of the mail-privacy proxy that fetches every image in advance."""

HEAD, NO_AGENT, SCANNER, IMAGE_PROXY = "head", "no_agent", "scanner_agent", "image_proxy"
PRIVACY_PROXY, SOON = "privacy_proxy", "soon_after_acceptance"


@dataclass(frozen=True, slots=True)
class Hit:
    """One request of a tracking address. ``ip`` is shortened already; ``agent`` may be empty."""

    method: str = "GET"
    agent: str = ""
    ip: str = ""


def automated_rule(hit: Hit, *, is_open: bool, at: dt.datetime, accepted_at: dt.datetime | None,
                   in_doubt: bool = False) -> str | None:
    """Which rule says that a machine made this hit; None for a person.

    ``accepted_at`` None means that the mail server's answer is not even stored yet: as fast as only a machine is,
    unless the delivery is ``in_doubt``, where no answer ever came.
    """
    agent = hit.agent.strip().lower()
    rules = (
        (HEAD, hit.method == "HEAD"),
        (NO_AGENT, not agent),
        (SCANNER, _names(agent, SCANNER_AGENTS)),
        (IMAGE_PROXY, is_open and _names(agent, IMAGE_PROXY_AGENTS)),
        (PRIVACY_PROXY, is_open and agent == PRIVACY_PROXY_AGENT),
        (SOON, not in_doubt and (accepted_at is None or at - accepted_at < SOON_AFTER_ACCEPTANCE)),
    )
    return next((name for name, holds in rules if holds), None)


def shorten(ip: str) -> str:
    """The network that an address is in, /24 or /48; empty for what is no address (SEND-51)."""
    try:
        address = ipaddress.ip_address(ip.strip().partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, prefix), strict=False))


def _names(agent: str, parts: Sequence[str]) -> bool:
    return any(part in agent for part in parts)
