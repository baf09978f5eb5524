"""How does the typed SOAP API become a WSGI application?"""

from __future__ import annotations

from gateway.services.gateway import Gateway
from gateway.soap import contract
from gateway.soap.invoke import Invoker
from gateway.soap.types.base import NAMESPACE
from gateway.spynekit.wsgi import SoapEndpoint

REALM = "gateway"


def make_app(gateway: Gateway) -> SoapEndpoint:
    """The WSGI application for ``/soap/v1``: calls by POST, the frozen contract by GET ``?wsdl`` and ``?wsdl11``.

    Threads may share it. Raises ``FileNotFoundError`` if the frozen contract is missing.
    """
    public_url = gateway.settings.public_url
    return SoapEndpoint(
        [contract.service(Invoker(gateway))], tns=NAMESPACE, name=contract.NAME, address=public_url + contract.PATH,
        documents=contract.documents(public_url), realm=REALM)
