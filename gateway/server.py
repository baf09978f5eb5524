"""How are HTTP requests served: one process of threads, or several processes over one socket?

Waitress reads a request whole before a thread sees it, so a slow sender holds no thread.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import re
import resource
import signal
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, ClassVar

import waitress
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask
from waitress.utilities import build_http_date

from gateway.errors import CATALOGUE, GatewayError
from gateway.log import event

log = logging.getLogger("gateway.server")

THREADS = 8
DRAIN_S, DRAIN_LOOK_S = 30.0, 0.1
MAX_BODY_BYTES = 1024**3 + 1024**2  # a little above every door's own limit: the doors refuse in their own dialect
REQUEST_TIME_S = 3600.0
"""How long a request may take to arrive whole: one that trickles for ever would keep its connection and its file."""
HEAD_TIME_S = 30.0
"""How long its headers may take: nobody needs so long, but who wants to take all connections does."""
CONNECTIONS, OTHER_FILES = 1000, 200
"""Connections of a process at most, where its limit of open files allows it beside the files it needs itself."""
CLEANUP_S = 10
"""How often connections are closed that have been silent for too long."""

CODES = {413: "TOO_LARGE", 500: "INTERNAL_ERROR", 501: "NOT_SUPPORTED"}
"""The catalogue's code of what is refused before any door sees it; all else cannot be read."""
WsgiApp = Callable[..., Any]
Headers = list[tuple[str, str]]

AtOnce = Callable[[str, str, Mapping[str, str], str], tuple[str, tuple[tuple[str, str], ...], bytes] | None]
"""Answers a request (method, path, headers with WSGI names, peer) with status line, headers and body from memory, in
microseconds, or None: then it goes the usual way."""

_SIMPLE = re.compile(
    rb"(GET|HEAD) (/[A-Za-z0-9/_-]{1,200}) HTTP/1\.1\r\n((?:[A-Za-z0-9-]{1,60}:[\t\x20-\x7e\x80-\xff]*\r\n){1,60})\r\n")
"""A whole request without body as every browser and mail client writes it; any other goes the usual way."""

_NOT_SIMPLE = frozenset(("HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE"))
_HEADER = re.compile(r"([^:\r]+):[\t ]*([^\r]*?)[\t ]*\r\n")

Dialect = Callable[[GatewayError, str, str], tuple[str, Headers, bytes]]
"""Words a refusal for one door: error, the request's content type and its id become status line, headers and body."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ``OSError`` with the remedy when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise OSError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --host and "
                      "--port.") from None
    return sock


def _refusal(dialects: Mapping[str, Dialect], path: str, content_type: str, error: GatewayError,
             status: str) -> tuple[str, Headers, bytes]:
    """A refusal as the door at ``path``, in whatever case, words it, else in the words of the PUSH door (PUSH-12,
    PUSH-30)."""
    path = path.lower()
    request_id = f"r-{uuid.uuid4().hex[:16]}"
    for prefix, dialect in dialects.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return dialect(error, content_type, request_id)
    body = json.dumps({
        "success": False, "count": 0, "errorMessage": error.message, "code": error.code, "field": None,
        "retryable": error.retryable, "requestId": request_id}).encode()
    headers = [("Content-Type", "application/json"), ("X-Request-Id", request_id)]
    if error.retry_after_s:
        headers.append(("Retry-After", str(error.retry_after_s)))
    return status, headers, body


class _Refusal(ErrorTask):
    """What HTTP itself refuses: a broken header, chunk or length."""

    def execute(self) -> None:
        """Writes the answer and closes the connection."""
        refused, request = self.request.error, self.request
        code = CODES.get(refused.code, "MALFORMED_REQUEST")
        error = GatewayError(code, f"{refused.reason}: {CATALOGUE[code].meaning}")
        self.status, headers, body = _refusal(
            self.channel.dialects, getattr(request, "path", ""), request.headers.get("CONTENT_TYPE", ""), error,
            f"{refused.code} {refused.reason}")
        self.response_headers += headers
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """One connection: closed when nothing comes for a minute (waitress) or a request takes too long to arrive."""

    error_task_class = _Refusal
    dialects: ClassVar[Mapping[str, Dialect]] = {}
    at_once: ClassVar[AtOnce | None] = None
    prefix: ClassVar[bytes] = b""
    began: float | None = None

    def received(self, data: bytes) -> bool:
        """Takes what has come of a request; hangs up on one that does not end in time, and nothing is stored of it
        (SOAP-83)."""
        data = self._answer_at_once(data)
        if not data:
            return True
        done: bool = super().received(data)
        now = time.monotonic()
        if self.request is None:
            self.began = None
        elif self.began is None:
            self.began = now
        elif now - self.began > (REQUEST_TIME_S if self.request.headers_finished else HEAD_TIME_S):
            event(log, "request took too long to arrive", level=logging.WARNING)
            self.will_close = True
        return done

    def _answer_at_once(self, data: bytes) -> bytes:
        """Answers what can be answered by this thread, which reads for all connections; returns the rest of the data.

        A thread of its own for each would cost more than the answer. Only where nothing of this connection is in hand.
        """
        answers: list[bytes] = []
        while (self.at_once is not None and data.find(self.prefix, 0, 5 + len(self.prefix)) > 0 and self.request is None
               and not (self.requests or self.will_close or self.close_when_flushed)
               and (found := _SIMPLE.match(data)) is not None):
            headers = _simple_headers(found[3])
            answer = headers and self.at_once(found[1].decode(), found[2].decode(), headers, self.addr[0])
            if not answer:
                break
            self.close_when_flushed = "close" in headers.get("HTTP_CONNECTION", "").lower()
            answers.append(_written(*answer, is_head=found[1] == b"HEAD", is_last=self.close_when_flushed))
            data = data[found.end():]
        if answers:
            self._send_now(b"".join(answers))
        return data

    def _send_now(self, data: bytes) -> None:
        """Gives the kernel what it takes at once, and keeps the rest for when it takes more."""
        with self.outbuf_lock:
            if not self.total_outbufs_len:
                data = data[self.send(data):]
            if data and self.connected:
                self.outbufs[-1].append(data)
                self.current_outbuf_count += len(data)
                self.total_outbufs_len += len(data)


def _simple_headers(block: bytes) -> dict[str, str] | None:
    """The headers with their WSGI names; None where one comes twice or tells of a body."""
    found = _HEADER.findall(block.decode("latin-1"))
    headers = {_wsgi_name(name): value for name, value in found}
    return headers if len(headers) == len(found) and _NOT_SIMPLE.isdisjoint(headers) else None


@functools.lru_cache(maxsize=512)
def _wsgi_name(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


def _written(status: str, headers: tuple[tuple[str, str], ...], body: bytes, *, is_head: bool, is_last: bool) -> bytes:
    """The answer as it goes over the wire."""
    end = b"Connection: close\r\n" if is_last else b""
    return _head(status, headers) + end + _date(int(time.time())) + (b"" if is_head else body)


@functools.lru_cache(maxsize=512)
def _head(status: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


@functools.lru_cache(maxsize=2)
def _date(now: int) -> bytes:
    return f"Date: {build_http_date(now)}\r\n\r\n".encode()


class _Drain:
    """Between being told to stop and stopping: what is in hand is finished, what comes now is sent away (PUSH-13).

    The loop goes on meanwhile, so that the answers really leave. It ends when nothing is in hand, or after 30 s.
    """

    def __init__(self, app: WsgiApp, dialects: Mapping[str, Dialect]) -> None:
        self._app = app
        self._dialects = dialects
        self._ends_at: float | None = None
        self.server: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """The application, until the end has begun."""
        if self._ends_at is None:
            return self._app(environ, start_response)
        error = GatewayError("UNAVAILABLE", "This server is stopping; nothing was done. Send it again.",
                             retry_after_s=5)
        status, headers, body = _refusal(self._dialects, environ["PATH_INFO"], environ.get("CONTENT_TYPE", ""), error,
                                         "503 Service Unavailable")
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def begin(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of SIGTERM and SIGINT: the end begins; a second signal ends it now."""
        if self._ends_at is not None:
            raise SystemExit(0)
        self._ends_at = time.monotonic() + DRAIN_S
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, DRAIN_LOOK_S, DRAIN_LOOK_S)

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        in_hand = any(channel.requests or channel.total_outbufs_len
                      for channel in list(self.server.active_channels.values()))
        if not in_hand or time.monotonic() >= (self._ends_at or 0):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise SystemExit(0)


