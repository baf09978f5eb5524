"""What does somebody see who connects a system? ``/diagnose``: why their last calls were refused."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException

from gateway.domain.accounts import Actor
from gateway.domain.callers import client_ip, split_user
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import accounts, diagnosis
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.console")

DOOR, EXTENSION = "console", "gateway"
ASK_FOR_PASSWORD = {"WWW-Authenticate": 'Basic realm="gateway", charset="UTF-8"'}
STYLE = ("body{font:1rem/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;"
         "background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}table{border-collapse:collapse}"
         "td,th{text-align:left;vertical-align:top;padding:.1rem .8rem .1rem 0;overflow-wrap:anywhere}"
         ".step{white-space:pre}pre{background:#f4f4f4;padding:.6rem;overflow:auto;max-height:32rem}.at{background:#ffe08a}"
         ".reason{border-left:.3rem solid #b3261e;padding-left:.7rem}time,.where{color:#595959}"
         "summary{cursor:pointer}:focus-visible{outline:3px solid #3b82f6;outline-offset:2px}")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
TITLES = {401: "Who are you?", 403: "Not allowed", 404: "Not found", 405: "Not possible", 409: "Not turned on",
          429: "Too many tries", 503: "For the moment not available"}


def make_app(gateway: Gateway) -> Flask:
    """The WSGI application below ``/diagnose``; it changes nothing, and holds no script and no cookie."""
    app = Flask(__name__, static_folder=None)
    app.extensions[EXTENSION] = gateway
    app.url_map.merge_slashes = False  # it would redirect
    app.add_url_rule("/", view_func=diagnose, methods=("GET", "HEAD"), provide_automatic_options=False)
    app.wsgi_app = _without_slash(app.wsgi_app)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _error)
    app.after_request(_headers)
    return app


def _without_slash(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """The page's address has no slash at its end; Flask would send the browser on to one that has."""
    def front(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner({**environ, "PATH_INFO": environ.get("PATH_INFO") or "/"}, start_response)
    return front


def diagnose() -> Response:
    """The last failed envelopes of the caller's brand, with what was understood of each, the reason and its line."""
    gateway: Gateway = current_app.extensions[EXTENSION]
    actor = _actor(gateway)
    with gateway.reading(actor) as unit:
        failures = diagnosis.newest(unit)
    html = render_template("diagnose.html", failures=failures, style=STYLE, brand_id=actor.brand_id)
    return Response(html, content_type="text/html; charset=utf-8")


def _actor(gateway: Gateway) -> Actor:
    given = request.authorization
    if given is None or given.type != "basic" or not given.username:
        raise accounts.refused()
    brand_id, name = split_user(given.username)
    remote = client_ip(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""),
                       gateway.settings.trusted_proxies)
    actor = accounts.authenticate_user(gateway, brand_id, name, given.password or "", remote, DOOR)
    gateway.rates.admit(actor)
    return actor


def _http_error(error: HTTPException) -> Response:
    return _page(error.code or 500, "There is only the page /diagnose here; it is read with GET.")


def _error(error: Exception) -> Response:
    """The process boundary: what nobody expected is logged, and the reader gets a page without details."""
    if not isinstance(error, GatewayError) or error.code == "INTERNAL_ERROR":
        event(log, "console page failed", level=logging.ERROR, exc_info=True)
        return _page(500, "Something went wrong. The log of the gateway shows what.")
    answer = _page(error.status, error.message)
    if error.code == "NOT_AUTHENTICATED":
        answer.headers.update(ASK_FOR_PASSWORD)
    if error.retry_after_s:
        answer.headers["Retry-After"] = str(error.retry_after_s)
    return answer


def _page(status: int, text: str) -> Response:
    html = render_template("message.html", title=TITLES.get(status, "Not possible"), text=text, style=STYLE,
                           status=status)
    return Response(html, status, content_type="text/html; charset=utf-8")


def _headers(answer: Response) -> Response:
    answer.headers.update(HEADERS)
    return answer
