"""Which keys sign for a brand's domains, and from which domains does it send?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import mailing
from gateway.db.models.transport import dkim_key

ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row; ``private_key`` is sealed, and empty once the key is retired."""

    id: int
    brand_id: int
    domain: str
    selector: str
    algorithm: str
    state: str
    public_key: str
    private_key: str = field(repr=False)
    created_at: dt.datetime
    retired_at: dt.datetime | None


def add(connection: Connection, brand_id: int, values: dict[str, object], now: dt.datetime) -> int:
    """Stores a key and answers its id."""
    return connection.execute(sa.insert(dkim_key).values(brand_id=brand_id, created_at=now, **values)
                              .returning(dkim_key.c.id)).scalar_one()


def find(connection: Connection, brand_id: int, domain: str | None = None) -> list[StoredKey]:
    """The brand's keys (of one domain), in order of domain and age."""
    t = dkim_key.c
    query = sa.select(dkim_key).where(t.brand_id == brand_id).order_by(t.domain, t.id)
    return _stored(connection.execute(query if domain is None else query.where(t.domain == domain)))


def active(connection: Connection, brand_id: int, domains: Sequence[str]) -> list[StoredKey]:
    """The brand's keys that sign now for one of these domains, in order of age."""
    t = dkim_key.c
    return _stored(connection.execute(sa.select(dkim_key).where(
        t.brand_id == brand_id, t.domain.in_(domains), t.state == ACTIVE).order_by(t.id)))


def set_state(connection: Connection, brand_id: int, key_id: int, state: str, *, private_key: str | None = None,
              retired_at: dt.datetime | None = None) -> None:
    """Moves a key to ``state``; ``private_key`` takes the stored one's place."""
    values: dict[str, object] = {"state": state, "retired_at": retired_at}
    if private_key is not None:
        values["private_key"] = private_key
    connection.execute(sa.update(dkim_key).values(values).where(
        dkim_key.c.brand_id == brand_id, dkim_key.c.id == key_id))


def all_unretired(connection: Connection) -> list[StoredKey]:
    """The keys of all brands that sign or will: what an operator's check looks at."""
    return _stored(connection.execute(sa.select(dkim_key).where(dkim_key.c.retired_at.is_(None))
                                      .order_by(dkim_key.c.domain, dkim_key.c.id)))


def from_addresses(connection: Connection, since: dt.datetime) -> list[str]:
    """The From addresses of all brands' mailings that were touched since then."""
    return list(connection.scalars(sa.select(mailing.c.from_address).distinct().where(mailing.c.changed_at >= since)))


def _stored(rows: Iterable[sa.Row]) -> list[StoredKey]:
    names = [each.name for each in fields(StoredKey)]
    return [StoredKey(*(getattr(row, name) for name in names)) for row in rows]
