"""Which routes does the compatible face have, and what happens to every request before they run? (PUSH-15..18)"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Flask, Response, g

from gateway.errors import GatewayError
from gateway.push import errors
from gateway.push.auth import COMPATIBLE, authenticate
from gateway.push.compatible import contacts, lists
from gateway.push.operations import operation
from gateway.services.gateway import Gateway

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def make_app(gateway: Gateway) -> Flask:
    """The WSGI application of /v2; its routes are relative to that address (the mount's SCRIPT_NAME).

    Every request needs an API key; every answer is JSON, and no error leaves as anything else. Paths are taken in any
    letter case and with slashes too many, as callers put them together from a base URL of their settings.
    """
    app = Flask("gateway.push.compatible", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # an answer without JSON
    app.before_request(lambda: _begin(gateway))
    errors.install(app, gateway)
    for noun in (contacts, lists):
        app.register_blueprint(noun.routes(gateway))
    app.register_blueprint(_others())
    app.wsgi_app = _kindly(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _begin(gateway: Gateway) -> None:
    g.request_id = f"r-{uuid.uuid4().hex[:16]}"
    g.actor = authenticate(gateway, COMPATIBLE)


def _kindly(inner: Wsgi) -> Wsgi:
    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner({**environ, "PATH_INFO": "/" + environ.get("PATH_INFO", "").strip("/").lower()}, start_response)

    return outer


def _others() -> Blueprint:
    routes = Blueprint("others", __name__)

    def unsupported() -> Response:
        """PUSH-18: they mean nothing to mailing."""
        raise GatewayError("NOT_SUPPORTED", "Meetings and products mean nothing to mailing, and nothing was stored. "
                                            "People are sent to /v2/contactinfo, lists to /v2/list.")

    for name in ("meeting", "product"):
        declared = operation("PUSH-18", f"Not supported: {name}", answer=None, status=None, codes=("NOT_SUPPORTED",))
        routes.post(f"/{name}", endpoint=name)(declared(unsupported))
    return routes
