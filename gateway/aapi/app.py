"""How does the document API become a WSGI application?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from gateway.aapi import contract
from gateway.aapi.contract import MOUNT, PATH
from gateway.aapi.dialect import InformzDialect
from gateway.aapi.invoke import Poster
from gateway.aapi.watching import watch
from gateway.services.gateway import Gateway
from gateway.spynekit.faults import SOAP11
from gateway.spynekit.limits import MIB, Limits
from gateway.spynekit.wsgi import SoapEndpoint

LIMITS = Limits(body_bytes=20 * MIB, text_chars=20 * MIB)
"""The document in ``x`` is one text, as long as a whole message."""

WsgiApp = Callable[..., Iterable[bytes]]


def make_app(gateway: Gateway) -> SoapEndpoint:
    """The WSGI application for ``/aapi``: documents by POST, the frozen contract and a page of help by GET.

    Threads may share it. Raises ``FileNotFoundError`` if the frozen contract is missing.
    """
    public_url = gateway.settings.public_url
    return SoapEndpoint(
        [contract.service(Poster(gateway))], tns=contract.NAMESPACE, name=contract.NAME, address=public_url + PATH,
        documents=contract.documents(public_url), limits=LIMITS, versions=(SOAP11,), dialect=InformzDialect(),
        home=help_page(public_url + PATH), watch=watch(gateway))


def in_any_case(app: WsgiApp) -> WsgiApp:
    """``app`` with this door's path in lower case, however it was written: clients put it together as they like."""
    def front(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path[:len(MOUNT)].lower() == MOUNT and path[len(MOUNT):len(MOUNT) + 1] in ("", "/"):
            environ = {**environ, "PATH_INFO": path.lower()}
        return app(environ, start_response)
    return front


def help_page(address: str) -> bytes:
    """What a person sees who opens the address in a browser."""
    shown = escape(address, {'"': "&quot;"})
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{contract.NAME}</title></head><body>'
            f"<h1>{contract.NAME}</h1><p>This is a SOAP 1.1 service. Generate a client from "
            f'<a href="{shown}?wsdl">{shown}?wsdl</a> and call {contract.OPERATION}.</p></body></html>\n').encode()
