"""Which foreign systems does a brand have, how are they, and how are they configured?"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.domain.integration import STANDARD, IntegrationView
from gateway.domain.writeback import DOWN, UP

_VIEW: list[sa.ColumnElement[Any]] = [
    *(integration.c[name] for name in ("id", "brand_id", "name", "kind", "state", "probe_at", "failures", "cursor",
                                       "created_at", "choices", "next_sync_at", "pulls")),
    integration.c.webhook.is_not(None).label("has_webhook"), integration.c.config]


def get(connection: Connection, brand_id: int, integration_id: int) -> IntegrationView | None:
    """The brand's integration of this id."""
    return _one(connection, integration.c.brand_id == brand_id, integration.c.id == integration_id)


def get_by_name(connection: Connection, brand_id: int, name: str) -> IntegrationView | None:
    """The brand's integration of this name."""
    return _one(connection, integration.c.brand_id == brand_id, integration.c.name == name)


def find(connection: Connection, brand_id: int) -> list[IntegrationView]:
    """All integrations of the brand, oldest first."""
    rows = connection.execute(sa.select(*_VIEW).where(integration.c.brand_id == brand_id).order_by(integration.c.id))
    return [_view(row) for row in rows]


def identity(connection: Connection, brand_id: int, integration_id: int) -> str:
    """How the integration's records are known: ``standard`` or ``imis_legacy`` (ID-3)."""
    return connection.scalar(sa.select(integration.c.identity).where(
        integration.c.brand_id == brand_id, integration.c.id == integration_id)) or STANDARD


def config(connection: Connection, brand_id: int, integration_id: int) -> str | None:
    """The sealed configuration."""
    return connection.scalar(sa.select(integration.c.config).where(integration.c.brand_id == brand_id,
                                                                   integration.c.id == integration_id))


def set_config(connection: Connection, brand_id: int, integration_id: int, sealed: str) -> None:
    """Replaces the sealed configuration; an integration that was down is tried at once.

    The cursor is forgotten, for it may be of another system: everybody is read next (ID-68)."""
    _update(connection, brand_id, integration_id, config=sealed, cursor=None, state=UP, probe_at=None, failures=0)


def set_identity(connection: Connection, brand_id: int, integration_id: int, identity: str) -> None:
    """Stores how records of this integration are known (ID-3)."""
    _update(connection, brand_id, integration_id, identity=identity)


def set_pulls(connection: Connection, brand_id: int, integration_id: int, kinds: Sequence[str]) -> None:
    """Stores which kinds of writebacks it fetches itself, none: it fetches none (ID-63). No outage is left."""
    _update(connection, brand_id, integration_id, pulls=" ".join(kinds) or None, state=UP, probe_at=None, failures=0)


def webhook(connection: Connection, brand_id: int, integration_id: int) -> str | None:
    """The sealed webhook, if it has one (ID-63)."""
    return connection.scalar(sa.select(integration.c.webhook).where(integration.c.brand_id == brand_id,
                                                                    integration.c.id == integration_id))


def set_webhook(connection: Connection, brand_id: int, integration_id: int, sealed: str | None) -> None:
    """Stores the sealed webhook, or ends it (ID-63). No outage is left."""
    _update(connection, brand_id, integration_id, webhook=sealed, state=UP, probe_at=None, failures=0)


def set_up(connection: Connection, brand_id: int, integration_id: int) -> None:
    """The foreign system answers."""
    _update(connection, brand_id, integration_id, state=UP, probe_at=None, failures=0)


def set_down(connection: Connection, brand_id: int, integration_id: int, failures: int, probe_at: dt.datetime) -> None:
    """The foreign system is away; it is tried again at ``probe_at``."""
    _update(connection, brand_id, integration_id, state=DOWN, probe_at=probe_at, failures=failures)


def set_choices(connection: Connection, brand_id: int, integration_id: int, choices: Mapping[str, object]) -> None:
    """How it is synced, by name (ID-66, ID-67, ID-70)."""
    _update(connection, brand_id, integration_id, choices=dict(choices))


def set_next_sync(connection: Connection, brand_id: int, integration_id: int, at: dt.datetime | None) -> None:
    """When it is to be synced by its schedule."""
    _update(connection, brand_id, integration_id, next_sync_at=at)


def set_cursor(connection: Connection, brand_id: int, integration_id: int, cursor: str | None) -> None:
    """Up to where changes are known (ID-68)."""
    _update(connection, brand_id, integration_id, cursor=cursor)


def _update(connection: Connection, brand_id: int, integration_id: int, **values: object) -> None:
    connection.execute(sa.update(integration).where(integration.c.brand_id == brand_id,
                                                    integration.c.id == integration_id).values(**values))


def _one(connection: Connection, *where: sa.ColumnElement[bool]) -> IntegrationView | None:
    row = connection.execute(sa.select(*_VIEW).where(*where)).first()
    return None if row is None else _view(row)


def _view(row: sa.Row) -> IntegrationView:
    *facts, choices, next_sync_at, pulls, has_webhook, sealed = row
    mark = "" if sealed is None else hashlib.sha256(sealed.encode()).hexdigest()[:16]
    return IntegrationView(*facts, pulls=tuple((pulls or "").split()), choices=choices or {},
                           next_sync_at=next_sync_at, has_webhook=has_webhook, config_mark=mark)
