"""How does a test get a whole gateway with a brand in it? A small world on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.clock import Clock
from gateway.db.engine import create_engine
from gateway.db.migrate import current, head, upgrade
from gateway.db.queries import accounts as stored
from gateway.db.queries import fields
from gateway.db.unit import Unit
from gateway.domain.accounts import ROLE_SCOPES, SCOPES, SENDER, Actor
from gateway.domain.fields import fold
from gateway.domain.tokens import Keys
from gateway.services import accounts
from gateway.services.gateway import Gateway
from gateway.settings import Settings
from tests.support.clocks import SettableClock

SECRET = b"a secret key of tests, long enough for everything"


class World:
    """A gateway on ``url`` (migrated here if it is empty) with brand 1, made as the command line makes it.

    The clock stands until it is moved. Use it as a context manager, or call ``close``.
    """

    def __init__(self, url: str, clock: Clock | None = None, data_dir: Path = Path("data"), *, public_url: str =
                 "http://127.0.0.1:8080", smtp_url: str = "smtp://127.0.0.1:25", brands: Sequence[int] = (1,)) -> None:
        self.clock = clock or SettableClock()
        self._integrations: dict[tuple[int, str], int] = {}
        self.settings = Settings(data_dir=data_dir, database_url=url, broker_url="", public_url=public_url,
                                 smtp_url=smtp_url, secret_key=SECRET)
        self.gateway = Gateway(self.settings, create_engine(url), Keys.from_secret(SECRET), self.clock)
        if current(self.gateway.engine) != head():
            upgrade(self.gateway.engine)
        self.brands = tuple(accounts.add_brand(self.gateway, brand_id, f"Brand {brand_id}") for brand_id in brands)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the gateway and its connections."""
        self.gateway.close()

    def actor(self, integration: str = "api", *, brand_id: int = 1, role: str = SENDER, door: str = "soap",
              label: str = "user:tester", request_id: str = "r-test") -> Actor:
        """A user of ``role`` who speaks the remote IDs of ``integration``, which is added when it is new."""
        return Actor(brand_id, label, door, ROLE_SCOPES[role], self.integration(integration, brand_id=brand_id),
                     integration, request_id)

    def key_actor(self, integration: str = "api", *, brand_id: int = 1, scopes: Sequence[str] = SCOPES) -> Actor:
        """What an API key of ``integration`` with these scopes acts as."""
        return Actor(brand_id, "key:1", "push", frozenset(scopes), self.integration(integration, brand_id=brand_id),
                     integration, "r-test")

    def integration(self, name: str, *, brand_id: int = 1, kind: str = "api") -> int:
        """The id of the brand's integration of this name, added when it is new."""
        if (brand_id, name) not in self._integrations:
            with self.gateway.unit(Actor(brand_id, "system", "cli")) as unit:
                found = stored.integration_id(unit.connection, brand_id, name)
                if found is None:
                    found = stored.add_integration(unit.connection, brand_id, name, kind, None, unit.now)
            self._integrations[brand_id, name] = found
        return self._integrations[brand_id, name]

    def add_field(self, name: str, kind: str = "text", *, brand_id: int = 1) -> None:
        """Adds a field to the brand's catalogue."""
        with self.gateway.unit(Actor(brand_id, "system", "cli")) as unit:
            fields.add(unit.connection, brand_id, [{"name": name, "folded": fold(name), "kind": kind}], unit.now)

    @contextmanager
    def unit(self, actor: Actor | None = None) -> Iterator[Unit]:
        """A write transaction of ``actor`` (default: a sender of the integration ``api``)."""
        with self.gateway.unit(actor or self.actor()) as unit:
            yield unit

    @contextmanager
    def reading(self, actor: Actor | None = None) -> Iterator[Unit]:
        """A read transaction of ``actor``."""
        with self.gateway.reading(actor or self.actor()) as unit:
            yield unit
