"""What do the configurations of all bridges have in common, and how is a fault in one said?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gateway.errors import GatewayError

COLUMNS = ("remote_id", "email", "do_not_email", "interests", "deleted")
"""What is read of a member; the first two are required."""

PARAMETERS = ("remote_id", "email", "occurred_at", "origin", "reason", "code", "bounce_class", "interest",
              "writeback_id", "field", "value", "instance_id", "mailing", "link")
"""The facts of a writeback that a statement, request or file may use; new ones come last, as columns of files do."""


def wrong(key: str, problem: str) -> GatewayError:
    """The error about ``key``: ``problem`` says what is wrong and how it is mended, and shows no value."""
    return GatewayError("INVALID_VALUE", f"The bridge's configuration: {key} {problem}.", field=key)


def only(config: Mapping[str, object], known: Iterable[str], prefix: str) -> None:
    """Raises ``INVALID_VALUE`` for the first key that is not ``known``."""
    for key in config:
        if key not in known:
            names = ", ".join(prefix + name for name in known)
            raise wrong(f"{prefix}{key}", f"is not a known key; known are {names}")


def mapping(key: str, value: object, what: str) -> Mapping[str, object]:
    """The value as an object. Raises ``INVALID_VALUE``, saying ``what`` it has to hold."""
    if not isinstance(value, Mapping):
        raise wrong(key, f"must be an object with {what}")
    return value


def word(key: str, value: object, what: str) -> str:
    """The value as a text of one line that is not empty. Raises ``INVALID_VALUE``, saying ``what`` it has to be."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise wrong(key, f"must be {what}")
    return value


def address(key: str, value: object, plain: bool, what: str, *, has_query: bool) -> str:
    """The value as an address that credentials may be sent to: encrypted, not leaving this machine, or ``plain`` by
    choice. Raises ``INVALID_VALUE``, saying ``what`` it has to be; without ``has_query`` also for one with a "?"."""
    text = word(key, value, what)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or " " in text or "\\" in text or not text.isascii():
        raise wrong(key, f"must be {what}")
    if "@" in parts.netloc or parts.fragment or (parts.query and not has_query):
        signs = "user, password or '#'" if has_query else "user, password, '?' or '#'"
        raise wrong(key, f"must have no {signs}; credentials belong into auth")
    if parts.scheme == "http" and not plain and not is_this_machine(host):
        raise wrong(key, "must begin with https://; set plain_http to true if the way there is safe without")
    return text


def is_this_machine(host: str) -> bool:
    """Whether what is sent to this host never leaves the machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def certificates(key: str, value: object) -> str:
    """The value as the path of a file of certificates. Raises ``INVALID_VALUE``; the file itself is not looked at."""
    path = Path(word(key, value, "the full path of a file of certificates (PEM)"))
    if not path.is_absolute():
        raise wrong(key, "must be the full path of a file of certificates (PEM)")
    return str(path)


def number(key: str, value: object, lowest: float, highest: float, unit: str) -> float:
    """The value as a number of ``unit``. Raises ``INVALID_VALUE`` outside of the bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise wrong(key, f"must be a number of {unit} from {lowest:.0f} to {highest:.0f}")
    return float(value)


def whole(key: str, value: object, lowest: int, highest: int) -> int:
    """The value as a whole number. Raises ``INVALID_VALUE`` outside of the bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise wrong(key, f"must be a whole number from {lowest} to {highest}")
    return value


def columns(key: str, value: object, what: str) -> dict[str, str]:
    """Which of :data:`COLUMNS` is read from where, as texts. Raises ``INVALID_VALUE``."""
    given = mapping(key, value, f"remote_id and email, and if there are any do_not_email, interests, deleted: {what}")
    only(given, COLUMNS, f"{key}.")
    for name in COLUMNS[:2]:
        if name not in given:
            raise wrong(f"{key}.{name}", f"is missing; it is {what}")
    return {name: word(f"{key}.{name}", place, what) for name, place in given.items()}
