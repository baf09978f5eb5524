"""Which routes does the native PUSH API have, and what happens to every request before they run? (PUSH-31..47)"""

from __future__ import annotations

import uuid

from flask import Blueprint, Flask, Response, g, request

from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.push import errors, explain, imports, interests, mailings, reporting, subscribers
from gateway.push.answers import respond
from gateway.push.auth import authenticate
from gateway.services.gateway import Gateway

_NO_KEY = "open.health"


def make_app(gateway: Gateway) -> Flask:
    """The WSGI application of /push/v1; its routes are relative to that address (the mount's SCRIPT_NAME).

    Every request needs an API key but /health; every answer is JSON, and no error leaves as anything else.
    """
    app = Flask("gateway.push", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # an answer without JSON
    app.url_map.merge_slashes = False  # a redirect would be HTML
    app.before_request(lambda: _begin(gateway))
    errors.install(app)
    for noun in (subscribers, explain, imports, interests, mailings, reporting):
        app.register_blueprint(noun.routes(gateway))
    app.register_blueprint(_others(gateway))
    return app


def _begin(gateway: Gateway) -> None:
    g.request_id = f"r-{uuid.uuid4().hex[:16]}"
    if request.endpoint != _NO_KEY:
        g.actor = authenticate(gateway)


def _others(gateway: Gateway) -> Blueprint:
    routes = Blueprint("open", __name__)

    @routes.get("/health")
    def health() -> Response:
        """PUSH-45: whether the store can be reached; no version, no data."""
        with gateway.reading(system_actor(0)):
            return respond({"status": "ok"})

    @routes.post("/members")
    def members() -> Response:
        """PUSH-47: a path of somebody else's API that is reserved here."""
        raise GatewayError("NOT_SUPPORTED", "This path is not supported; send people to /push/v1/subscribers.")

    return routes
