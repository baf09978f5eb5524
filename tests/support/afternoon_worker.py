"""The workers of a long afternoon: a process each, with the clock of its day, killed where it is told to be.

``python -m tests.support.afternoon_worker DATABASE_URL DATA_DIR SMTP_URL`` reads orders (JSON lines), forks a worker
for each and answers how it ended (0, or -9) when it has. ``{"now": "2026-..Z", "trap": "commit", "count": 3}``: it dies
when it is about to commit for the third time; ``committed``: just after; ``written``: when a foreign system has taken a
writeback that nobody has noted yet. ``{"only": "run_sync"}``: of all tasks it does this one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.bridges.folder.bridge import FolderBridge
from gateway.bridges.soap.bridge import SoapBridge
from gateway.bridges.sql.bridge import SqlBridge
from gateway.clock import to_millis
from gateway.db.engine import create_engine
from gateway.domain.tokens import Keys
from gateway.services.gateway import Gateway, Ring
from gateway.settings import Settings
from gateway.worker import handlers
from tests.support.statements import share
from tests.support.world import SECRET

ROUNDS = 12
"""So often it looks for work at most: what never ends must not look like an afternoon."""


class Bell:
    """Keeps what was rung for at once; what is to come later, the sweep finds."""

    transactional = False

    def __init__(self) -> None:
        self.rung: list[Ring] = []

    def ring(self, rings: Sequence[Ring], connection: object) -> None:
        """Notes them."""
        self.rung += [ring for ring in rings if not ring.delay_s]

    def problem(self) -> str | None:
        """Nothing can be wrong with it."""
        return None


class Trap:
    """SIGKILL to this process, the ``count``-th time that it is passed."""

    def __init__(self, count: int) -> None:
        self.left = count

    def spring(self, *_: object) -> None:
        """Passes it."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def lay(kind: str, trap: Trap, engine: sa.Engine) -> None:
    """Puts the trap where it is asked for."""
    if kind == "commit":
        sa.event.listen(engine, "commit", trap.spring)
    elif kind == "committed":
        committed: list[bool] = []
        sa.event.listen(engine, "commit", lambda _connection: committed.append(True))
        sa.event.listen(engine.pool, "checkin", lambda *_: [trap.spring() for _ in range(len(committed))]
                        and committed.clear())
    else:
        for bridge in (SqlBridge, SoapBridge, FolderBridge):
            bridge.write_back = _then(bridge.write_back, trap)


def _then(write: Callable[..., None], trap: Trap) -> Callable[..., None]:
    def written(*given: Any) -> None:
        write(*given)
        trap.spring()
    return written


def work(order: dict[str, Any], url: str, data_dir: str, smtp_url: str) -> None:
    """Does all that is due, as sweeps and rings would have it done, until nothing is."""
    began, now = time.monotonic(), dt.datetime.fromisoformat(order["now"])
    settings = Settings(data_dir=Path(data_dir), database_url=url, broker_url="", public_url="http://127.0.0.1:8080",
                        smtp_url=smtp_url, secret_key=SECRET)
    engine, bell = create_engine(url), Bell()
    gateway = Gateway(settings, engine, Keys.from_secret(SECRET),
                      lambda: to_millis(now + dt.timedelta(seconds=time.monotonic() - began)), doorbell=bell)
    tasks = {task.name: task for task in handlers.TASKS if order.get("only") in (None, task.name)}
    if order.get("trap"):
        lay(order["trap"], Trap(order["count"]), engine)
    for _ in range(ROUNDS):
        rung, bell.rung = bell.rung, []
        pieces = [(ring.task, ring.args) for ring in rung if ring.task in tasks]
        pieces += [(name, piece) for name, task in tasks.items() for piece in task.due(gateway)]
        for name, piece in dict.fromkeys(pieces):
            tasks[name].run(gateway, *piece)
        if not pieces:
            break
    gateway.close()


def _start(order: dict[str, Any], *where: str) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work(order, *where)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Obeys until its input ends. The first order without a trap is done here, so that those who are forked afterwards
    find their statements compiled."""
    share()
    is_warm = False
    for line in sys.stdin:
        order = json.loads(line)
        if is_warm or order.get("trap"):
            status = os.waitstatus_to_exitcode(os.waitpid(_start(order, *sys.argv[1:]), 0)[1])
        else:
            with redirect_stdout(sys.stderr):
                work(order, *sys.argv[1:])
            status, is_warm = 0, True
        print(status, flush=True)


if __name__ == "__main__":
    main()
