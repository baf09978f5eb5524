"""How does an answer leave, and how is a request answered only once? (PUSH-12, PUSH-73, PUSH-74)"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, g, request

from gateway.errors import GatewayError
from gateway.formats.json import dumps
from gateway.services import idempotency
from gateway.services.gateway import Gateway, Unit

BASE = "/push/v1"
"""Where the composition root mounts this door: part of its published addresses."""

_OPERATION = "push"  # one for all paths: a key used at another path is a conflict, not a new request
_HEADER = "Idempotency-Key"

Work = Callable[[Unit], tuple[int, dict[str, Any]]]


def respond(payload: Mapping[str, Any], status: int = 200) -> Response:
    """The JSON answer; ``X-Request-Id`` equals its ``requestId``."""
    answer = Response(dumps(payload), status, mimetype="application/json")
    answer.headers["X-Request-Id"] = payload.get("requestId", g.request_id)
    answer.headers["Cache-Control"] = "no-store"
    if status == 202 and "jobId" in payload:
        answer.headers["Location"] = f"{BASE}/imports/{payload['jobId']}"
    return answer


def show(payload: Mapping[str, Any], status: int = 200) -> Response:
    """The answer to a request that read something."""
    return respond({**payload, "requestId": g.request_id}, status)


def change(gateway: Gateway, body_sha256: str, work: Work) -> Response:
    """Does ``work`` in one unit and answers its (status, payload).

    With an Idempotency-Key the answer is stored in that unit, and the same request again gets the stored
    one with ``replayed`` true; what raises is neither done nor stored. ``body_sha256``: of the body as sent.
    """
    with gateway.unit(g.actor) as unit:
        kept = replayed(unit, body_sha256)
        if kept is not None:
            return kept
        status, payload = work(unit)
        payload = {"replayed": False, **payload, "requestId": g.request_id}
        keep(unit, body_sha256, status, payload)
    return respond(payload, status)


def act(gateway: Gateway, body_sha256: str, do: Callable[[], dict[str, Any]], *, once: bool) -> Response:
    """Does work that opens its own transactions, and keeps its answer after it.

    ``once``: it must not be done twice at the same time, so its Idempotency-Key is reserved meanwhile; else doing it
    again changes nothing.
    """
    key = request.headers.get(_HEADER) if once else None
    with gateway.unit(g.actor) as unit:
        kept = replayed(unit, body_sha256)
        if kept is None and key is not None:
            idempotency.reserve(unit, operation=_OPERATION, key=key, fingerprint=_fingerprint(body_sha256))
    if kept is not None:
        return kept
    try:
        payload = {"replayed": False, **do(), "requestId": g.request_id}
    except GatewayError:
        if key is not None:
            with gateway.unit(g.actor) as unit:
                idempotency.release(unit, operation=_OPERATION, key=key)
        raise
    with gateway.unit(g.actor) as unit:
        keep(unit, body_sha256, 200, payload)
    return respond(payload)


def replayed(unit: Unit, body_sha256: str) -> Response | None:
    """The stored answer to this request, marked as replayed; None without a key or for a new one."""
    key = request.headers.get(_HEADER)
    if key is None:
        return None
    kept = idempotency.replay(unit, operation=_OPERATION, key=key, fingerprint=_fingerprint(body_sha256),
                              field=_HEADER)
    return None if kept is None else respond({**json.loads(kept.answer), "replayed": True}, kept.status)


def keep(unit: Unit, body_sha256: str, status: int, payload: Mapping[str, Any]) -> None:
    """Stores the answer under the request's key, if it has one; part of the unit's transaction."""
    key = request.headers.get(_HEADER)
    if key is not None:
        idempotency.remember(unit, operation=_OPERATION, key=key, fingerprint=_fingerprint(body_sha256),
                             status=status, answer=dumps(payload))


def _fingerprint(body_sha256: str) -> str:
    parts = (request.method, request.path, request.query_string.decode("latin-1"), request.content_type or "",
             body_sha256)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
