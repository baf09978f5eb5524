"""How does the typed SOAP API become a WSGI application?"""

from __future__ import annotations

from gateway.domain.records import MAX_SYNC_RECORDS
from gateway.errors import GatewayError
from gateway.services.gateway import Gateway
from gateway.soap import contract
from gateway.soap.invoke import Invoker
from gateway.soap.types.base import NAMESPACE
from gateway.soap.types.imports import DATA
from gateway.soap.watching import watch
from gateway.spynekit.faults import SOAP11, SOAP12, render_fault
from gateway.spynekit.limits import Limits
from gateway.spynekit.wsgi import SoapEndpoint

REALM = "gateway"
LIMITS = Limits(items=MAX_SYNC_RECORDS, bulk_path="StartImport takes more")


def make_app(gateway: Gateway) -> SoapEndpoint:
    """The WSGI application for ``/soap/v1``: calls by POST, the frozen contract by GET ``?wsdl`` and ``?wsdl11``.

    Threads may share it. Raises ``FileNotFoundError`` if the frozen contract is missing.
    """
    public_url = gateway.settings.public_url
    return SoapEndpoint(
        [contract.service(Invoker(gateway))], tns=NAMESPACE, name=contract.NAME, address=public_url + contract.PATH,
        documents=contract.documents(public_url), realm=REALM, limits=LIMITS, streamed={"StartImport": DATA},
        watch=watch(gateway))


def refusal(error: GatewayError, content_type: str, request_id: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body of a fault for what the server refuses before this door sees it (SOAP-10)."""
    version = SOAP12 if content_type.strip().lower().startswith(SOAP12.media_type) else SOAP11
    fault = render_fault(error, version=version, tns=NAMESPACE, request_id=request_id)
    return fault.status, [*fault.headers, ("X-Request-Id", request_id)], fault.body
