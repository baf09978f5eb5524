"""How do we ask the one system of a configuration, with its credentials, and what does its answer mean?"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urljoin, urlsplit

from gateway.bridges.http.config import HttpConfig, OAuth
from gateway.bridges.http.places import Json, at
from gateway.bridges.http.wire import Answer, Wire
from gateway.bridges.port import Outage, Refused

MAX_REDIRECTS = 5
MAX_DEPTH = 50
MAX_WAITS, PATIENCE_S = 5, 120.0  # a page comes within the five minutes of a sync's lease
DEFAULT_TOKEN_S, TOKEN_MARGIN_S = 300.0, 30.0
_FOLLOWED, _FOLLOWED_ALWAYS = (301, 302, 303, 307, 308), (307, 308)
_AWAY = (401, 408, 425, 429)
"""Answers that say nothing about the record: credentials that do not count any more, and a system that is too busy."""


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float


class Client:
    """One system: its origin, its credentials, its limits. Texts of errors show a status, and nothing else it said."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._wire = Wire(config.ca_file)
        self._token: _Token | None = None
        self._tokens = threading.Lock()  # several requests at once fetch one token
        self._is_closed = threading.Event()

    def url(self, path: str) -> str:
        """The address of a path below the configured one."""
        return self._config.url + path

    def same_origin(self, found: str, base: str) -> str:
        """An address that the system named, made whole. Raises :class:`Refused` if it leads to another system."""
        try:
            there = urlsplit(urljoin(base, found))
            leads_away = _origin(there.scheme, there.hostname, there.port) != _own(self._config.url)
        except ValueError:
            leads_away = True
        if leads_away or not found.isprintable():
            raise Refused("The system refers to an address of another system, which is not followed.")
        own = urlsplit(self._config.url)  # whatever else the text may have meant to somebody who reads it otherwise
        safe = "/%:@!$&'()*+,;=?-._~[]"
        return (f"{own.scheme}://{own.netloc}{quote(there.path or '/', safe=safe)}"
                + (f"?{quote(there.query, safe=safe)}" if there.query else ""))

    def get(self, url: str, limit_s: float | None = None, *, patient: bool = False) -> Answer:
        """What the system answers to a GET; any 2xx. ``patient``: waits when it says for how many seconds it is busy.

        The waiting is bounded, and ends when somebody closes the client. Raises :class:`Outage` and :class:`Refused`.
        """
        limit_s = self._config.timeout_s if limit_s is None else limit_s
        patience = time.monotonic() + PATIENCE_S
        for _ in range(MAX_WAITS if patient else 0):
            answer = self._ask("GET", url, None, {}, limit_s)
            wait = answer.headers.get("retry-after", "")[:9]
            if answer.status not in (429, 503) or not wait.isdecimal() or time.monotonic() + int(wait) > patience:
                return _good(answer)
            if self._is_closed.wait(int(wait)):
                raise Outage("The bridge was closed while the system was busy.")
        return _good(self._ask("GET", url, None, {}, limit_s))

    def search(self, url: str, body: Json, limit_s: float) -> Answer:
        """What the system answers to a POST that only asks; any 2xx. Raises :class:`Outage` and :class:`Refused`."""
        return _good(self._ask("POST", url, json.dumps(body).encode(), {"Content-Type": "application/json"}, limit_s))

    def send(self, method: str, url: str, body: Json, key: str) -> None:
        """Sends a change; returns when the system says that it is done. ``key`` goes along as ``Idempotency-Key``."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Idempotency-Key": key} | ({} if data is None else {"Content-Type": "application/json"})
        _good(self._ask(method, url, data, headers, self._config.timeout_s, is_read=False))

    def status(self, url: str) -> int:
        """The status of a GET, if it is one of a system that is there. Raises :class:`Outage`."""
        answer = self._ask("GET", url, None, {}, self._config.timeout_s, is_read=False)
        try:
            _good(answer)
        except Refused:
            return answer.status  # it answers
        return answer.status

    def close(self) -> None:
        """Closes the connections; may be called from another thread, whose waiting for a busy system then ends."""
        self._is_closed.set()
        self._wire.close()

    def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], limit_s: float, *,
             is_read: bool = True) -> Answer:
        """The answer, of whatever status, with a fresh token if the one we had does not count any more."""
        deadline, held = time.monotonic() + limit_s, self._token
        answer = self._follow(method, url, body, headers, deadline, is_read)
        if answer.status == 401 and self._config.oauth is not None and held is not None:
            with self._tokens:
                if self._token is held:  # else another request has fetched a new one meanwhile
                    self._token = None
            answer = self._follow(method, url, body, headers, deadline, is_read)
        return answer

    def _follow(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str],
                deadline: float, is_read: bool) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            whole = {"Accept": "application/json", **headers, **self._credentials(deadline)}
            answer = self._wire.exchange(method, url, whole, body, _left(deadline), is_read=is_read)
            where = answer.headers.get("location")
            if where is None or answer.status not in (_FOLLOWED if method == "GET" else _FOLLOWED_ALWAYS):
                return answer
            url = self.same_origin(where, url)
        raise Refused("The system sends us from one address to the next without an end.")

    def _credentials(self, deadline: float) -> Mapping[str, str]:
        oauth = self._config.oauth
        if oauth is None:
            return self._config.headers
        with self._tokens:
            if self._token is None or time.monotonic() >= self._token.until:
                self._token = self._fetch(oauth, deadline)
            return {"Authorization": f"Bearer {self._token.text}"}

    def _fetch(self, oauth: OAuth, deadline: float) -> _Token:
        form = {"grant_type": "client_credentials"} | ({} if oauth.scope is None else {"scope": oauth.scope})
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if oauth.in_body:
            form |= {"client_id": oauth.client_id, "client_secret": oauth.client_secret}
        else:
            pair = f"{quote(oauth.client_id, safe='')}:{quote(oauth.client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        answer = self._wire.exchange("POST", oauth.token_url, headers, urlencode(form).encode(), _left(deadline))
        if not 200 <= answer.status < 300:  # of whatever kind: no record is to blame for it
            raise Outage(f"The system's token service gives no token (HTTP status {answer.status}).")
        try:
            found = parsed(answer)
        except Refused:
            found = None
        text, seconds = at(found, "access_token"), at(found, "expires_in")
        if not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text or " " in text:
            raise Outage("The system's token service answers without a token.")
        try:
            lasts = float(str(seconds))
        except ValueError:
            lasts = DEFAULT_TOKEN_S
        return _Token(text, time.monotonic() + max(lasts - TOKEN_MARGIN_S, lasts / 2, 0.0))


def parsed(answer: Answer) -> Json:
    """The JSON of an answer. Raises :class:`Refused` for anything else, also for one that is nested too deeply."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Refused("The system's answer is not JSON. Check the address in the bridge's configuration.") from None
    level: list[Json] = [value]
    for _ in range(MAX_DEPTH):
        level = [part for each in level if isinstance(each, dict | list)
                 for part in (each.values() if isinstance(each, dict) else each)]
        if not level:
            return value
    raise Refused(f"The system's answer is nested more than {MAX_DEPTH} levels deep.")


def _good(answer: Answer) -> Answer:
    if 200 <= answer.status < 300:
        return answer
    if answer.status == 401:
        raise Outage("The system does not accept our credentials (HTTP status 401).")
    if answer.status >= 500 or answer.status in _AWAY:
        raise Outage(f"The system is away or too busy (HTTP status {answer.status}).")
    if answer.status in (404, 410):
        raise NotThere(f"The system has nobody or nothing there (HTTP status {answer.status}).")
    raise Refused(f"The system does not take the request (HTTP status {answer.status}).")


class NotThere(Refused):
    """The system says that there is nothing at this address."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Outage("The system did not answer in time.")
    return left


def _own(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return _origin(parts.scheme, parts.hostname, parts.port)


def _origin(scheme: str, host: str | None, port: int | None) -> tuple[str, str | None, int | None]:
    return scheme, host, port if port is not None else {"https": 443, "http": 80}.get(scheme)
