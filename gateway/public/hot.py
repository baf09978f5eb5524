"""What does an open or a click get, at once and without the database? (SEND-45..47, SEND-51)

Everything here is in memory but for one ``write`` to the spool. What is not, such as a wrong token or a link nobody has
asked for since the start, is left to the pages behind: :mod:`gateway.public.app`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from gateway.domain import tokens
from gateway.domain.callers import client_ip
from gateway.domain.hits import HIDDEN_URL, Hit, kept_ip, location
from gateway.domain.tokens import Token
from gateway.errors import GatewayError
from gateway.services import hits
from gateway.services.gateway import Gateway

PATH, METHODS = "/t/", ("GET", "HEAD")
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
MAX_FORWARDED = 300
PREFETCH_HEADERS = ("HTTP_PURPOSE", "HTTP_SEC_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
_AHEAD = ("prefetch", "prerender", "preview")

Headers = tuple[tuple[str, str], ...]
Answer = tuple[str, Headers, bytes]
WsgiApp = Callable[..., Iterable[bytes]]

SAFE: Headers = (
    ("Cache-Control", "no-store, private, max-age=0"), ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"), ("X-Robots-Tag", "noindex, nofollow"))
_PICTURE: Answer = ("200 OK", (("Content-Type", "image/gif"), ("Content-Length", str(len(GIF))), *SAFE), GIF)
_NOTHING: Answer = ("200 OK", (("Content-Type", "text/plain"), ("Content-Length", "0"), *SAFE), b"")


class Hot:
    """Answers at the tracking addresses: those of a server's own thread, and before and behind a WSGI application."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        settings = gateway.settings
        self._ip = lru_cache(maxsize=4096)(
            lambda remote, forwarded: kept_ip(client_ip(remote, forwarded, settings.trusted_proxies), settings.keep_ip))

    def before(self, app: WsgiApp) -> WsgiApp:
        """The application with the tracking addresses before it; it gets what is not answered at once."""
        def hot_or_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            method, path, answer = environ["REQUEST_METHOD"], environ["PATH_INFO"], None
            if path.startswith(PATH):
                answer = self.at_once(method, path, environ, environ.get("REMOTE_ADDR", ""))
            if answer is None:
                return app(environ, start_response)
            status, headers, body = answer
            start_response(status, list(headers))
            return [] if method == "HEAD" else [body]
        return hot_or_app

    def at_once(self, method: str, path: str, headers: Mapping[str, str], remote: str) -> Answer | None:
        """The answer to a hit that is in the spool by now; None: nothing was done, ask the application.

        ``headers``: with names as in a WSGI environment. Takes some microseconds; opens no file, asks no database.
        """
        gateway = self._gateway
        if method not in METHODS or not gateway.hits.is_ready:
            return None
        token = tokens.read(gateway.keys, path[len(PATH):])
        if token is None:
            return None
        answer = _PICTURE if token.kind in hits.OPENS else _redirect(hits.url_at_hand(gateway, token))
        if answer is not None:
            self._keep(token, method, headers, remote)
        return answer

    def at_leisure(self, method: str, text: str, headers: Mapping[str, str], remote: str) -> Answer | None:
        """As :meth:`at_once`, with whatever file and store it takes. None: a wrong token, or no such link.

        Raises ``UNAVAILABLE`` when a link cannot be looked up; the hit is kept all the same (SEND-47).
        """
        token = tokens.read(self._gateway.keys, text)
        if token is None or token.kind not in (*hits.OPENS, *hits.CLICKS):
            return None
        answer: Answer | None = _PICTURE
        if token.kind in hits.CLICKS:
            try:
                answer = _redirect(hits.url_of(self._gateway, token))
            except GatewayError:
                self._keep(token, method, headers, remote)
                raise
        if answer is not None:
            self._keep(token, method, headers, remote)
        return answer

    def _keep(self, token: Token, method: str, headers: Mapping[str, str], remote: str) -> None:
        """Puts the hit into the spool; its address is shortened before it reaches a disk (SEND-51)."""
        forwarded = headers.get("HTTP_X_FORWARDED_FOR", "")[-MAX_FORWARDED:]
        ahead = any(name in headers and _is_ahead(headers[name]) for name in PREFETCH_HEADERS)
        hits.keep(self._gateway, token, Hit(method, headers.get("HTTP_USER_AGENT", ""), self._ip(remote, forwarded),
                                            ahead))


def _is_ahead(purpose: str) -> bool:
    return any(word in purpose.lower() for word in _AHEAD)


@lru_cache(maxsize=4096)
def _redirect(url: str | None) -> Answer | None:
    """302 to a frozen URL; nothing to see behind the link that no person sees (SEND-52)."""
    if url == HIDDEN_URL:
        return _NOTHING
    target = location(url) if url else None
    if target is None:
        return None
    return "302 Found", (("Content-Type", "text/plain"), ("Content-Length", "0"), ("Location", target), *SAFE), b""
