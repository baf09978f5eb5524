"""Where do mail servers hand over what came back? Sockets of LMTP and SMTP in a thread of the worker (SEND-53)"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import SplitResult, urlsplit

from gateway.intake.session import Limits, Post, Session
from gateway.log import event
from gateway.services import inbound
from gateway.services.gateway import Gateway

log = logging.getLogger("gateway.intake")

STORING = 4
"""So many mails are stored at the same time; SQLite has one writer anyhow."""
BUSY = b"421 4.3.2 too many connections\r\n"


class Listener:
    """All listening sockets of a process. An address that is taken, as by another worker of this host, is tried again:
    when that one ends, this one takes over."""

    def __init__(self, gateway: Gateway, limits: Limits | None = None, *, retry_s: float = 5.0) -> None:
        self._gateway, self._limits, self._retry_s = gateway, limits or Limits(), retry_s
        self._name = inbound.bounce_domain(gateway)
        self._open: Counter[str] = Counter()
        self._sessions: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Starts listening where the settings say; does nothing when they name no place."""
        if not self._gateway.settings.bounce_listen or self._thread is not None:
            return
        self._said = inbound.say_listening(self._gateway)
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="intake", daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Tells every client that we are going and waits for the end; a mail that was answered is stored."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None
        self._said.close()

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        with ThreadPoolExecutor(STORING, thread_name_prefix="intake") as pool:
            self._pool = pool
            first_tries = []
            listening = []
            for url in self._gateway.settings.bounce_listen:
                tried = asyncio.Event()
                first_tries.append(tried.wait())
                listening.append(asyncio.create_task(self._listen(urlsplit(url), tried)))
            await asyncio.gather(*first_tries)
            ready.set()
            await self._stop.wait()
            for task in (*listening, *self._sessions):
                task.cancel()
            await asyncio.gather(*listening, *self._sessions, return_exceptions=True)

    async def _listen(self, url: SplitResult, tried: asyncio.Event) -> None:
        """One address, until it is cancelled."""
        where = url.path or f"{url.hostname}:{url.port}"
        while True:
            try:
                server = await self._open_socket(url)
            except OSError as error:
                if not tried.is_set():
                    event(log, "bounces cannot come in here now", level=logging.WARNING, where=where,
                          reason=error.strerror or str(error))
                tried.set()
                await asyncio.sleep(self._retry_s)
                continue
            event(log, "bounces may come in", where=where, protocol=url.scheme)
            tried.set()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()

    async def _open_socket(self, url: SplitResult) -> asyncio.Server:
        answer = partial(self._answer, url.scheme)
        if url.hostname:
            return await asyncio.start_server(answer, url.hostname, url.port)
        if _is_answered(url.path):  # asyncio would take the path from a worker that lives
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        server = await asyncio.start_unix_server(answer, url.path)
        os.chmod(url.path, 0o666)  # noqa: S103 - who may reach it is the folder's business, as with every mail server's
        return server

    async def _answer(self, protocol: str, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection: refused when there are too many, from everywhere or from one host."""
        peer = writer.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        too_many = (self._open.total() >= self._limits.connections
                    or (host and self._open[host] >= self._limits.per_host))
        task = asyncio.current_task()
        try:
            if too_many or task is None:
                writer.write(BUSY)
                return
            self._open[host] += 1
            self._sessions.add(task)
            try:
                post = Post(partial(inbound.accepts, self._gateway), partial(self._keep, protocol))
                await Session(protocol, self._name, post, self._limits, reader, writer).run()
            finally:
                self._sessions.discard(task)
                self._open[host] -= 1
        except asyncio.CancelledError:
            pass  # we are stopping, and the client was told
        finally:
            writer.close()

    async def _keep(self, protocol: str, sender: str, recipient: str, kept: bytes, size_bytes: int) -> bool:
        store = partial(inbound.receive, self._gateway, protocol, sender, recipient, kept, size_bytes)
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, store)
        except Exception as error:  # whatever it is: the mail is not stored, its sender keeps it, and others go on
            event(log, "mail not stored", level=logging.ERROR, reason=type(error).__name__)
            return False
        return True


def _is_answered(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(path) == 0
