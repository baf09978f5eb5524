"""What does a recipient get? Pictures, redirects and small pages, without script, cookie or log-in (SEND-45..48)."""

from __future__ import annotations

import base64
import hashlib
import logging

from flask import Flask, Response, current_app, render_template, request
from werkzeug.exceptions import HTTPException, NotFound

from gateway.domain.accounts import Actor
from gateway.domain.hits import is_scanner
from gateway.errors import GatewayError
from gateway.log import event
from gateway.public import forms
from gateway.public.hot import SAFE, Hot
from gateway.services import preferences, tracking
from gateway.services.gateway import Gateway
from gateway.services.preferences import DonePage, FormPage
from gateway.services.ratelimits import Rates

log = logging.getLogger("gateway.public")

ONE_CLICK = "One-Click"
MAX_FORM_BYTES = 16 * 1024
MAX_PREFERENCES_BYTES = 256 * 1024
FORMS_A_MINUTE = 30
"""Of one delivery and process."""
DONE = {preferences.UNSUBSCRIBE: "You are unsubscribed", preferences.RETURN: "You are subscribed again"}

STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem;color:#1b1b1b;"
    "background:#fff;overflow-wrap:break-word}h1{font-size:1.4rem}h2{font-size:1.15rem;margin-top:2.5rem}"
    "button{font:inherit;padding:.6rem 1.2rem;border:2px solid #1b1b1b;"
    "border-radius:.3rem;background:#1b1b1b;color:#fff;cursor:pointer}button.second{background:#fff;color:#1b1b1b}"
    ":focus-visible{outline:3px solid #1d4ed8;outline-offset:2px}a{color:#1d4ed8}"
    "fieldset{border:0;margin:2.5rem 0 1.5rem;padding:0;min-width:0}"
    "legend{font-size:1.15rem;font-weight:bold;padding:0}"
    ".row{margin:1rem 0}.row label{display:block;margin-bottom:.25rem}"
    "input[type=text],input[type=date],select,textarea{font:inherit;box-sizing:border-box;width:100%;padding:.5rem;"
    "border:1px solid #595959;border-radius:.3rem;background:#fff;color:#1b1b1b}"
    ".row [aria-invalid]{border:2px solid #b91c1c}"
    ".tick{position:relative;margin:.75rem 0;padding-left:2.25rem}"
    ".tick input{position:absolute;left:0;top:.2rem;width:1.35rem;height:1.35rem;margin:0}"
    ".hint{margin:0;color:#595959;font-size:1rem}.problem{margin:.25rem 0;color:#b91c1c;font-weight:bold}"
    ".summary{border:2px solid #b91c1c;border-radius:.3rem;padding:0 1rem}.summary h2{margin-top:1rem}"
    ".note{border-left:.3rem solid #1b1b1b;padding-left:.8rem}dt{color:#595959}dd{margin:0 0 .75rem}")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

PAGE_POLICY = (f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; "
               "frame-ancestors 'none'")
