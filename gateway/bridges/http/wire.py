"""How does one request cross the wire, and how does no answer hang us or fill the memory?"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from gateway.bridges.port import Outage, Refused

CONNECT_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 16 << 20
AT_ONCE = 4
"""So many requests may be under way at once; as many connections are kept."""
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Session(requests.Session):
    """One that leaves redirects alone: the library would read such an answer whole and take its address apart."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, whatever the answer says."""


class Wire:
    """Connections to foreign servers: certificates verified, no redirect followed, no cookie kept, nothing read from
    the environment. A connection is kept and used again until :meth:`close`. Several threads may use it at once."""

    def __init__(self, ca_file: str | None) -> None:
        self._at_work: dict[int, HTTPConnection] = {}  # thread -> the connection of its exchange
        self._session = _Session()
        self._session.trust_env = False  # neither a proxy nor somebody's .netrc
        self._session.verify = True if ca_file is None else ca_file
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers = {"User-Agent": "gateway-bridge", "Accept-Encoding": "identity"}  # type: ignore
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=AT_ONCE)
        adapter.poolmanager.pool_classes_by_scheme = {  # type: ignore[attr-defined]
            "http": _pools(HTTPConnectionPool, self._at_work), "https": _pools(HTTPSConnectionPool, self._at_work)}
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None,
                 limit_s: float, *, is_read: bool = True) -> Answer:
        """Sends one request and reads its answer to the end, all within ``limit_s``.

        Raises :class:`Outage` when there is no whole answer in time, :class:`Refused` for one that is too large or
        compressed; if not ``is_read``, only its status counts, and of its body there is no more than a little.
        """
        deadline = time.monotonic() + limit_s
        # limits of sockets begin anew with every byte that trickles in
        watch = threading.Timer(limit_s, self._cut, (threading.get_ident(),))
        watch.daemon = True
        watch.start()
        try:
            with self._session.request(
                    method, url, headers=dict(headers), data=body, stream=True, allow_redirects=False,
                    timeout=(min(CONNECT_TIMEOUT_S, limit_s), limit_s)) as response:
                return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()},
                              _read(response, deadline, is_read))
        except requests.exceptions.SSLError:
            raise Outage("The system's certificate is not valid, or there is no encrypted way to it.") from None
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:  # their texts show the address
            why = "it did not answer in time" if time.monotonic() >= deadline else type(error).__name__
            raise Outage(f"The system cannot be reached or broke off its answer ({why}).") from None
        finally:
            watch.cancel()
            self._at_work.pop(threading.get_ident(), None)

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def _cut(self, thread: int) -> None:
        connection = self._at_work.get(thread)
        sock = None if connection is None else connection.sock
        if sock is not None:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return


def _read(response: requests.Response, deadline: float, is_read: bool) -> bytes:
    if is_read and response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused("The system sends a compressed answer, which nobody asked for.")
    pieces, size = [], 0
    while piece := response.raw.read1(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if not is_read and size > _PIECE_BYTES:
            response.close()  # whoever sends more than a note back must not keep us
            break
        if size > MAX_ANSWER_BYTES:
            raise Refused(f"The system's answer has more than {MAX_ANSWER_BYTES >> 20} MB. Ask for smaller pages.")
    if time.monotonic() >= deadline:  # what was cut off may look like an end
        raise requests.Timeout
    return b"".join(pieces)


def _pools(base: type[HTTPConnectionPool], at_work: dict[int, HTTPConnection]) -> type[HTTPConnectionPool]:
    """The pool of urllib3, whose connections are noted for the thread that uses them."""
    def connect(self: Any) -> None:
        at_work[threading.get_ident()] = self
        kind.connect(self)

    def request(self: Any, *args: Any, **more: Any) -> None:  # over one that was connected before
        at_work[threading.get_ident()] = self
        kind.request(self, *args, **more)

    kind: Any = base.ConnectionCls
    noted = type("NotedConnection", (kind,), {"connect": connect, "request": request})
    return type("NotingPool", (base,), {"ConnectionCls": noted})
