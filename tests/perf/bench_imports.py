"""How far is a bulk import from the bare speed of its database, and how much memory does it take? (`make bench`)

A real ``gateway serve`` and ``gateway worker`` take files over HTTP; the floor is measured on the same rows in the
same run. Prints the table of docs/performance.md; asserts only that every row arrived.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import http.client
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import Installation
from tests.support.postgres import Cluster, cluster
from tests.support.waiting import wait_for

COLUMNS = ("remoteId", "email", "FirstName", "LastName", "City", "OrganizationName", "Phone", "MemberSince")
FIRST = ("Zoë", "Ann", "Bertrand", "Chukwuemeka", "Dagny", "Éloïse", "Farid", "Guo")
LAST = ("Brontë", "Müller", "O'Neill", "van den Berg", "Okafor", "Lindqvist", "Smith", "Sørensen")
CITY = ("Utrecht", "Köln", "Springfield", "Saint-Étienne", "Lagos")
COMMIT_ROWS = 2000
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on",
           "shared_buffers": "256MB", "max_wal_size": "4GB", "timezone": "UTC"}
"""PostgreSQL as it is in production, not as the tests run it."""

_TICK = os.sysconf("SC_CLK_TCK")
_UPSERT = ("INSERT INTO person VALUES ({marks}) ON CONFLICT (remote_id) DO UPDATE SET email = excluded.email, "
           + ", ".join(f"c{n} = excluded.c{n}" for n in range(6)))
_TABLE = ("CREATE TABLE person (remote_id varchar(255) NOT NULL UNIQUE, email varchar(254) NOT NULL UNIQUE, "
          + ", ".join(f"c{n} text" for n in range(6)) + ")")


@dataclass(frozen=True, slots=True)
class Spent:
    """What one import took; memory in bytes above idle, 0 where it is not ours."""

    wall_s: float
    cpu_s: float
    web_bytes: int = 0
    worker_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    rows: int
    floor: Spent
    ours: Spent

    def __str__(self) -> str:
        rows = self.rows / 1e6
        return (f"| {self.what} | {self.rows:,} | {self.floor.cpu_s / rows:.1f} | {self.ours.cpu_s / rows:.1f} "
                f"| **{self.ours.cpu_s / self.floor.cpu_s:.1f}** | {self.rows / self.ours.wall_s:,.0f} "
                f"| {self.ours.wall_s / self.floor.wall_s:.1f} "
                f"| {self.ours.web_bytes / 1e6:.0f} | {self.ours.worker_bytes / 1e6:.0f} |")


HEAD = ("| what | rows | floor, µs CPU a row | ours, µs CPU a row | ratio (CPU) | ours, rows/s | ratio (time) "
        "| web, MB above idle | worker, MB above idle |\n|---|---|---|---|---|---|---|---|---|")


def write_file(path: Path, rows: int) -> None:
    """A file as a membership system writes it: in order of its own IDs, addresses in no order, every one once."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for n in range(rows):
            first, last = FIRST[n % 8], LAST[n // 8 % 8]
            mixed = n * 2654435761 % 2**32
            writer.writerow((f"{100_000 + n}", f"{mixed:08x}.member@{'mail' if n % 3 else 'post'}{n % 50}.example.org",
                             first, last, CITY[n % 5], f"{last}, {first} & Sons {mixed % 5000}",
                             f"+31 30 {mixed % 10_000_000:07d}", f"20{n % 25:02d}-0{n % 9 + 1}-1{n % 10}"))


def sqlite_floor(path: Path, database: Path) -> Spent:
    """csv.reader and ``executemany`` of upserts into one table, as safe as ours: WAL, full sync, often committed."""
    upsert = _UPSERT.format(marks=", ".join("?" * len(COLUMNS)))
    with (closing(sqlite3.connect(database, isolation_level=None)) as db,
          path.open(encoding="utf-8", newline="") as file):
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16000"):
            db.execute(f"PRAGMA {pragma}")
        db.execute(_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        rows = csv.reader(file)
        next(rows)
        wall, cpu = time.monotonic(), time.process_time()
        while chunk := list(itertools.islice(rows, COMMIT_ROWS)):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(upsert, chunk)
            db.execute("COMMIT")
        return Spent(time.monotonic() - wall, time.process_time() - cpu)


def postgresql_floor(path: Path, server: Cluster, database: str) -> Spent:
    """psql copies the file to a temporary table and merges it in one statement."""
    merge = _UPSERT.replace("VALUES ({marks})", "SELECT * FROM incoming")
    script = (f"{_TABLE.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS')};\nBEGIN;\n"
              f"{_TABLE.replace('CREATE TABLE person', 'CREATE TEMPORARY TABLE incoming').replace(' UNIQUE', '')};\n"
              f"\\copy incoming FROM '{path}' (FORMAT csv, HEADER)\n{merge};\nCOMMIT;\n")
    before, wall = os.times(), time.monotonic()
    with server_cpu(server) as spent:
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.socket_dir, "-U", "postgres", database],
                       input=script, text=True, check=True)
        wall = time.monotonic() - wall
    after = os.times()
    psql = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Spent(wall, psql + spent())