def serve(app: WsgiApp, sock: socket.socket, dialects: Mapping[str, Dialect] | None = None, *,
          at_once: AtOnce | None = None, prefix: str = "") -> None:
    """Serves until SIGTERM or SIGINT; requests in hand are finished before it returns, later ones are answered 503.

    ``dialects``: how doors word what is refused before they see it, by the path they are mounted at. ``at_once``
    answers simple requests of paths that begin with ``prefix`` before the application is asked.
    """
    drain = _Drain(app, dialects or {})
    server = waitress.create_server(
        drain, sockets=[sock], threads=THREADS, ident=None, clear_untrusted_proxy_headers=False,
        max_request_body_size=MAX_BODY_BYTES, max_request_header_size=65536, channel_timeout=60,
        cleanup_interval=CLEANUP_S, connection_limit=_connections(), asyncore_use_poll=True, expose_tracebacks=False)
    server.channel_class = type("Channel", (Channel,), {
        "dialects": dialects or {}, "at_once": at_once and staticmethod(at_once), "prefix": prefix.encode()})
    drain.server = server
    signal.signal(signal.SIGTERM, drain.begin)
    signal.signal(signal.SIGINT, drain.begin)
    try:
        server.run()
    finally:
        server.close()


def _connections() -> int:
    """How many connections this process may have, after it has asked for as many open files as that takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(soft - OTHER_FILES, soft // 2)
    return CONNECTIONS


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def stop_on_signals() -> None:
    """From now on SIGTERM and SIGINT end the main thread with ``SystemExit``, so that what it started is closed."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)


def wait_for_stop() -> None:
    """Blocks the main thread until SIGTERM or SIGINT."""
    stop_on_signals()
    try:
        while True:
            signal.pause()
    except SystemExit:
        return


def supervise(children: list[Callable[[], None]]) -> None:
    """Forks one process per callable, starts again what dies, and stops all on SIGTERM or SIGINT.

    Call it before the process has threads or database connections. Returns when all have stopped.
    """
    running: dict[int, Callable[[], None]] = {}
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for pid in running:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for child in children:
        running[_fork(child)] = child
    while running:
        pid, status = os.wait()
        child = running.pop(pid, None)
        if child is None:
            continue
        if not stopping:
            event(log, "process ended, starting it again", level=logging.ERROR, status=status)
            running[_fork(child)] = child


def _fork(child: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    stop_on_signals()
    code = 1
    try:
        child()
        code = 0
    except SystemExit:
        code = 0
    except BaseException:  # the boundary of a process: whatever ended it is logged, and the parent decides
        event(log, "process failed", level=logging.ERROR, exc_info=True)
    finally:
        os._exit(code)
