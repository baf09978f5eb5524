"""A worker that is killed where we want: the product's sender in a process of its own, with a trap at a named point.

``python -m tests.support.crash_worker`` reads orders (JSON lines) and forks a worker for each ``start``, so that a kill
costs no start of Python; it answers with one JSON line each. The points are made here, around the product's methods:
the product knows nothing of them. A trap is SIGKILL to the own process.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import system_clock
from gateway.db.engine import create_engine
from gateway.db.queries import deliveries, instances
from gateway.domain.accounts import system_actor
from gateway.domain.tokens import Keys
from gateway.mail import journal
from gateway.mail.journal import Abandoned, Journal
from gateway.mail.smtp_link import Link
from gateway.services import outcomes, sending
from gateway.services.gateway import Gateway
from gateway.services.sender import Pace
from gateway.services.senderwork import SenderWork
from gateway.settings import Settings
from tests.support.world import SECRET

CONNECTIONS = 10


class Trap:
    """Kills this process when it is passed for the ``count``-th time."""

    def __init__(self, count: int) -> None:
        self.left = count

    def passed(self) -> bool:
        """Whether this is the time to die."""
        self.left -= 1
        return self.left == 0

    def spring(self, *_: object) -> None:
        """Passes it."""
        if self.passed():
            die()


def die() -> None:
    """SIGKILL: no ``finally``, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str) -> Callable[[Trap], None]:
    """The trap is passed whenever this function begins."""
    def lay(trap: Trap) -> None:
        real = getattr(owner, name)

        def trapped(*args: Any, **named: Any) -> Any:
            trap.spring()
            return real(*args, **named)
        setattr(owner, name, trapped)
    return lay


def after(owner: Any, name: str, counts: Callable[[Any], bool] = lambda answer: True) -> Callable[[Trap], None]:
    """The trap is passed whenever this function has ended with an answer that counts."""
    def lay(trap: Trap) -> None:
        real = getattr(owner, name)

        def trapped(*args: Any, **named: Any) -> Any:
            answer = real(*args, **named)
            if counts(answer):
                trap.spring()
            return answer
        setattr(owner, name, trapped)
    return lay


class TrappedOs:
    """``os`` for the journal, with calls of its own."""

    def __init__(self, **calls: Callable) -> None:
        self.__dict__.update(calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def torn(kind: bytes) -> Callable[[Trap], None]:
    """Half of such a line, or of such a group, is written."""
    def lay(trap: Trap) -> None:
        def write(handle: int, data: bytes) -> int:
            if data.startswith(kind) and trap.passed():
                os.write(handle, data[:len(data) // 2])
                die()
            return os.write(handle, data)
        journal.os = TrappedOs(write=write)
    return lay


def full_disk(kind: bytes) -> Callable[[Trap], None]:
    """From the ``count``-th line of this kind on the journal's disk takes no line whole. Not a kill: the sender must
    stop by itself."""
    def lay(trap: Trap) -> None:
        def write(handle: int, data: bytes) -> int:
            if data.startswith(kind):
                trap.left -= 1
            return os.write(handle, data[:len(data) // 2] if trap.left < 0 else data)
        journal.os = TrappedOs(write=write)
    return lay


def unlinking(*, done: bool) -> Callable[[Trap], None]:
    """A file of a journal is about to be removed, or has been."""
    def lay(trap: Trap) -> None:
        def unlink(path: Path) -> None:
            if not done:
                trap.spring()
            os.unlink(path)
            if done:
                trap.spring()
        journal.os = TrappedOs(unlink=unlink)
    return lay


def body(share: float) -> Callable[[Trap], None]:
    """The kernel has this share of a body, and its sender dies."""
    def lay(trap: Trap) -> None:
        begun: list[bool] = []
        begin, flush = Journal.begin, Link.flush

        def noted(self: Journal, *row: int) -> None:
            begin(self, *row)
            begun.append(True)

        def cut(self: Link) -> None:
            if begun and self._out:
                begun.clear()
                if trap.passed():
                    data = b"".join(self._out)
                    end = data.rindex(b"\r\n.\r\n") + 5
                    self._sock.setblocking(True)
                    self._sock.sendall(data[:int(end * share)])
                    die()
            flush(self)
        Journal.begin, Link.flush = noted, cut
    return lay


POINTS: dict[str, Callable[[Trap], None]] = {
    "journal made": before(Journal, "_new_segment"),
    "claim, before its commit": after(deliveries, "claim"),
    "claim": after(SenderWork, "store", lambda claim: bool(claim.items)),
    "half a group P": torn(b"P "),
    "group P": after(Journal, "propose"),
    "fdatasync": after(Journal, "sync"),
    "before D": before(Journal, "begin"),
    "half of D": torn(b"D "),
    "D": after(Journal, "begin"),
    "half of the body": body(0.5),
    "dot": body(1.0),
    "before R": before(Journal, "end"),
    "half of R": torn(b"R "),
    "R": after(Journal, "end"),
    "fold, before its commit": after(outcomes, "fold"),
    "fold, committed": before(Journal, "turn"),
    "half a turn": after(Journal, "_new_segment"),
    "turn": after(Journal, "turn"),
    "before a removal": unlinking(done=False),
    "removal": unlinking(done=True),
    "recovery, journal read": after(Abandoned, "fates"),
    "recovery, committed": before(Abandoned, "remove"),
    "recovery, half removed": unlinking(done=True),
}
"""Where a worker can be killed, in the order of a message's life."""

TRAPS = POINTS | {f"disk full at {kind}": full_disk(kind.encode()) for kind in "HPDR"}

ONCE = (1, 1)
COUNTS = {"journal made": ONCE, "claim": (1, 3), "half a group P": (1, 3), "half a turn": (2, 3),
          "fold, before its commit": (1, 2), "fold, committed": (1, 2), "turn": (1, 2), "before a removal": (1, 2),
          "removal": (1, 2), "recovery, journal read": ONCE, "recovery, committed": ONCE,
          "recovery, half removed": ONCE}
"""At which passing, from and to, a worker dies at points that it passes less often than messages."""


def work(order: dict[str, Any]) -> None:
    """Runs ``run_instance`` again and again, as rings and sweeps would, until the instance is sent."""
    ahead = dt.timedelta(seconds=order.get("ahead_s", 0))
    settings = Settings(data_dir=Path(order["data_dir"]), database_url=order["database_url"], broker_url="",
                        public_url="http://127.0.0.1:8080", smtp_url=order["smtp_url"], secret_key=SECRET)
    gateway = Gateway(settings, create_engine(order["database_url"]), Keys.from_secret(SECRET),
                      lambda: system_clock() + ahead)
    pace = Pace(connections=order.get("connections", CONNECTIONS), batch=order.get("batch", 12), group=8,
                lease_s=order.get("lease_s", 60.0), run_s=20.0)
    if order.get("point"):
        TRAPS[order["point"]](Trap(order["count"]))
    while True:
        sending.run_instance(gateway, 1, order["instance"], pace)
        with gateway.reading(system_actor(1)) as unit:
            found = instances.get(unit.connection, 1, order["instance"])
        if found is not None and found.state == "sent":
            return
        time.sleep(0.02)


def _start(order: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work(order)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def main() -> None:
    """Obeys ``{"start": {...}}`` (answers the process id) and ``{"wait": pid}`` (answers how it ended)."""
    for line in sys.stdin:
        order = json.loads(line)
        if "start" in order:
            answer = _start(order["start"])
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
