"""Which brands, users, keys, integrations and sources exist?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import api_key, brand, integration, nonce, source, user
from gateway.db.queries.events import insert_or_ignore


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user with what is needed to check a password or a digest."""

    user_id: int
    brand_id: int
    name: str
    password_hash: str
    recoverable_secret: str | None
    role: str
    blocked: bool
    expires_at: dt.datetime | None
    integration_id: int
    integration_name: str
    allow_ip: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key with the rights it carries; the key itself is not stored."""

    key_id: int
    brand_id: int
    scopes: tuple[str, ...]
    allow_ip: tuple[str, ...]
    brand_allow_ip: tuple[str, ...]
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    integration_id: int
    integration_name: str


@dataclass(frozen=True, slots=True)
class BrandRow:
    """A brand as callers of the document API know it: ``number`` is what they call it by."""

    brand_id: int
    number: int
    name: str
    allow_ip: tuple[str, ...]
    settings: dict[str, object]


def add_brand(connection: Connection, brand_id: int | None, name: str, allow_ip: Sequence[str],
              now: dt.datetime) -> int:
    """Stores a brand and answers its id; with ``brand_id`` None the next free one, by which no other brand is known."""
    if brand_id is None:
        brand_id = (connection.execute(sa.select(sa.func.max(brand.c.id))).scalar() or 0) + 1
        known = set(connection.scalars(sa.select(brand.c.external_id).where(brand.c.external_id >= brand_id)))
        while brand_id in known:
            brand_id += 1
    connection.execute(sa.insert(brand).values(id=brand_id, name=name, allow_ip=list(allow_ip), settings={},
                                               created_at=now))
    return brand_id


def brand_name(connection: Connection, brand_id: int) -> str | None:
    """The brand's name, or None when there is no such brand."""
    return connection.execute(sa.select(brand.c.name).where(brand.c.id == brand_id)).scalar()


def brand_by_number(connection: Connection, number: int) -> BrandRow | None:
    """The brand that callers of the document API call by this number: its own one, else our id."""
    row = connection.execute(
        sa.select(brand).where(sa.or_(brand.c.external_id == number,
                                      sa.and_(brand.c.external_id.is_(None), brand.c.id == number)))
        .order_by(brand.c.external_id.is_(None)).limit(1)).one_or_none()
    if row is None:
        return None
    return BrandRow(row.id, number, row.name, tuple(row.allow_ip), row.settings or {})


def external_id(connection: Connection, brand_id: int) -> int | None:
    """The number of its own by which callers of the document API know this brand."""
    return connection.execute(sa.select(brand.c.external_id).where(brand.c.id == brand_id)).scalar()


def set_external_id(connection: Connection, brand_id: int, number: int | None) -> None:
    """Gives this brand a number of its own, or takes it away."""
    connection.execute(sa.update(brand).where(brand.c.id == brand_id).values(external_id=number))


def brand_settings(connection: Connection, brand_id: int) -> dict[str, object]:
    """The choices of this brand by name; empty when none was made."""
    return connection.execute(sa.select(brand.c.settings).where(brand.c.id == brand_id)).scalar() or {}


def set_brand_settings(connection: Connection, brand_id: int, settings: Mapping[str, object]) -> None:
    """Replaces the choices of this brand."""
    connection.execute(sa.update(brand).where(brand.c.id == brand_id).values(settings=dict(settings)))


def add_source(connection: Connection, brand_id: int, kind: str, name: str,
               integration_id: int | None = None) -> int:
    """The id of this source, stored when it is new; safe to repeat."""
    same = (source.c.brand_id == brand_id, source.c.kind == kind, source.c.name == name)
    found = connection.execute(sa.select(source.c.id).where(*same)).scalar()
    if found is not None:
        return found
    connection.execute(insert_or_ignore(connection, source).values(
        brand_id=brand_id, kind=kind, name=name, integration_id=integration_id))
    return connection.execute(sa.select(source.c.id).where(*same)).scalar_one()


def add_integration(connection: Connection, brand_id: int, name: str, kind: str, config: str | None,
                    now: dt.datetime) -> int:
    """Stores an integration together with its source and answers its id."""
    integration_id = connection.execute(sa.insert(integration).values(
        brand_id=brand_id, name=name, kind=kind, config=config, created_at=now)).inserted_primary_key[0]
    add_source(connection, brand_id, "integration", name, integration_id)
    return integration_id


def integration_id(connection: Connection, brand_id: int, name: str) -> int | None:
    """The id of the brand's integration of this name."""
    return connection.execute(sa.select(integration.c.id).where(
        integration.c.brand_id == brand_id, integration.c.name == name)).scalar()


def add_user(connection: Connection, **values: object) -> int:
    """Stores a user and answers the id."""
    return connection.execute(sa.insert(user).values(**values)).inserted_primary_key[0]


def user_by_name(connection: Connection, brand_id: int, name: str) -> UserRow | None:
    """The brand's user of this name."""
    row = connection.execute(
        sa.select(user, integration.c.name.label("integration_name"), brand.c.allow_ip)
        .select_from(user.join(integration, user.c.integration_id == integration.c.id)
                     .join(brand, user.c.brand_id == brand.c.id))
        .where(user.c.brand_id == brand_id, user.c.name == name)).one_or_none()
    if row is None:
        return None
    return UserRow(row.id, row.brand_id, row.name, row.password_hash, row.recoverable_secret, row.role, row.blocked,
                   row.expires_at, row.integration_id, row.integration_name, tuple(row.allow_ip))


def add_key(connection: Connection, **values: object) -> int:
    """Stores an API key's hash and rights and answers the id."""
    return connection.execute(sa.insert(api_key).values(**values)).inserted_primary_key[0]


def key_by_hash(connection: Connection, key_hash: str) -> KeyRow | None:
    """The key with this hash, of whatever brand."""
    row = connection.execute(
        sa.select(api_key, integration.c.name.label("integration_name"), brand.c.allow_ip.label("brand_allow_ip"))
        .select_from(api_key.join(integration, api_key.c.integration_id == integration.c.id)
                     .join(brand, api_key.c.brand_id == brand.c.id))
        .where(api_key.c.key_hash == key_hash)).one_or_none()
    if row is None:
        return None
    return KeyRow(row.id, row.brand_id, tuple(row.scopes), tuple(row.allow_ip), tuple(row.brand_allow_ip),
                  row.expires_at, row.revoked_at, row.integration_id, row.integration_name)


def take_nonce(connection: Connection, nonce_hash: str, now: dt.datetime, keep: dt.timedelta) -> bool:
    """Whether this nonce is new; remembers it for ``keep`` (SOAP-15). Shared by all workers."""
    connection.execute(sa.delete(nonce).where(nonce.c.seen_at < now - keep))
    statement = insert_or_ignore(connection, nonce).values(nonce_hash=nonce_hash, seen_at=now)
    return connection.execute(statement.returning(nonce.c.nonce_hash)).scalar() is not None
