"""Does the crash contract hold? Workers are killed, again and again, and the books are compared (SEND-12, SEND-60).

``make crash`` runs this as a program: 100 kills on SQLite, 100 on PostgreSQL, at every named point and at random, and a
table of what was lost, doubled and held.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock, system_clock
from gateway.services import recovery
from tests.support.crash_worker import CONNECTIONS, COUNTS, POINTS
from tests.support.mailhouse import MailHouse
from tests.support.postgres import cluster
from tests.support.waiting import wait_for

RANDOM = "at random"
ANSWER_S = 120.0
"""A worker that is waited for longer hangs: the test fails and the suite goes on."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What kills did: messages ``lost`` (counted as sent, never arrived), ``doubled`` (arrived twice, or waiting to
    although they have), ``held`` in doubt."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    held: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.kills + other.kills, self.lost + other.lost, self.doubled + other.doubled,
                     self.held + other.held)


class Crashes:
    """A house with one instance that is being sent, and workers that die of it. ``clock`` is that of the house."""

    def __init__(self, house: MailHouse, log: Path, keeper: subprocess.Popen, seed: int = 0) -> None:
        self.house, self.chance = house, random.Random(seed)
        self.instance_id = 0
        self._log, self._keeper = log.open("ab+"), keeper
        self._log.seek(0)
        self._half, self._arrived = b"", Counter()
        self._known = 0

    def schedule(self, people: int) -> None:
        """An instance for so many people."""
        self.house.add_people([f"p{number:05}@example.org" for number in range(people)])
        self.instance_id = self.house.schedule()

    def close(self) -> None:
        """Closes the log of the mail server."""
        self._log.close()

    # --- workers ----------------------------------------------------------------------------------------------

    def start(self, point: str = "", count: int = 0, **changes: object) -> int:
        """A worker that dies at the ``count``-th passing of ``point``; answers its process id."""
        settings = self.house.settings
        return self._ask({"start": {"database_url": settings.database_url, "smtp_url": settings.smtp_url,
                                    "instance": self.instance_id, "data_dir": str(settings.data_dir), "point": point,
                                    "count": count, **changes}})

    def wait(self, worker: int) -> int:
        """How it ended: 0 when the instance was sent, -9 when it was killed."""
        return self._ask({"wait": worker})

    def _ask(self, order: dict) -> int:
        self._keeper.stdin.write(json.dumps(order) + "\n")
        self._keeper.stdin.flush()
        assert select.select([self._keeper.stdout], [], [], ANSWER_S)[0], f"no answer to {order}"
        return json.loads(self._keeper.stdout.readline())

    # --- kills ------------------------------------------------------------------------------------------------

    def kill_at(self, point: str) -> Tally:
        """One kill at a named point; before one within a recovery, another that leaves something to recover."""
        tally = Tally()
        if point.startswith("recovery"):
            tally += Tally(kills=self.die_at("D"))
        tally += Tally(kills=self.die_at(point))
        return tally + self.judge()

    def die_at(self, point: str, count: int = 0) -> int:
        """One kill at a named point, of which nobody has recovered yet; answers 1."""
        count = count or self.chance.randint(*COUNTS.get(point, (1, 6)))
        ended = self.wait(self.start(point, count))
        assert ended == -signal.SIGKILL, f"{point}: the worker ended with {ended}"
        return 1

    def kill_at_random(self, within: int = 60) -> Tally:
        """A kill after some messages, anywhere within one."""
        worker = self.start(batch=60)  # so that it has mail in hand most of the time
        self.wait_for_messages(self.chance.randrange(1, within))
        time.sleep(self.chance.random() * 0.01)
        os.kill(worker, signal.SIGKILL)
        ended = self.wait(worker)
        assert ended == -signal.SIGKILL, f"the worker ended with {ended}"
        return Tally(kills=1) + self.judge()

    def wait_for_messages(self, number: int) -> None:
        """Waits until so many more have arrived."""
        goal = self.arrived().total() + number
        wait_for(lambda: self.arrived().total() >= goal, "messages")

    def finish(self) -> Tally:
        """Lets a worker send the rest."""
        ended = self.wait(self.start())
        assert ended == 0, f"the worker ended with {ended}"
        return self.judge()

    # --- the books --------------------------------------------------------------------------------------------

    def arrived(self) -> Counter[str]:
        """How often each address was taken by the mail server."""
        *lines, self._half = (self._half + self._log.read()).split(b"\n")
        self._arrived.update(json.loads(line)["to"][0] for line in lines)
        return self._arrived

    def states(self) -> Counter[str]:
        """How many rows are in which state."""
        return Counter(row.state for row in self.house.deliveries(self.instance_id))

    def judge(self) -> Tally:
        """Recovers what the dead left, and compares every row with what the mail server has; SEND-11 must hold."""
        recovery.recover(self.house.gateway)
        rows = self.house.deliveries(self.instance_id)
        self.house.check_sums(self.instance_id)
        arrived = self.arrived()
        states = Counter(row.state for row in rows)
        lost = sum(row.state == "accepted" and not arrived[row.email] for row in rows)
        doubled = sum(number > 1 for number in arrived.values())
        doubled += sum(row.state in ("queued", "deferred") and arrived[row.email] > 0 for row in rows)
        held, self._known = states["in_doubt"] - self._known, states["in_doubt"]
        return Tally(0, lost, doubled, held)


