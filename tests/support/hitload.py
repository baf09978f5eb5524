"""How does a test get many opens and clicks? An instance put there by plain inserts, and clients that count answers."""

from __future__ import annotations

import datetime as dt
import re
import socket
import threading
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.models.mailings import delivery, instance, link, mailing
from gateway.db.models.subscribers import subscriber
from gateway.domain import tokens
from gateway.domain.accounts import system_actor
from gateway.services.gateway import Gateway

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
REQUEST = (f"GET %s HTTP/1.1\r\nHost: x\r\nUser-Agent: {BROWSER}\r\nAccept: image/avif,image/webp,*/*\r\n"
           "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nReferer: https://mail.example.org/\r\n"
           "Sec-Fetch-Dest: image\r\nSec-Fetch-Mode: no-cors\r\n\r\n")


def seed(gateway: Gateway, brand_id: int, people: int, urls: tuple[str, ...] = ("https://example.org/a",)) -> list[str]:
    """An instance that was accepted an hour ago; answers the paths of pixels and links, one after the other."""
    before = system_clock() - dt.timedelta(hours=1)
    with gateway.unit(system_actor(brand_id)) as unit:
        db, shared = unit.connection, {"brand_id": brand_id}
        mailing_id = db.execute(sa.insert(mailing).values(
            **shared, name="Load", subject="x", from_address="a@example.org", html="x", state="released",
            created_by="t", created_at=before, changed_at=before).returning(mailing.c.id)).scalar_one()
        instance_id = db.execute(sa.insert(instance).values(
            **shared, mailing_id=mailing_id, state="sent", send_at=before, created_by="t", created_at=before,
            frozen_at=before).returning(instance.c.id)).scalar_one()
        db.execute(sa.insert(link), [{**shared, "instance_id": instance_id, "number": n, "url": url}
                                     for n, url in enumerate(urls)])
        person = db.scalar(sa.select(sa.func.max(subscriber.c.id))) or 0
        db.execute(sa.insert(subscriber), [
            {**shared, "id": person + n + 1, "email": f"p{n}@example.org", "keyless": True, "orphan": False,
             "source_id": 1, "first_source_id": 1, "created_at": before, "changed_at": before} for n in range(people)])
        first = db.scalar(sa.select(sa.func.max(delivery.c.id))) or 0
        db.execute(sa.insert(delivery), [
            {**shared, "id": first + n + 1, "instance_id": instance_id, "subscriber_id": person + n + 1,
             "email": f"p{n}@example.org", "state": "accepted", "attempt": 1, "accepted_at": before,
             "changed_at": before} for n in range(people)])
    paths = []
    for n in range(people):
        delivery_id = first + n + 1
        made = tokens.mint_message(gateway.keys, brand_id, delivery_id, instance_id, len(urls))
        paths += ["/t/" + text for text in (made.opened, *made.clicks)]
    return paths


@dataclass(slots=True)
class Clients:
    """Connections that ask for these paths in turn until the server goes away, or :meth:`close`.

    ``answered`` counts whole answers.
    """

    port: int
    paths: list[str]
    number: int = 4
    asked: int = 0
    answered: int = 0
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begins to ask."""
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(self.number)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Waits until no connection is left."""
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """Ends after the answers that are on their way."""
        self._closed = True
        self.join()

    def ask_once(self) -> bytes:
        """One answer over a connection of its own; ``OSError`` when there is no server."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
            sock.sendall((REQUEST % self.paths[0]).encode())
            return _whole_answer(sock)

    def _ask(self, offset: int) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as sock:
            for at in range(offset, 10**9, self.number):
                if self._closed:
                    return
                try:
                    with self._lock:
                        self.asked += 1
                    sock.sendall((REQUEST % self.paths[at % len(self.paths)]).encode())
                    answer = _whole_answer(sock)
                except OSError:
                    return
                assert answer.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n")), answer
                with self._lock:
                    self.answered += 1


def _whole_answer(sock: socket.socket) -> bytes:
    """An answer with its body; ``ConnectionError`` when the server goes away before its end."""
    data, end, length = b"", -1, 0
    while end < 0 or len(data) < end + 4 + length:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError
        data += more
        if end < 0 and (end := data.find(b"\r\n\r\n")) >= 0:
            found = re.search(rb"(?i)content-length: (\d+)", data[:end])
            length = int(found[1]) if found else 0
    return data
