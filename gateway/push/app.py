"""Which routes does the native PUSH API have, and what happens to every request before they run? (PUSH-31..47)"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import cache, partial

from flask import Blueprint, Flask, Response, g, request

from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.push import (
    errors,
    explain,
    groups,
    imports,
    interests,
    lifecycle,
    mailings,
    mappings,
    optouts,
    refusals,
    reporting,
    subscribers,
    syncs,
    writebacks,
)
from gateway.push.answers import BASE, respond
from gateway.push.auth import authenticate
from gateway.push.openapi import document
from gateway.push.operations import declaration, operation
from gateway.push.schemas.kinds import Fixed, Thing
from gateway.services.gateway import Gateway

HEALTH = Thing("Health", {"status": Fixed("ok")})


def make_app(gateway: Gateway, beside: Mapping[str, Flask] | None = None) -> Flask:
    """The WSGI application of /push/v1; its routes are relative to that address (the mount's SCRIPT_NAME).

    Every request needs an API key but those whose route declares otherwise; every answer is JSON, and no error leaves
    as anything else. ``beside``: other faces, by their base, that the OpenAPI document covers too.
    """
    app = Flask("gateway.push", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # an answer without JSON
    app.url_map.merge_slashes = False  # a redirect would be HTML
    app.before_request(lambda: _begin(app, gateway))
    errors.install(app, gateway)
    for noun in (subscribers, optouts, explain, imports, mappings, interests, mailings, lifecycle, reporting,
                 writebacks, groups, syncs, refusals):
        app.register_blueprint(noun.routes(gateway))
    app.register_blueprint(_others(gateway, {BASE: app, **(beside or {})}))
    return app


def _begin(app: Flask, gateway: Gateway) -> None:
    g.request_id = f"r-{uuid.uuid4().hex[:16]}"
    declared = declaration(app, request.endpoint)
    if declared is None or declared.key:
        g.actor = authenticate(gateway)


def _others(gateway: Gateway, faces: Mapping[str, Flask]) -> Blueprint:
    routes = Blueprint("open", __name__)
    described = cache(partial(document, gateway.settings.public_url, faces))  # when all routes are there, and once

    @routes.get("/health")
    @operation("PUSH-45", "Is the store there", key=False, answer=HEALTH, codes=("UNAVAILABLE", "INTERNAL_ERROR"))
    def health() -> Response:
        """PUSH-45: whether the store can be reached; no version, no data."""
        with gateway.reading(system_actor(0)):
            return respond({"status": "ok"})

    @routes.get("/openapi.json")
    @operation("PUSH-46", "This document", key=False, answer=None)
    def openapi() -> Response:
        """PUSH-105: what both faces take and answer."""
        return respond(described())

    @routes.post("/members")
    @operation("PUSH-47", "Reserved", answer=None, status=None, codes=("NOT_SUPPORTED",))
    def members() -> Response:
        """PUSH-47: a path of somebody else's API that is reserved here."""
        raise GatewayError("NOT_SUPPORTED", "This path is not supported; send people to /push/v1/subscribers.")

    return routes
