"""How does a refused request look at this door? The one place where errors become answers (PUSH-12, PUSH-30)."""

from __future__ import annotations

import logging
import traceback
from functools import partial

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from gateway.errors import GatewayError
from gateway.formats.json import JsonProblem
from gateway.log import event
from gateway.push import body
from gateway.push.answers import respond
from gateway.services.gateway import Gateway
from gateway.services.refusals import note

log = logging.getLogger("gateway.push")

_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}
_MESSAGES = {
    404: "There is nothing at this address. Look at the path.",
    405: "This address does not take this HTTP method; the header Allow names those that it takes.",
}
_FIELDS = {"pageSize": "limit", "pageToken": "after", "address": "addresses", "excludeInterest": "excludeInterests"}
"""The services speak SOAP's words; these are ours. ``interest`` is a parameter of imports, a list of mailings."""

RETRY_AFTER_S = 5


def install(app: Flask, gateway: Gateway) -> None:
    """Lets every error of ``app`` leave as JSON, also those that Flask itself raises; known callers' are kept."""
    app.register_error_handler(GatewayError, partial(_refused, gateway))
    app.register_error_handler(JsonProblem, partial(_not_json, gateway))
    app.register_error_handler(HTTPException, partial(_http, gateway))
    app.register_error_handler(Exception, partial(_fault, gateway))


def _refused(gateway: Gateway, error: GatewayError) -> Response:
    error.field = _our_word(error.field)
    event(log, "request refused", level=logging.INFO if error.status < 500 else logging.WARNING, code=error.code,
          request_id=g.request_id)
    _keep(gateway, error)
    return _answer(error)


def _our_word(field: str | None) -> str | None:
    if field in ("interest", "interests"):
        return "interests" if request.path.startswith("/mailings") else "interest"
    return _FIELDS.get(field or "", field)


def _not_json(gateway: Gateway, problem: JsonProblem) -> Response:
    return _refused(gateway, GatewayError("MALFORMED_REQUEST", str(problem)))


def _http(gateway: Gateway, error: HTTPException) -> Response:
    status = error.code or 500
    code = _HTTP_CODES.get(status) or ("MALFORMED_REQUEST" if status < 500 else "INTERNAL_ERROR")
    answer = _refused(gateway, GatewayError(code, _MESSAGES.get(status, "")))
    answer.status_code = status
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _fault(gateway: Gateway, error: Exception) -> Response:
    # Only the code's own lines: the text of an exception may hold what the caller sent.
    event(log, "request failed", level=logging.ERROR, error=type(error).__name__, request_id=g.request_id,
          trace="".join(traceback.format_tb(error.__traceback__)))
    told = GatewayError("INTERNAL_ERROR", "Our fault; nothing was stored. Report the request id if it happens again.")
    _keep(gateway, told)
    return _answer(told)


def _keep(gateway: Gateway, error: GatewayError) -> None:
    """PUSH-14: what was refused to whom, with the person it was about if it was about one."""
    if "actor" not in g:
        return
    remote_id, email = body.person()
    note(gateway, g.actor, f"{request.method} {request.root_path.rstrip('/')}{request.path}", error,
         remote_id=remote_id, email=email)


def _answer(error: GatewayError) -> Response:
    payload = {"success": False, "count": 0, "errorMessage": error.message, "code": error.code, "field": error.field,
               "retryable": error.retryable, "requestId": g.request_id}
    answer = respond({name: value for name, value in payload.items() if value is not None}, error.status)
    if error.status in (429, 503) or error.retry_after_s is not None:
        answer.headers["Retry-After"] = str(error.retry_after_s or RETRY_AFTER_S)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
