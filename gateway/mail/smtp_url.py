"""Where does mail go, and how is the way there protected? (GATEWAY_SMTP_URL, operator.md)"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.errors import SettingsError

_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_BETWEEN = re.compile(r"\s*,\s*(?=[a-z+]+://)")
_HOST = re.compile(r"[^\s,;<>\x00-\x1f]+")
_FORM = ("GATEWAY_SMTP_URL must read smtp://host:25, smtp+starttls://user:password@host:587 or "
         "smtps://user:password@host:465, with user and password percent-encoded; several are separated by commas.")

MAX_CONNECTIONS = 1000


@dataclass(frozen=True, slots=True)
class SmtpUrl:
    """One relay: where mail goes.

    ``security`` is smtp, smtp+starttls or smtps; ``weight`` its share beside the other relays; ``connections`` how
    many one worker process opens; ``rate`` messages a second of one worker process, None for no limit; ``messages``
    how many one connection carries; ``auth`` plain, login or xoauth2, None: what the server offers; ``token_file``
    holds the token of xoauth2; ``ca`` is a PEM file of the authorities to believe instead of the system's.
    """

    security: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    weight: int = 1
    connections: int = 10
    rate: float | None = None
    messages: int = 500
    auth: str | None = None
    token_file: str | None = None
    ca: str | None = None

    @property
    def name(self) -> str:
        """How the relay is called in logs: host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> SmtpUrl:
        """Reads one URL; user and password are percent-decoded. Raises ``SettingsError`` naming the remedy."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise SettingsError(_FORM) from None
        if (parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(parts.hostname or "") or parts.path.strip("/")
                or parts.fragment):
            raise SettingsError(_FORM)
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password or "") if user else None
        url = cls(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], user, password,
                  **_options(parts.query))
        _check(url)
        return url


def parse_relays(text: str) -> tuple[SmtpUrl, ...]:
    """Reads one URL or several with commas between them. Raises ``SettingsError``."""
    return tuple(SmtpUrl.parse(part) for part in _BETWEEN.split(text.strip()))


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise SettingsError(f"GATEWAY_SMTP_URL: {name!r} is not an option. Options: {', '.join(_OPTIONS)}.")
        if name in found:
            raise SettingsError(f"GATEWAY_SMTP_URL: the option {name} stands there twice.")
        found[name] = _OPTIONS[name](name, value)
    return found


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most):
            raise SettingsError(f"GATEWAY_SMTP_URL: {name} must be a whole number from {least} to {most}.")
        return int(value)
    return read


def _rate(name: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = math.nan
    if not 0.001 <= rate <= 1_000_000:
        raise SettingsError(f"GATEWAY_SMTP_URL: {name} must be messages a second, such as 20 or 0.5.")
    return rate


def _auth(name: str, value: str) -> str:
    if value.lower() not in ("plain", "login", "xoauth2"):
        raise SettingsError(f"GATEWAY_SMTP_URL: {name} must be plain, login or xoauth2.")
    return value.lower()


def _path(name: str, value: str) -> str:
    if not value:
        raise SettingsError(f"GATEWAY_SMTP_URL: {name} must be the path of a file.")
    return value


_OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "weight": _number(1, 1000), "connections": _number(1, MAX_CONNECTIONS), "rate": _rate,
    "messages": _number(1, 1_000_000), "auth": _auth, "token_file": _path, "ca": _path,
}


def _check(url: SmtpUrl) -> None:
    """Options that only make sense together."""
    if url.auth and url.user is None:
        raise SettingsError("GATEWAY_SMTP_URL: auth needs a user before the host.")
    if (url.auth == "xoauth2") != (url.token_file is not None):
        raise SettingsError("GATEWAY_SMTP_URL: auth=xoauth2 and token_file go together.")
    if any("\0" in text for text in (url.user or "", url.password or "")) or "\x01" in (url.user or ""):
        raise SettingsError("GATEWAY_SMTP_URL: user and password must not hold control characters.")
    if url.ca is not None and url.security == "smtp":
        raise SettingsError("GATEWAY_SMTP_URL: ca needs smtp+starttls:// or smtps://.")
    if url.ca is not None and not Path(url.ca).is_file():
        raise SettingsError(f"GATEWAY_SMTP_URL: ca names {url.ca}, which is no file.")
