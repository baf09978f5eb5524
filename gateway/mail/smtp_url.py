"""Where does mail go, and how is the way there protected? (GATEWAY_SMTP_URL, operator.md)"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from gateway.errors import SettingsError

_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class SmtpUrl:
    """Where mail goes: ``security`` is smtp, smtp+starttls or smtps (GATEWAY_SMTP_URL, operator.md)."""

    security: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> SmtpUrl:
        """Reads a URL; user and password are percent-decoded. Raises ``SettingsError`` naming the remedy."""
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == -1 or parts.path.strip("/"):
            raise SettingsError("GATEWAY_SMTP_URL must read smtp://host:25, smtp+starttls://user:password@host:587 "
                                "or smtps://user:password@host:465, with user and password percent-encoded.")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password or "") if user else None
        return cls(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme], user, password)