class Running:
    """An installation whose web process and worker are measured apart."""

    def __init__(self, place: Installation, server: Cluster | None) -> None:
        self._place, self._server = place, server
        self._key = place.brand()
        web = place.serve("--no-worker", ready=False)
        worker = place.start("worker", name="worker")
        wait_for(lambda: " working " in place.log("worker"), "the worker", 120)
        self.web, self.worker = web.pid, worker.pid

    def push(self, path: Path, rows: int, query: str) -> Spent:
        """Sends the file, waits for its end, and answers what that took from both processes and the server."""
        idle = [_reset_peak(pid) for pid in (self.web, self.worker)]
        began, before = time.time(), self._cpu()
        with server_cpu(self._server) as server:
            job = self._accept(path, query)
            while job["state"] in ("queued", "running"):
                time.sleep(0.5)  # asking is work too
                job = json.loads(self._place.get(f"/push/v1/imports/{job['jobId']}", {"ApiKey": self._key})[1])
            wall = dt.datetime.fromisoformat(job["finishedAt"]).timestamp() - began
            cpu = self._cpu() - before
            cpu += server()
        assert (job["state"], job["received"]) == ("finished", rows), job
        peaks = [_memory(pid, "VmHWM") - was for pid, was in zip((self.web, self.worker), idle, strict=True)]
        print(f"  {wall:.1f} s, {cpu:.1f} s CPU; {job}", file=sys.stderr)
        return Spent(wall, cpu, *peaks)

    def _accept(self, path: Path, query: str) -> dict[str, object]:
        with closing(http.client.HTTPConnection("127.0.0.1", self._place.port, timeout=600)) as door, \
                path.open("rb") as body:
            door.request("POST", f"/push/v1/imports{query}", body, {
                "ApiKey": self._key, "Content-Type": "text/csv", "Content-Length": str(path.stat().st_size)})
            answer = door.getresponse()
            text = answer.read()
            assert answer.status == 202, text
            return json.loads(text)

    def _cpu(self) -> float:
        return _cpu_of(self.web) + _cpu_of(self.worker)


def measure(rows: int, kind: str, server: Cluster | None, query: str) -> Iterator[Line]:
    """The lines of one file of that many rows: new, then once more."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-bench-")))
        folder.chmod(0o755)
        file = folder / "members.csv"
        write_file(file, rows)
        settings = {}
        if server is None:
            def floor() -> Spent:
                return sqlite_floor(file, folder / "floor.db")
        else:
            settings["GATEWAY_DATABASE_URL"] = server.create(f"gateway_{rows}")
            server.create(f"floor_{rows}")
            stack.callback(server.drop, f"gateway_{rows}")
            stack.callback(server.drop, f"floor_{rows}")

            def floor() -> Spent:
                return postgresql_floor(file, server, f"floor_{rows}")
        running = Running(stack.enter_context(Installation(folder, **settings)), server)
        for what in ("new", "unchanged"):
            yield Line(f"{kind}, {what}", rows, floor(), running.push(file, rows, query))


@contextmanager
def server_cpu(server: Cluster | None) -> Iterator[Callable[[], float]]:
    """How much the database server has worked since the block began; 0 where the database is a file."""
    if server is None:
        yield lambda: 0.0
        return
    root = int((server.socket_dir / "data" / "postmaster.pid").read_text().split()[0])
    before = _tree_cpu(root)
    yield lambda: _tree_cpu(root) - before


def _tree_cpu(root: int) -> float:
    """CPU seconds of a process, its children and those that it has buried."""
    children = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return sum(_cpu_of(pid) for pid in [root, *map(int, children)])


def _cpu_of(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # a server process that ended meanwhile: its parent counts it
        return 0.0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15])) / _TICK


def _reset_peak(pid: int) -> int:
    """Starts the count of the process's peak anew; answers what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _memory(pid, "VmRSS")


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {name}")


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000], help="sizes of the file")
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument("--interest", help="everybody joins it")
    wanted = parser.parse_args()
    query = f"?interest={wanted.interest}" if wanted.interest else ""
    lines: list[Line] = []
    if "sqlite" in wanted.database:
        for rows in wanted.rows:
            lines += measure(rows, "SQLite", None, query)
    if "postgresql" in wanted.database:
        with cluster(**DURABLE) as server:
            for rows in wanted.rows:
                lines += measure(rows, "PostgreSQL", server, query)
    print(HEAD, *lines, sep="\n")


if __name__ == "__main__":
    main()
