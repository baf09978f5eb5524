"""Which settings does an installation have, and are they right? (operator.md, Settings)

Values come from the environment, then from a ``.env``-style file given by ``--config`` (or ``./.env``).
An unknown ``GATEWAY_`` name or a bad value is a :class:`SettingsError` at start.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from gateway.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAMES: dict[str, str] = {
    "GATEWAY_DATA_DIR": "folder of the database, the secret key and the spool; default ./data",
    "GATEWAY_DATABASE_URL": "default sqlite:///<data>/gateway.db; postgresql+psycopg://... in production",
    "GATEWAY_BROKER_URL": "empty: the embedded engine in our own database; amqp://... for RabbitMQ",
    "GATEWAY_PUBLIC_URL": "default http://127.0.0.1:8080; stands in WSDLs, tracking and unsubscribe links",
    "GATEWAY_SMTP_URL": "default smtp://127.0.0.1:25; smtp+starttls://user:password@host:587, smtps://...",
    "GATEWAY_SECRET_KEY": "default: read from <data>/secret.key, which `gateway init` makes",
    "GATEWAY_TRUSTED_PROXIES": "addresses or networks, comma separated, whose X-Forwarded-For is believed",
    "GATEWAY_REQUESTS_PER_MINUTE": "requests of one key or user in any minute; default 6000; 0: no limit",
    "GATEWAY_IMPORTS_RUNNING": "bulk imports of one key that run at the same time; default 2",
    "GATEWAY_IMPORTS_WAITING": "bulk imports of one key that may wait; default 20",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The checked settings of one process. ``secret_key`` is never shown in a ``repr``."""

    data_dir: Path
    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    public_url: str
    smtp_url: str = field(repr=False)
    secret_key: bytes = field(repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    requests_per_minute: int = 6000
    imports_running: int = 2
    imports_waiting: int = 20

    @property
    def spool_dir(self) -> Path:
        """Where bodies of bulk imports wait for the worker."""
        return self.data_dir / "spool"


def load(environ: Mapping[str, str] | None = None, config: Path | None = None, *,
         make_key: bool = False) -> Settings:
    """Reads and checks the settings; raises :class:`SettingsError` naming the setting and the remedy.

    ``make_key`` lets ``gateway init`` create ``<data>/secret.key`` (mode 600) when there is none; every
    other command refuses to start without a key.
    """
    values = _collect(os.environ if environ is None else environ, config)
    data_dir = Path(values.get("GATEWAY_DATA_DIR") or "data").absolute()
    return Settings(
        data_dir=data_dir,
        database_url=_database_url(values.get("GATEWAY_DATABASE_URL") or f"sqlite:///{data_dir}/gateway.db"),
        broker_url=_url(values, "GATEWAY_BROKER_URL", "", ("amqp", "amqps")),
        public_url=_url(values, "GATEWAY_PUBLIC_URL", "http://127.0.0.1:8080", ("http", "https")).rstrip("/"),
        smtp_url=_url(values, "GATEWAY_SMTP_URL", "smtp://127.0.0.1:25", ("smtp", "smtp+starttls", "smtps")),
        secret_key=_secret_key(values.get("GATEWAY_SECRET_KEY") or "", data_dir, make_key),
        trusted_proxies=_networks(values.get("GATEWAY_TRUSTED_PROXIES") or ""),
        requests_per_minute=_count(values, "GATEWAY_REQUESTS_PER_MINUTE", 6000, least=0),
        imports_running=_count(values, "GATEWAY_IMPORTS_RUNNING", 2, least=1),
        imports_waiting=_count(values, "GATEWAY_IMPORTS_WAITING", 20, least=0),
    )


def _collect(environ: Mapping[str, str], config: Path | None) -> dict[str, str]:
    if config is not None and not config.is_file():
        raise SettingsError(f"--config: there is no file {config}.")
    path = config or Path(".env")
    from_file = {k: v or "" for k, v in dotenv_values(path).items()} if path.is_file() else {}
    values = {k: v for k, v in from_file.items() if k.startswith("GATEWAY_")}
    values.update({k: v for k, v in environ.items() if k.startswith("GATEWAY_")})
    for name in sorted(values):
        if name not in NAMES:
            raise SettingsError(f"{name} is not a setting. Known settings: {', '.join(NAMES)}.")
    return values


def _url(values: Mapping[str, str], name: str, default: str, schemes: tuple[str, ...]) -> str:
    text = values.get(name) or default
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound:
        raise SettingsError(f"{name} must be a URL with a host that starts with one of "
                            f"{', '.join(s + '://' for s in schemes)}.")
    return text


def _count(values: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = (values.get(name) or str(default)).strip()
    if not (text.isascii() and text.isdigit() and least <= int(text) <= 1_000_000):
        raise SettingsError(f"{name} must be a whole number from {least} to 1000000.")
    return int(text)


def _database_url(text: str) -> str:
    if text.startswith("postgresql://"):
        text = "postgresql+psycopg://" + text.removeprefix("postgresql://")
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("GATEWAY_DATABASE_URL must start with sqlite:/// or postgresql+psycopg://.")
    return text


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError("GATEWAY_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, "
                            "separated by commas.") from None


def _secret_key(text: str, data_dir: Path, make_key: bool) -> bytes:
    path = data_dir / "secret.key"
    if not text and path.is_file():
        text = path.read_text(encoding="ascii").strip()
    if not text and make_key:
        data_dir.mkdir(parents=True, exist_ok=True)
        text = secrets.token_hex(32)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
            out.write(text + "\n")
    if not text:
        raise SettingsError(f"There is no secret key: run `gateway init`, which makes {path}, "
                            "or set GATEWAY_SECRET_KEY.")
    if len(text) < 32:
        raise SettingsError("GATEWAY_SECRET_KEY must have at least 32 characters; "
                            "`python -c 'import secrets; print(secrets.token_hex(32))'` makes one.")
    return text.encode()