@contextmanager
def workers() -> Iterator[subprocess.Popen]:
    """Somebody who starts workers."""
    with _process("crash_worker") as process:
        yield process


@contextmanager
def crashes(keeper: subprocess.Popen, database_url: str, folder: Path, seed: int = 0,
            clock: Clock = system_clock) -> Iterator[Crashes]:
    """A house on this database, and a mail server in a process of its own; ``keeper`` starts the workers."""
    log = folder / "sink.log"
    with _process("smtp_sink", "--log", log, "--no-data") as sink:
        with MailHouse(database_url, clock, folder / "data", smtp_url=sink.stdout.readline().strip()) as house:
            found = Crashes(house, log, keeper, seed)
            try:
                yield found
            finally:
                found.close()


@contextmanager
def _process(module: str, *options: object) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen([sys.executable, "-m", f"tests.support.{module}", *map(str, options)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def torment(found: Crashes, kills: int) -> dict[str, Tally]:
    """So many kills, each point in turn and one at random after each, and then the rest; answers what each did."""
    table: dict[str, Tally] = {}
    while sum(tally.kills for tally in table.values()) < kills:
        for point in POINTS:
            for name, kill in ((point, lambda point=point: found.kill_at(point)), (RANDOM, found.kill_at_random)):
                if sum(tally.kills for tally in table.values()) < kills:
                    table[name] = table.get(name, Tally()) + kill()
    table["the rest, without a kill"] = found.finish()
    return table


def shown(tables: dict[str, dict[str, Tally]]) -> str:
    """The tables of several databases, as one of Markdown."""
    lines = ["| killed at | " + " | ".join(f"{name}: kills | lost | doubled | held" for name in tables) + " |",
             "|---|" + "---:|---:|---:|---:|" * len(tables)]
    named = dict.fromkeys(point for table in tables.values() for point in table)
    points = sorted(named, key=lambda point: point not in POINTS)
    sums = {name: sum(table.values(), Tally()) for name, table in tables.items()}
    for point in [*points, "**all**"]:
        cells = [sums[name] if point == "**all**" else table.get(point, Tally()) for name, table in tables.items()]
        lines.append(f"| {point} | " + " | ".join(
            f"{tally.kills} | {tally.lost} | {tally.doubled} | {tally.held}" for tally in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table; ends with 1 if the contract was broken."""
    parser = argparse.ArgumentParser(description="Kills workers and compares the books.")
    parser.add_argument("--kills", type=int, default=100, help="on each database")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    people = 400 + options.kills * 50
    tables: dict[str, dict[str, Tally]] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-") as place, cluster() as postgres, workers() as keeper:
        for name, url in (("SQLite", f"sqlite:///{place}/gateway.db"), ("PostgreSQL", postgres.create("crash"))):
            folder = Path(place) / name
            folder.mkdir()
            with crashes(keeper, url, folder, options.seed) as found:
                found.schedule(people)
                tables[name] = torment(found, options.kills)
    print(f"{people} recipients on each database, {CONNECTIONS} connections, seed {options.seed}, "
          f"{time.monotonic() - began:.0f} s\n\n{shown(tables)}")
    broken = [name for name, table in tables.items() for tally in [sum(table.values(), Tally())]
              if tally.lost or tally.doubled or tally.held > tally.kills * CONNECTIONS]
    sys.exit(f"The contract is broken on {', '.join(broken)}." if broken else 0)


if __name__ == "__main__":
    main()
