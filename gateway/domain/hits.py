"""Who made this hit, a person or a machine? And how much of an IP address is kept? (SEND-51, SEND-52)"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SOON = dt.timedelta(seconds=2)
"""Nobody reads a message, or follows all its links, in less (SEND-52)."""

SCANNER_AGENTS = (
    "bot", "crawler", "spider", "scanner", "barracuda", "mimecast", "proofpoint", "safelinks", "urldefense", "curl/",
    "wget/", "python-requests", "python-urllib", "go-http-client", "okhttp", "java/", "headlesschrome", "phantomjs",
    "libwww-perl", "virustotal")
IMAGE_PROXY_AGENTS = ("googleimageproxy", "yahoomailproxy", "ggpht.com")
"""Lower-case parts of User-Agent texts. An image proxy fetches for a person or ahead of one, and images only: it says
nothing about clicks."""

PRIVACY_PROXY_AGENT = "mozilla/5.0"
"""The whole User-Agent of the mail-privacy proxy that fetches every image in advance."""

SCANNER_NETWORKS: tuple[Network, ...] = tuple(map(ipaddress.ip_network, (
    "40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17",  # Exchange Online Protection
    "67.231.144.0/20", "148.163.128.0/19",  # Proofpoint
    "64.235.144.0/20", "209.222.80.0/21",  # Barracuda
)))
"""Where mail filters work, as their makers publish it: from there no person looks at a message. None is smaller than
what is kept of an address."""

HIDDEN_URL = "hidden:"
"""Stands in the frozen table of links for the link that no person sees: whoever follows it is a machine (SEND-52)."""

HEAD, NO_AGENT, SCANNER, NETWORK, PREFETCH = "head", "no_agent", "scanner_agent", "scanner_network", "prefetch"
IMAGE_PROXY, PRIVACY_PROXY, SOON_RULE = "image_proxy", "privacy_proxy", "soon_after_acceptance"
HIDDEN, ALL_LINKS = "hidden_link", "all_links"

SHORTENED, FULL, NONE = "shortened", "full", "none"
"""How much of an address may be kept (SEND-51)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One request of a tracking address. ``ip`` as it may be kept; ``agent`` may be empty.

    ``prefetch``: the browser said that it only fetches ahead (``Purpose``, ``Sec-Purpose``).
    """

    method: str = "GET"
    agent: str = ""
    ip: str = ""
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One hit of a delivery beside its neighbours. ``link`` None: an open."""

    key: str
    at: dt.datetime
    link: int | None
    agent: str


def automated_rule(hit: Hit, *, is_open: bool, at: dt.datetime, answered_at: dt.datetime | None,
                   in_hand: bool = False, networks: Sequence[Network] = ()) -> str | None:
    """Which rule says that a machine made this hit; None for a person.

    ``answered_at``: when the mail server answered to the message; None when nobody knows. ``in_hand``: it is being sent
    just now, so whoever looks at it does so before it is answered. ``networks``: more than the known ones.
    """
    agent = hit.agent.strip().lower()
    rules = (
        (HEAD, hit.method == "HEAD"),
        (PREFETCH, hit.prefetch),
        (NO_AGENT, not agent),
        (SCANNER, is_scanner(agent)),
        (NETWORK, _is_in(hit.ip, (*SCANNER_NETWORKS, *networks))),
        (IMAGE_PROXY, is_open and _names(agent, IMAGE_PROXY_AGENTS)),
        (PRIVACY_PROXY, is_open and agent == PRIVACY_PROXY_AGENT),
        (SOON_RULE, in_hand if answered_at is None else at - answered_at < SOON),
    )
    return next((name for name, holds in rules if holds), None)


def burst_rules(seen: Sequence[Seen], links: Collection[int], hidden: int | None) -> dict[str, str]:
    """The hits of one delivery that its other hits betray: key -> rule (SEND-52).

    Within two seconds: the hidden link and whatever was followed beside it; all ``links``, where there are more than
    one. The pictures that the same agent fetched in that time are the machine's too.
    """
    clicks = sorted((hit for hit in seen if hit.link is not None), key=lambda hit: hit.at)
    wanted, found, marked, end = set(links) - {hidden}, Counter[int | None](), dict[str, str](), 0
    done = 0
    for start, first in enumerate(clicks):
        while end < len(clicks) and clicks[end].at - first.at <= SOON:
            found[clicks[end].link] += 1
            end += 1
        rule = HIDDEN if hidden is not None and found[hidden] else None
        if rule is None and len(wanted) > 1 and all(found[link] for link in wanted):
            rule = ALL_LINKS
        if rule:
            marked.update((hit.key, rule) for hit in clicks[max(start, done):end] if hit.key not in marked)
            done = end
        found[first.link] -= 1
    guilty = [hit for hit in clicks if hit.key in marked]
    for hit in seen:
        if hit.link is None:
            near = (click for click in guilty if click.agent == hit.agent and abs(click.at - hit.at) <= SOON)
            marked.update((hit.key, marked[click.key]) for click in near if hit.key not in marked)
    return marked


def shorten(ip: str) -> str:
    """The network that an address is in, /24 or /48; empty for what is no address (SEND-51)."""
    address = _address(ip)
    if address is None:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def kept_ip(ip: str, how: str) -> str:
    """What may be written down of an address: ``SHORTENED``, ``FULL`` or ``NONE`` of it."""
    if how == FULL:
        address = _address(ip)
        return "" if address is None else str(address)
    return shorten(ip) if how == SHORTENED else ""


def location(url: str) -> str | None:
    """The text of a ``Location`` header that leads to a link's URL; None for one that no click may lead to.

    ASCII only and without control characters, so that no URL can end the header; a host's name in its IDNA form.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme.lower() not in ("http", "https") or not host:
            return None
        if not host.isascii():
            url = url.replace(parts.netloc, parts.netloc.replace(host, host.encode("idna").decode()), 1)
    except ValueError:  # also of a host that has no IDNA form
        return None
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~-._|{}^`\\\"<>")


def is_scanner(agent: str) -> bool:
    """Whether this User-Agent says that a machine asks."""
    return _names(agent.lower(), SCANNER_AGENTS)


def _names(agent: str, parts: Sequence[str]) -> bool:
    return any(part in agent for part in parts)


@functools.lru_cache(maxsize=4096)
def _is_in(kept: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address, or the network that was kept of it, lies in one of these."""
    if not kept:
        return False
    ours = ipaddress.ip_network(kept)
    return any(ours.version == network.version and ours.subnet_of(network) for network in networks)


def _address(ip: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(ip.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
