"""Which doors does the house have, and at which addresses? All of them as one WSGI application."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gateway.aapi import contract as aapi
from gateway.aapi.app import in_any_case
from gateway.aapi.app import make_app as make_aapi
from gateway.aapi.dialect import refusal as aapi_refusal
from gateway.console.app import make_app as make_console
from gateway.errors import GatewayError
from gateway.public.app import make_app as make_public
from gateway.public.hot import PATH, Hot
from gateway.push.app import make_app as make_push
from gateway.push.compatible.app import make_app as make_compatible
from gateway.services import health
from gateway.services.gateway import Gateway
from gateway.soap import contract as soap
from gateway.soap.app import make_app as make_soap
from gateway.soap.app import refusal as soap_refusal

SOAP, DIAGNOSE = "/soap/v1", "/diagnose"
AAPI = aapi.MOUNT
CONTRACTS = (soap, aapi)
"""The modules of the frozen contracts: each can check and write its own."""

WsgiApp = Callable[..., Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Doors:
    """What a server serves: the application, how a door says that a request was refused before it got there, and which
    addresses are answered at once on the thread that reads (those that begin with ``prefix``)."""

    application: WsgiApp
    refusals: Mapping[str, Any]
    at_once: Callable[..., Any]
    prefix: str


def make(gateway: Gateway) -> Doors:
    """All doors, ready to be served."""
    return Doors(wsgi(gateway), {SOAP: soap_refusal, AAPI: aapi_refusal}, Hot(gateway).at_once, PATH)


def wsgi(gateway: Gateway) -> WsgiApp:
    """Every address of the installation (operator.md, Addresses) as one WSGI application."""
    compatible = make_compatible(gateway)
    doors = {SOAP: make_soap(gateway), "/push/v1": make_push(gateway, {"/v2": compatible}), "/v2": compatible,
             "/V2": compatible, DIAGNOSE: make_console(gateway)}  # its callers put addresses together as they like
    own = {"/healthz": _alive, "/readyz": partial(_ready, gateway), "/metrics": partial(_metrics, gateway)}
    return in_any_case(DispatcherMiddleware(make_public(gateway), {**doors, AAPI: make_aapi(gateway), **own}))


def _alive(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    return _answer(start_response, "200 OK", "text/plain", b"ok\n")


def _ready(gateway: Gateway, _environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    checks = health.readiness(gateway)
    status = "200 OK" if all(check.ok for check in checks) else "503 Service Unavailable"
    body = {check.name: "ok" if check.ok else "not ready" for check in checks}
    return _answer(start_response, status, "application/json", json.dumps(body).encode())


def _metrics(gateway: Gateway, _environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    try:
        found = health.metrics(gateway)
    except GatewayError:
        return _answer(start_response, "503 Service Unavailable", "text/plain", b"the store is away\n")
    lines = [f'{metric}{{{label}="{value}"}} {number:g}\n' for (metric, label, value), number in sorted(found.items())]
    return _answer(start_response, "200 OK", "text/plain; version=0.0.4; charset=utf-8", "".join(lines).encode())


def _answer(start_response: Callable[..., Any], status: str, content_type: str, body: bytes) -> list[bytes]:
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]