VIEW_POLICY = ("sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; "
               "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline' http: https:; "
               "font-src http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
"""An author's message may bring pictures and styles, never script."""

EXTENSION, HOT, RATES = "gateway", "hot", "rates"
TEXTS = {
    404: ("Not found", "This address is not one of ours, or it was cut off on its way. Copy it again in full."),
    405: ("Not possible", "This address does not take this kind of request."),
    403: ("Not possible", "This form was not sent from its own page. Open the link in your message and try again."),
    413: ("Too large", "This address takes only a short form."),
    415: ("Not possible", "This address takes only its own form."),
    429: ("Too many requests", "Nothing was changed. Please try again in a minute."),
    503: ("For the moment not available", "Nothing was changed. Please try again in a minute."),
}
TEST_COPY = ("A test copy", "This link comes from a test copy of a mailing, which is not kept. In the mailing it "
                            "shows each recipient their message.")
OTHER = ("Something went wrong", "Nothing was changed. Please try again later.")


def make_app(gateway: Gateway) -> Flask:
    """The WSGI application of ``/t/``, ``/u/``, ``/p/`` and ``/v/``; everything else is a small 404 page.

    Opens and clicks are answered before Flask wherever they can be (:mod:`gateway.public.hot`).
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.url_map.merge_slashes = False  # it would redirect
    app.extensions[EXTENSION] = gateway
    app.extensions[HOT] = hot = Hot(gateway)
    app.extensions[RATES] = Rates(FORMS_A_MINUTE)
    app.wsgi_app = hot.before(app.wsgi_app)
    routes = (("/t/<token>", hit, ("GET", "HEAD")), ("/u/<token>", unsubscribe, ("GET", "HEAD", "POST")),
              ("/p/<token>", preference_form, ("GET", "HEAD", "POST")), ("/v/<token>", view, ("GET", "HEAD")))
    for rule, function, methods in routes:
        app.add_url_rule(rule, view_func=function, methods=methods, provide_automatic_options=False)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _error)
    app.after_request(_headers)
    return app


# --- addresses ----------------------------------------------------------------------------------------------------


def hit(token: str) -> Response:
    """The picture that tells of an open, or the redirect of a click. A wrong token: the same 404 for all."""
    hot: Hot = current_app.extensions[HOT]
    found = hot.at_leisure(request.method, token, request.environ, request.remote_addr or "")
    if found is None:
        raise NotFound
    status, headers, body = found
    answer = Response(body, status, list(headers))
    answer.autocorrect_location_header = False
    return answer


def unsubscribe(token: str) -> Response:
    """GET and HEAD show a page and change nothing; POST acts (SEND-48, RFC 8058).

    A scanner that presses the page's button is shown the page again. One-click is what mailbox providers send for
    their people, whatever they call themselves.
    """
    gateway = _gateway()
    if request.method != "POST":
        return _unsubscribe_page("unsubscribe.html", token, tracking.unsubscribe_page(gateway, token))
    one_click = ONE_CLICK in map(str.strip, request.form.getlist("List-Unsubscribe"))
    if not one_click and is_scanner(request.headers.get("User-Agent", "")):
        return _unsubscribe_page("unsubscribe.html", token, tracking.unsubscribe_page(gateway, token))
    return _unsubscribe_page("unsubscribed.html", token, tracking.unsubscribe(gateway, token, one_click))


def preference_form(token: str) -> Response:
    """GET and HEAD show the form and change nothing; POST changes what the person changed on it (ID-39, ID-56).

    A scanner that sends the form is shown it again, without asking any system, as for HEAD. One delivery's form is
    answered so many times a minute: each may ask a foreign system.
    """
    gateway = _gateway()
    whose = preferences.delivery_of(gateway, token)
    if whose is None:
        raise NotFound
    current_app.extensions[RATES].admit(Actor(whose[0], f"form:{whose[1]}", "public"))
    is_machine = is_scanner(request.headers.get("User-Agent", ""))
    if request.method != "POST" or is_machine:
        return _form(preferences.open_form(gateway, token, ask_systems=request.method == "GET" and not is_machine))
    forms.require_own_form(request, gateway.settings.public_url)
    request.max_content_length = MAX_PREFERENCES_BYTES
    act = request.form.get("act", "")
    if act in (preferences.UNSUBSCRIBE, preferences.RETURN):
        return _form(preferences.act(gateway, token, act))
    return _form(preferences.save(gateway, token, forms.posted(request.form)))


def view(token: str) -> Response:
    """The message in a browser."""
    if tracking.is_test_copy(_gateway(), token):
        return _text_page(200, *TEST_COPY)
    html = tracking.view(_gateway(), token)
    if html is None:
        raise NotFound
    answer = Response(html, content_type="text/html; charset=utf-8")
    answer.headers["Content-Security-Policy"] = VIEW_POLICY
    return answer


# --- parts -----------------------------------------------------------------------------------------------------------


def _gateway() -> Gateway:
    return current_app.extensions[EXTENSION]


def _unsubscribe_page(template: str, token: str, page: tracking.UnsubscribePage | None) -> Response:
    return _page(template, page, preferences=preferences.path_for(_gateway(), token))


def _form(page: FormPage | DonePage | None) -> Response:
    if isinstance(page, DonePage):
        title = DONE.get(page.act, "Saved" if page.made else "Nothing to save")
        return _page("preferences_done.html", page, title=title, here=request.path)
    return _page("preferences.html", page, 422 if page is not None and page.problems else 200, is_day=forms.is_day)


def _page(template: str, page: object | None, status: int = 200, **more: object) -> Response:
    if page is None:
        raise NotFound
    html = render_template(template, page=page, style=STYLE, **more)
    return Response(html, status, content_type="text/html; charset=utf-8")


def _http_error(error: HTTPException) -> Response:
    answer = _error_page(error.code or 500)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _error(error: Exception) -> Response:
    """The process boundary: what nobody expected is logged, and the reader gets a page without details."""
    if isinstance(error, GatewayError) and error.code in ("UNAVAILABLE", "TOO_MANY_REQUESTS"):
        answer = _error_page(503 if error.code == "UNAVAILABLE" else 429)
        answer.headers["Retry-After"] = str(error.retry_after_s or 60)
        return answer
    event(log, "public page failed", level=logging.ERROR, exc_info=True)
    return _error_page(500)


def _error_page(status: int) -> Response:
    return _text_page(status, *TEXTS.get(status, OTHER))


def _text_page(status: int, title: str, text: str) -> Response:
    html = render_template("text.html", title=title, text=text, style=STYLE)
    return Response(html, status, content_type="text/html; charset=utf-8")


def _headers(answer: Response) -> Response:
    answer.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    answer.headers.update(SAFE)
    return answer
