"""One connection to one gateway: how a call is made, and how pages become one list."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import requests
from zeep import Client, Settings
from zeep.transports import Transport

from gateway_client.errors import GatewayFault, translated

WSDL = Path(__file__).with_name("gateway-v1.wsdl")
NAMESPACE = "urn:gateway:v1"
MAX_RECORDS = 1000


class Connection:
    """What every call needs; :class:`gateway_client.Gateway` has the calls."""

    def __init__(self, url: str, *, brand: int | str, user: str, password: str, timeout_s: float = 60.0,
                 session: requests.Session | None = None) -> None:
        self._session = session or requests.Session()
        transport = Transport(session=self._session, timeout=timeout_s, operation_timeout=timeout_s)
        self._client = Client(str(WSDL), transport=transport, settings=Settings(forbid_dtd=True, forbid_entities=True))
        self._service = self._client.create_service(f"{{{NAMESPACE}}}GatewaySoap", f"{url.rstrip('/')}/soap/v1")
        self._header = {"Credentials": {"brandId": str(brand), "userName": user, "password": password}}

    def close(self) -> None:
        """Closes the connections to the gateway."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _call(self, operation: str, **members: Any) -> Any:
        given = {name: value for name, value in members.items() if value is not None}
        with translated():
            return getattr(self._service, operation)(_soapheaders=self._header, **given)

    def _pages(self, operation: str, **members: Any) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._call(operation, pageToken=token, **members)
            yield from page.item or ()
            token = page.nextToken
            if not token:
                return


def identifier(email: str | None, remote_id: str | None, subscriber_id: str | None) -> dict[str, str]:
    """Who is meant; raises ``IDENTIFIER_MISSING`` when nobody is."""
    given = {"subscriberId": subscriber_id, "remoteId": remote_id, "email": email}
    found = {name: value for name, value in given.items() if value}
    if not found:
        raise GatewayFault("IDENTIFIER_MISSING", "Name a person by subscriber_id, remote_id or email.")
    return found


def chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The items in lists of as many as one call takes."""
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, MAX_RECORDS)):
        yield chunk
