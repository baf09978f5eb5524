"""Which settings does an installation have, and are they right? (operator.md, Settings)

Values come from the environment, then from a ``.env``-style file given by ``--config`` (or ``./.env``).
An unknown ``GATEWAY_`` name or a bad value is a :class:`SettingsError` at start.
"""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

from gateway.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PUBLIC_URL = re.compile(r"https?://[\w.:\[\]-]+(?:/[\w.~%@:+=/-]*)?", re.A | re.I)

NAMES: dict[str, str] = {
    "GATEWAY_DATA_DIR": "folder of database, secret key, journals and hits, on a disk of this host; default ./data",
    "GATEWAY_SPOOL_DIR": "where bulk imports wait for a worker; several hosts share it; default <data>/spool",
    "GATEWAY_DATABASE_URL": "default sqlite:///<data>/gateway.db; postgresql+psycopg://... in production",
    "GATEWAY_BROKER_URL": "empty: the embedded engine in our own database; amqp://... for RabbitMQ, redis://...",
    "GATEWAY_PUBLIC_URL": "default http://127.0.0.1:8080; stands in WSDLs, tracking and unsubscribe links",
    "GATEWAY_SMTP_URL": "default smtp://127.0.0.1:25; smtp+starttls://user:password@host:587, smtps://...; several "
                        "relays, separated by commas, and their options: docs/operations.md",
    "GATEWAY_BOUNCE_DOMAIN": "domain of return paths and mailto unsubscribes; default: the host of GATEWAY_PUBLIC_URL",
    "GATEWAY_SECRET_KEY": "default: read from <data>/secret.key, which `gateway init` makes",
    "GATEWAY_OLD_SECRET_KEYS": "keys that signed before this one, oldest first, comma separated: their links work",
    "GATEWAY_TRUSTED_PROXIES": "addresses or networks, comma separated, whose X-Forwarded-For is believed",
    "GATEWAY_BOUNCE_LISTEN": "where a worker takes bounces: lmtp://127.0.0.1:8024, lmtp:///path, smtp://host:port; "
                             "several by commas",
    "GATEWAY_BOUNCE_MAILBOX": "where a worker fetches bounces: maildir:///path, imaps://user:password@host/INBOX; "
                              "several by commas",
    "GATEWAY_DNS_SERVERS": "name servers that `gateway doctor` and `gateway dkim` ask, address or address:port, comma "
                           "separated; default: the system's",
    "GATEWAY_KEEP_IP": "what is kept of the address of an open or click: shortened (default), full, none",
    "GATEWAY_SCANNER_NETWORKS": "networks, comma separated, whose opens and clicks are a machine's, beside the known",
    "GATEWAY_REQUESTS_PER_MINUTE": "requests of one key or user in any minute; default 6000; 0: no limit",
    "GATEWAY_IMPORTS_RUNNING": "bulk imports of one key that run at the same time; default 2",
    "GATEWAY_IMPORTS_WAITING": "bulk imports of one key that may wait; default 20",
    "GATEWAY_DOMAIN_LIMITS": "messages and connections to a recipient's provider: google=20/s,4;example.org=30/min",
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
    old_secret_keys: tuple[bytes, ...] = field(default=(), repr=False)
    trusted_proxies: tuple[Network, ...] = ()
    keep_ip: str = "shortened"
    scanner_networks: tuple[Network, ...] = ()
    dns_servers: tuple[tuple[str, int], ...] = ()
    requests_per_minute: int = 6000
    imports_running: int = 2
    imports_waiting: int = 20
    domain_limits: str = ""
    bounce_domain: str = ""
    bounce_listen: tuple[str, ...] = ()
    bounce_mailbox: tuple[str, ...] = field(default=(), repr=False)
    shared_spool: Path | None = None

    @property
    def hits_dir(self) -> Path:
        """Where opens and clicks wait until they are folded into the database."""
        return self.data_dir / "hits"

    @property
    def spool_dir(self) -> Path:
        """Where bodies of bulk imports wait for the worker, which may be on another host."""
        return self.shared_spool or self.data_dir / "spool"


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
        database_url=_database_url(values.get("GATEWAY_DATABASE_URL") or _usual_database(data_dir)),
        broker_url=_url(values, "GATEWAY_BROKER_URL", "", ("amqp", "amqps", "redis", "rediss")),
        public_url=_public_url(values),
        smtp_url=_smtp_urls(values.get("GATEWAY_SMTP_URL") or "smtp://127.0.0.1:25"),
        secret_key=_secret_key(values.get("GATEWAY_SECRET_KEY") or "", data_dir, make_key),
        old_secret_keys=_old_keys(values.get("GATEWAY_OLD_SECRET_KEYS") or ""),
        trusted_proxies=_networks(values, "GATEWAY_TRUSTED_PROXIES"),
        keep_ip=_choice(values, "GATEWAY_KEEP_IP", ("shortened", "full", "none")),
        scanner_networks=_networks(values, "GATEWAY_SCANNER_NETWORKS"),
        dns_servers=_name_servers(values.get("GATEWAY_DNS_SERVERS") or ""),
        requests_per_minute=_count(values, "GATEWAY_REQUESTS_PER_MINUTE", 6000, least=0),
        imports_running=_count(values, "GATEWAY_IMPORTS_RUNNING", 2, least=1),
        imports_waiting=_count(values, "GATEWAY_IMPORTS_WAITING", 20, least=0),
        domain_limits=values.get("GATEWAY_DOMAIN_LIMITS") or "",
        bounce_domain=_domain(values, "GATEWAY_BOUNCE_DOMAIN"),
        bounce_listen=_places(values, "GATEWAY_BOUNCE_LISTEN", ("lmtp", "smtp"), needs_port=True),
        bounce_mailbox=_places(values, "GATEWAY_BOUNCE_MAILBOX", ("maildir", "imap", "imap+starttls", "imaps")),
        shared_spool=Path(spool).absolute() if (spool := values.get("GATEWAY_SPOOL_DIR")) else None,
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


def _public_url(values: Mapping[str, str]) -> str:
    """The address before all paths of ours. It stands in headers and links of every message as it is."""
    text = _url(values, "GATEWAY_PUBLIC_URL", "http://127.0.0.1:8080", ("http", "https"))
    if not _PUBLIC_URL.fullmatch(text) or len(text) > 200:
        raise SettingsError("GATEWAY_PUBLIC_URL must read like https://news.example.org or https://example.org/news: "
                            "ASCII (xn-- for other letters), no user, no query, at most 200 characters.")
    return text.rstrip("/")


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


def _smtp_urls(text: str) -> str:
    """One relay or several, separated by commas; their options are checked where they are read (mail/smtp_url.py)."""
    for part in re.split(r",(?=\s*[a-z+]+://)", text):
        _url({"GATEWAY_SMTP_URL": part.strip()}, "GATEWAY_SMTP_URL", "-", ("smtp", "smtp+starttls", "smtps"))
    return text


def _places(values: Mapping[str, str], name: str, schemes: tuple[str, ...], *,
            needs_port: bool = False) -> tuple[str, ...]:
    """URLs separated by commas, each with a host or, where that is possible, with a path on this machine alone."""
    found = []
    for text in filter(None, map(str.strip, (values.get(name) or "").split(","))):
        try:
            parts = urlsplit(text)
            local = not parts.netloc and parts.path.startswith("/") and parts.scheme in ("lmtp", "maildir")
            remote = bool(parts.hostname and (parts.port or not needs_port)) and parts.scheme != "maildir"
            sound = parts.scheme in schemes and (local or remote)
        except ValueError:
            sound = False
        if not sound:
            raise SettingsError(f"{name} must be URLs that start with one of {', '.join(f'{s}://' for s in schemes)}, "
                                "separated by commas; docs/settings.md has an example of each.")
        found.append(text)
    return tuple(found)


def _count(values: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = (values.get(name) or str(default)).strip()
    if not (text.isascii() and text.isdigit() and least <= int(text) <= 1_000_000):
        raise SettingsError(f"{name} must be a whole number from {least} to 1000000.")
    return int(text)


def _usual_database(data_dir: Path) -> str:
    """In the data folder; refused where its name would mean another place in a URL."""
    path = f"{data_dir}/gateway.db"
    if "?" in path or unquote(path) != path:
        raise SettingsError("GATEWAY_DATA_DIR must not have ? or % in its path, unless GATEWAY_DATABASE_URL says where "
                            "the database is: choose another folder.")
    return f"sqlite:///{path}"


def _database_url(text: str) -> str:
    if text.startswith("postgresql://"):
        text = "postgresql+psycopg://" + text.removeprefix("postgresql://")
    if not text.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise SettingsError("GATEWAY_DATABASE_URL must start with sqlite:/// or postgresql+psycopg://.")
    return text


def _domain(values: Mapping[str, str], name: str) -> str:
    text = (values.get(name) or "").strip().lower()
    label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    if text and not (len(text) <= 189 and re.fullmatch(rf"(?:{label}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])", text)):
        raise SettingsError(f"{name} must be a domain name such as bounces.example.org, in ASCII (xn-- for others).")
    return text


def _choice(values: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = (values.get(name) or choices[0]).strip()
    if text not in choices:
        raise SettingsError(f"{name} must be one of: {', '.join(choices)}.")
    return text


def _networks(values: Mapping[str, str], name: str) -> tuple[Network, ...]:
    text = values.get(name) or ""
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise SettingsError(f"{name} must be addresses or networks such as 10.0.0.0/8, "
                            "separated by commas.") from None


def _name_servers(text: str) -> tuple[tuple[str, int], ...]:
    try:
        found = [urlsplit(f"//{part.strip()}") for part in text.split(",") if part.strip()]
        return tuple((str(ipaddress.ip_address(each.hostname or "")), each.port or 53) for each in found)
    except ValueError:
        raise SettingsError("GATEWAY_DNS_SERVERS must be addresses such as 10.0.0.1, 10.0.0.1:5353 or [fd00::1]:53, "
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
    return _long_enough(text)


def _old_keys(text: str) -> tuple[bytes, ...]:
    return tuple(_long_enough(part, "Each of GATEWAY_OLD_SECRET_KEYS") for part in text.split(",") if part.strip())


def _long_enough(text: str, name: str = "GATEWAY_SECRET_KEY") -> bytes:
    text = text.strip()
    if len(text) < 32:
        raise SettingsError(f"{name} must have at least 32 characters; "
                            "`python -c 'import secrets; print(secrets.token_hex(32))'` makes one.")
    return text.encode()
