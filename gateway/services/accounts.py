"""Who is calling, and which brands, users and keys exist? (SOAP-13..20, PUSH-1, PUSH-2)"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence

from gateway.db.queries import accounts as stored
from gateway.db.queries import fields
from gateway.db.unit import Unit
from gateway.domain.accounts import ROLE_SCOPES, ROLES, SCOPES, Actor, system_actor
from gateway.domain.callers import MAX_BRAND
from gateway.domain.fields import JSON, MAX_JSON, STANDARD_FIELDS, fold
from gateway.domain.records import MAX_VALUE
from gateway.errors import GatewayError
from gateway.services import passwords
from gateway.services.gateway import Gateway
from gateway.services.secretbox import decrypt, encrypt

DIGEST_WINDOW = dt.timedelta(minutes=5)
NONCE_KEPT = dt.timedelta(minutes=10)
DIGEST_PURPOSE = "user-secret"
DEFAULT_INTEGRATION = "api"


def refused() -> GatewayError:
    """The one answer to every failed log-in: same code and text, whatever was wrong (SOAP-17)."""
    return GatewayError("NOT_AUTHENTICATED", "The credentials are missing or wrong. Check brand, name and secret.")


def authenticate_user(gateway: Gateway, brand_id: int, name: str, password: str, remote_addr: str,
                      door: str) -> Actor:
    """The user with this password; raises ``NOT_AUTHENTICATED`` with one text and in one time.

    An unknown user costs the same hash as a known one. Repeated failures of one user or address are
    slowed down: ``TOO_MANY_REQUESTS`` before any check.
    """
    gateway.logins.check(gateway.clock(), (brand_id, name), remote_addr)
    with gateway.reading(system_actor(brand_id, door)) as unit:
        row = stored.user_by_name(unit.connection, brand_id, name)
    right = gateway.logins.verify(password, row.password_hash if row else passwords.NOBODY)
    if row is None or not right or not _usable(row, gateway.clock(), remote_addr):
        gateway.logins.failed(gateway.clock(), (brand_id, name), remote_addr)
        raise refused()
    return user_actor(row, door)


def check_digest(gateway: Gateway, brand_id: int, name: str, digest: str, nonce: str, created: str,
                 remote_addr: str, door: str) -> Actor:
    """The user whose recoverable secret makes this WS-Security PasswordDigest (SOAP-15).

    ``digest`` and ``nonce`` are base64 as sent, ``created`` the text of wsu:Created. A nonce is good
    once within 10 minutes, over all workers. Raises ``NOT_AUTHENTICATED``.
    """
    now = gateway.clock()
    gateway.logins.check(now, (brand_id, name), remote_addr)
    with gateway.reading(system_actor(brand_id, door)) as unit:
        row = stored.user_by_name(unit.connection, brand_id, name)
    secret = decrypt(gateway.settings.secret_key, DIGEST_PURPOSE, row.recoverable_secret,
                     gateway.settings.old_secret_keys) if row and row.recoverable_secret else ""
    if row is None or not secret or not _usable(row, now, remote_addr) \
            or not _fresh(created, now) or not _digest_matches(secret, digest, nonce, created):
        gateway.logins.failed(now, (brand_id, name), remote_addr)
        raise refused()
    with gateway.unit(system_actor(brand_id, door)) as unit:
        nonce_hash = hashlib.sha256(f"{row.user_id}:{nonce}".encode()).hexdigest()
        if not stored.take_nonce(unit.connection, nonce_hash, unit.now, NONCE_KEPT):
            raise refused()
    return user_actor(row, door)


def authenticate_key(gateway: Gateway, key: str, remote_addr: str, door: str) -> Actor:
    """The actor of an API key (PUSH-1, PUSH-2); raises ``NOT_AUTHENTICATED`` for any that does not hold.

    Nobody guesses 256 bits, so failures slow nobody down: one caller with an old key on a timer must not lock
    out all others behind the same proxy.
    """
    with gateway.reading(system_actor(0, door)) as unit:
        row = stored.key_by_hash(unit.connection, _key_hash(key))
    now = gateway.clock()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now) \
            or not allowed_from(row.allow_ip, remote_addr) or not allowed_from(row.brand_allow_ip, remote_addr):
        raise refused()
    return Actor(brand_id=row.brand_id, label=f"key:{row.key_id}", door=door, scopes=frozenset(row.scopes),
                 integration_id=row.integration_id, integration_name=row.integration_name)


def add_brand(gateway: Gateway, brand_id: int | None, name: str, allow_ip: Sequence[str] = ()) -> int:
    """A new brand with its default integration ``api``, its sources and the standard fields (PUSH-26).

    Answers its id. Raises ``ALREADY_EXISTS`` for an id that is taken, ``INVALID_VALUE`` for a bad network.
    """
    _text("name", name)
    for network in allow_ip:
        _network(network)
    if brand_id is not None and not 0 < brand_id <= MAX_BRAND:
        raise GatewayError("INVALID_VALUE", f"A brand's id is a number from 1 to {MAX_BRAND}.", field="id")
    with gateway.unit(system_actor(brand_id or 0, "cli")) as unit:
        if brand_id is not None and (
                stored.brand_name(unit.connection, brand_id) or stored.brand_by_number(unit.connection, brand_id)):
            raise GatewayError("ALREADY_EXISTS", f"Brand {brand_id} exists already; choose another --id.", field="id")
        made = stored.add_brand(unit.connection, brand_id, name, allow_ip, unit.now)
        stored.add_source(unit.connection, made, "local", "")
        stored.add_integration(unit.connection, made, DEFAULT_INTEGRATION, "api", None, unit.now)
        rows = [{"name": field, "folded": fold(field), "kind": kind,
                 "max_length": MAX_JSON if kind == JSON else MAX_VALUE} for field, kind in STANDARD_FIELDS.items()]
        fields.add(unit.connection, made, rows, unit.now)
        return made


def add_user(unit: Unit, name: str, password: str, role: str, *, integration: str = DEFAULT_INTEGRATION,
             recoverable: bool = False) -> int:
    """A new user of the unit's brand; answers the id.

    ``recoverable`` also keeps the secret encrypted with the installation's key, which PasswordDigest
    needs (SOAP-15). Raises ``ALREADY_EXISTS``, ``INVALID_VALUE``, ``NOT_FOUND``.
    """
    require_brand(unit)
    _text("name", name)
    if "/" in name:
        raise GatewayError("INVALID_VALUE", "A user's name has no '/': it parts brand and name in SOAP credentials.",
                           field="name")
    if role not in ROLES:
        raise GatewayError("INVALID_VALUE", f"The role is one of {', '.join(ROLES)}.", field="role")
    if len(password) < 8:
        raise GatewayError("INVALID_VALUE", "The password needs at least 8 characters.", field="password")
    if stored.user_by_name(unit.connection, unit.brand_id, name) is not None:
        raise GatewayError("ALREADY_EXISTS", f"User {name} exists already in this brand.", field="name")
    return stored.add_user(
        unit.connection, brand_id=unit.brand_id, integration_id=_integration(unit, integration), name=name,
        password_hash=passwords.hash_password(password), role=role, created_at=unit.now,
        recoverable_secret=encrypt(unit.settings.secret_key, DIGEST_PURPOSE, password) if recoverable else None)


def add_key(unit: Unit, integration: str, scopes: Sequence[str], *, allow_ip: Sequence[str] = (),
            expires_at: dt.datetime | None = None) -> tuple[int, str]:
    """A new API key of the unit's brand: its id, and the key itself, which is not stored (PUSH-2).

    A foreign system that only calls us needs no configuration: an integration of a new name is added
    with kind ``api``.
    """
    require_brand(unit)
    _text("integration", integration)
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise GatewayError("INVALID_VALUE", f"A scope is one of {', '.join(SCOPES)}.", field="scope")
    for network in allow_ip:
        _network(network)
    speaks_for = stored.integration_id(unit.connection, unit.brand_id, integration)
    if speaks_for is None:
        speaks_for = stored.add_integration(unit.connection, unit.brand_id, integration, "api", None, unit.now)
    key = "gw_" + secrets.token_urlsafe(32)
    key_id = stored.add_key(
        unit.connection, brand_id=unit.brand_id, integration_id=speaks_for,
        key_hash=_key_hash(key), scopes=sorted(set(scopes)), allow_ip=list(allow_ip), expires_at=expires_at,
        created_at=unit.now)
    return key_id, key


def require_brand(unit: Unit) -> str:
    """The name of the unit's brand; raises ``NOT_FOUND`` when there is no such brand."""
    name = stored.brand_name(unit.connection, unit.brand_id)
    if name is None:
        raise GatewayError("NOT_FOUND", f"There is no brand {unit.brand_id}. `gateway brand add` makes one.",
                           field="brand")
    return name


