"""What does a recipient get? Pictures, redirects and small pages, without script, cookie or log-in (SEND-45..48)."""

from __future__ import annotations

import base64
import hashlib
import logging

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, NotFound

from gateway.domain.callers import client_ip
from gateway.domain.hits import Hit, shorten
from gateway.domain.tokens import Kind
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import tracking
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.public")

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
ONE_CLICK = "One-Click"
MAX_FORM_BYTES = 16 * 1024

STYLE = ("body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#1b1b1b;"
         "background:#fff}h1{font-size:1.4rem}button{font:inherit;padding:.6rem 1.2rem;border:2px solid #1b1b1b;"
         "border-radius:.3rem;background:#1b1b1b;color:#fff;cursor:pointer}"
         "button:focus-visible{outline:3px solid #3b82f6;outline-offset:2px}")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

PAGE_POLICY = (f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
               "frame-ancestors 'none'")
VIEW_POLICY = ("sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
               "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline' http: https:; "
               "font-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
"""An author's message may bring pictures and styles, never script."""

EXTENSION = "gateway"
TEXTS = {
    404: ("Not found", "This address is not one of ours, or it was cut off on its way. Copy it again in full."),
    405: ("Not possible", "This address does not take this kind of request."),
    413: ("Too large", "This address takes only a short form."),
    503: ("For the moment not available", "Nothing was changed. Please try again in a minute."),
}
OTHER = ("Something went wrong", "Nothing was changed. Please try again later.")


def make_app(gateway: Gateway) -> Flask:
    """The WSGI application of ``/t/``, ``/u/`` and ``/v/``; everything else is a small 404 page."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.extensions[EXTENSION] = gateway
    routes = (("/t/<token>", hit, ("GET", "HEAD")), ("/u/<token>", unsubscribe, ("GET", "HEAD", "POST")),
              ("/v/<token>", view, ("GET", "HEAD")))
    for rule, function, methods in routes:
        app.add_url_rule(rule, view_func=function, methods=methods, provide_automatic_options=False)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _error)
    app.after_request(_headers)
    return app


# --- addresses ----------------------------------------------------------------------------------------------------


def hit(token: str) -> Response:
    """The picture that tells of an open, or the redirect of a click. A wrong token: the same 404 for all."""
    gateway = _gateway()
    kind = tracking.kind_of(gateway, token)
    if kind is Kind.OPEN:
        tracking.opened(gateway, token, _hit())
        return _uncached(Response(GIF, content_type="image/gif"))
    url = tracking.clicked(gateway, token, _hit()) if kind is Kind.CLICK else None
    if url is None:
        raise NotFound
    answer = Response(status=302, content_type="text/plain")
    answer.headers["Location"] = url
    answer.autocorrect_location_header = False
    return _uncached(answer)


def unsubscribe(token: str) -> Response:
    """GET and HEAD show a page and change nothing; POST acts (SEND-48, RFC 8058)."""
    gateway = _gateway()
    if request.method != "POST":
        return _page("unsubscribe.html", tracking.unsubscribe_page(gateway, token))
    one_click = request.form.get("List-Unsubscribe", "").strip() == ONE_CLICK
    return _page("unsubscribed.html", tracking.unsubscribe(gateway, token, one_click))


def view(token: str) -> Response:
    """The message in a browser."""
    html = tracking.view(_gateway(), token)
    if html is None:
        raise NotFound
    answer = _uncached(Response(html, content_type="text/html; charset=utf-8"))
    answer.headers["Content-Security-Policy"] = VIEW_POLICY
    return answer


# --- parts -----------------------------------------------------------------------------------------------------------


def _gateway() -> Gateway:
    return current_app.extensions[EXTENSION]


def _hit() -> Hit:
    ip = client_ip(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""),
                   _gateway().settings.trusted_proxies)
    return Hit(request.method, request.headers.get("User-Agent", ""), shorten(ip))


def _page(template: str, page: tracking.UnsubscribePage | None) -> Response:
    if page is None:
        raise NotFound
    return _uncached(Response(render_template(template, page=page, style=STYLE),
                              content_type="text/html; charset=utf-8"))


def _uncached(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store, private, max-age=0"
    return answer


def _http_error(error: HTTPException) -> Response:
    answer = _error_page(error.code or 500)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _error(error: Exception) -> Response:
    """The process boundary: what nobody expected is logged, and the reader gets a page without details."""
    if isinstance(error, GatewayError) and error.code == "UNAVAILABLE":
        answer = _error_page(503)
        answer.headers["Retry-After"] = str(error.retry_after_s or 60)
        return answer
    event(log, "public page failed", level=logging.ERROR, exc_info=True)
    return _error_page(500)


def _error_page(status: int) -> Response:
    title, text = TEXTS.get(status, OTHER)
    html = render_template("error.html", title=title, text=text, style=STYLE)
    return _uncached(Response(html, status, content_type="text/html; charset=utf-8"))


def _headers(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer
