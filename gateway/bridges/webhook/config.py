"""Which webhook is this: where it is posted to, how it is signed, and what it is told?"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.bridges.checks import is_this_machine, number, only, word, wrong
from gateway.domain.writeback import KINDS, PULLED, UNSUBSCRIBE

PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MAX_TIMEOUT_S = 60
KEYS = ("url", "secret", "old_secret", "old_until", "take", "plain_http", "timeout_s")
_ADDRESS = "must be the address to post to: https://ams.example.org/writebacks"


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """A webhook. ``secrets``: the new one first; both sign while an old one counts (ID-63)."""

    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    take: frozenset[str]
    timeout_s: float


def read_config(config: Mapping[str, object], now: dt.datetime) -> WebhookConfig:
    """Checks a configuration without connecting. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    only(config, KEYS, "")
    plain = config.get("plain_http", False)
    if not isinstance(plain, bool):
        raise wrong("plain_http", "must be true or false")
    keys = [secret_bytes("secret", config.get("secret"))]
    until = config.get("old_until")
    if until is not None and dt.datetime.fromisoformat(word("old_until", until, "a moment")) > now:
        keys.append(secret_bytes("old_secret", config.get("old_secret")))
    return WebhookConfig(
        _url(config.get("url"), plain), tuple(keys), _take(config.get("take", list(PULLED))),
        number("timeout_s", config.get("timeout_s", 15), 1, MAX_TIMEOUT_S, "seconds"))


def new_secret() -> str:
    """A secret that nobody knows yet, as the Standard Webhooks specification writes them: 32 bytes in Base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_bytes(key: str, value: object) -> bytes:
    """The key that signs. Raises ``INVALID_VALUE``."""
    text = value if isinstance(value, str) else ""
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        found = b""
    if not MIN_SECRET_BYTES <= len(found) <= MAX_SECRET_BYTES:
        raise wrong(key, f"must be {PREFIX} and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in Base64")
    return found


def _url(value: object, plain: bool) -> str:
    text = word("url", value, _ADDRESS.removeprefix("must be "))
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or " " in text or "\\" in text or not text.isascii():
        raise wrong("url", _ADDRESS)
    if "@" in parts.netloc or parts.fragment:
        raise wrong("url", "must have no user, password or '#'; the signature says who is calling")
    if parts.scheme == "http" and not plain and not is_this_machine(host):
        raise wrong("url", "must begin with https://, or lead to this machine; plain http elsewhere has to be allowed "
                           "(--webhook-plain-http), for what is told has addresses of people")
    return text


def _take(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(kind in KINDS for kind in value) or UNSUBSCRIBE not in value:
        raise wrong("take", f"must be a list of kinds with at least 'unsubscribe'; known are {', '.join(KINDS)}")
    return frozenset(value)


