"""How does a refused request look at this door? The one place where errors become answers (PUSH-12, PUSH-30)."""

from __future__ import annotations

import logging
import traceback

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from gateway.errors import GatewayError
from gateway.formats.json import JsonProblem
from gateway.log import event
from gateway.push.answers import respond

log = logging.getLogger("gateway.push")

_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}
_MESSAGES = {
    404: "There is nothing at this address. Look at the path.",
    405: "This address does not take this HTTP method; the header Allow names those that it takes.",
}
_FIELDS = {"pageSize": "limit", "pageToken": "after", "address": "addresses", "excludeInterest": "excludeInterests"}
"""The services speak SOAP's words; these are ours. ``interest`` is a parameter of imports, a list of mailings."""

RETRY_AFTER_S = 5


def install(app: Flask) -> None:
    """Lets every error of ``app`` leave as JSON, also those that Flask itself raises."""
    app.register_error_handler(GatewayError, _refused)
    app.register_error_handler(JsonProblem, _not_json)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _fault)


def _refused(error: GatewayError) -> Response:
    event(log, "request refused", level=logging.INFO if error.status < 500 else logging.WARNING, code=error.code,
          request_id=g.request_id)
    return _answer(error.code, error.status, error.message, _our_word(error.field), error.retry_after_s)


def _our_word(field: str | None) -> str | None:
    if field in ("interest", "interests"):
        return "interests" if request.path.startswith("/mailings") else "interest"
    return _FIELDS.get(field or "", field)


def _not_json(problem: JsonProblem) -> Response:
    return _refused(GatewayError("MALFORMED_REQUEST", str(problem)))


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = _HTTP_CODES.get(status) or ("MALFORMED_REQUEST" if status < 500 else "INTERNAL_ERROR")
    answer = _refused(GatewayError(code, _MESSAGES.get(status, "")))
    answer.status_code = status
    for name, value in error.get_headers():
        if name == "Allow":
            answer.headers[name] = value
    return answer


def _fault(error: Exception) -> Response:
    # Only the code's own lines: the text of an exception may hold what the caller sent.
    event(log, "request failed", level=logging.ERROR, error=type(error).__name__, request_id=g.request_id,
          trace="".join(traceback.format_tb(error.__traceback__)))
    return _answer("INTERNAL_ERROR", 500, "Our fault; nothing was stored. Report the request id if it happens again.",
                   None, None)


def _answer(code: str, status: int, message: str, field: str | None, retry_after_s: int | None) -> Response:
    retryable = GatewayError(code).retryable
    payload = {"success": False, "count": 0, "errorMessage": message, "code": code, "field": field,
               "retryable": retryable, "requestId": g.request_id}
    answer = respond({name: value for name, value in payload.items() if value is not None}, status)
    if status in (429, 503) or retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s or RETRY_AFTER_S)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