def unknown_integration(name: str) -> GatewayError:
    """The refusal of a name that no integration of the brand has."""
    return GatewayError("NOT_FOUND", f"There is no integration '{name}' in this brand. "
                                     "`gateway integration add` makes one.", field="integration")


def _integration(unit: Unit, name: str) -> int:
    found = stored.integration_id(unit.connection, unit.brand_id, name)
    if found is None:
        raise unknown_integration(name)
    return found


def user_actor(row: stored.UserRow, door: str) -> Actor:
    """Whom a user acts as who came through this door."""
    return Actor(brand_id=row.brand_id, label=f"user:{row.name}", door=door, scopes=ROLE_SCOPES[row.role],
                 integration_id=row.integration_id, integration_name=row.integration_name)


def is_disabled(row: stored.UserRow, now: dt.datetime) -> bool:
    """Whether the user is blocked or has expired."""
    return row.blocked or (row.expires_at is not None and row.expires_at <= now)


def _usable(row: stored.UserRow, now: dt.datetime, remote_addr: str) -> bool:
    return not is_disabled(row, now) and allowed_from(row.allow_ip, remote_addr)


def allowed_from(networks: Sequence[str], remote_addr: str) -> bool:
    """Whether one of the networks has this address; without networks everybody may come from everywhere."""
    if not networks:
        return True
    try:
        address = ipaddress.ip_address(remote_addr)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def _fresh(created: str, now: dt.datetime) -> bool:
    try:
        return abs(dt.datetime.fromisoformat(created) - now) <= DIGEST_WINDOW
    except (ValueError, TypeError):  # not an instant, or one without an offset
        return False


def _digest_matches(secret: str, digest: str, nonce: str, created: str) -> bool:
    try:
        raw = base64.b64decode(nonce, validate=True)
    except ValueError:
        return False
    # SHA-1 is what the UsernameToken profile 1.0 prescribes; it is a challenge, not a stored hash
    made = hashlib.sha1(raw + created.encode() + secret.encode(), usedforsecurity=False).digest()
    return hmac.compare_digest(base64.b64encode(made), digest.encode())


def _key_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _text(field: str, value: str) -> None:
    if not value.strip() or len(value) > 255 or not value.isprintable():
        raise GatewayError("INVALID_VALUE", "A name has 1 to 255 printable characters.", field=field)


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise GatewayError("INVALID_VALUE", f"'{text}' is not an address or network such as 192.0.2.0/24.",
                           field="allow-ip") from None
