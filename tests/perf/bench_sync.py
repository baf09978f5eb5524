"""How far is a sync from reading its source and writing what it stores, and does its memory stay flat? (`make bench`)

A real ``gateway sync`` reads members from PostgreSQL: for the first time, with nothing changed, and with one address in
a hundred changed. The floor is a server-side cursor that streams the same SELECT and throws the rows away, and an
import of the same columns as the bare database can do it, both in the same run. Prints a table; asserts what was
counted, and no time.
``GATEWAY_BENCH_SYNC_ROWS`` says how many members there are.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.perf.bench_imports import COMMIT_ROWS, DURABLE, Spent, server_cpu
from tests.support.installation import Installation
from tests.support.postgres import Cluster, cluster

ROWS = int(os.environ.get("GATEWAY_BENCH_SYNC_ROWS", "1000000"))
SHARES = (0.2, 0.6, 1.0)
SELECT = "SELECT member_no AS remote_id, email, no_mail AS do_not_email FROM members ORDER BY member_no"
WRITEBACK = {"unsubscribe": "UPDATE members SET no_mail = TRUE WHERE member_no = :remote_id"}
FILL = ("INSERT INTO members SELECT 100000 + n, to_hex((n * 2654435761) % 4294967296) || '.member@mail' || n % 50 || "
        "'.example.org', n % 40 = 0 FROM generate_series(1, {rows}) AS n")
CHANGE = "UPDATE members SET email = 'moved.' || email WHERE member_no % 100 = 0"
_TABLE = "CREATE TABLE person (remote_id {text} NOT NULL UNIQUE, email {text} NOT NULL UNIQUE, flag {flag})"
_MERGE = "ON CONFLICT (remote_id) DO UPDATE SET email = excluded.email, flag = excluded.flag"
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; ``peaks``: the most memory of our process until 20, 60 and 100 % of the run's time."""

    what: str
    rows: int
    stream: Spent
    floor: Spent
    ours: Spent
    peaks: tuple[int, ...]

    def __str__(self) -> str:
        rows, bare = self.rows / 1e6, self.stream.cpu_s + self.floor.cpu_s
        return (f"| {self.what} | {self.rows:,} | {self.stream.cpu_s / rows:.1f} | {self.floor.cpu_s / rows:.1f} "
                f"| {self.ours.cpu_s / rows:.1f} | **{self.ours.cpu_s / bare:.1f}** "
                f"| {self.rows / self.ours.wall_s:,.0f} "
                f"| {self.ours.wall_s / (self.stream.wall_s + self.floor.wall_s):.1f} "
                f"| {' / '.join(f'{peak / 1e6:.0f}' for peak in self.peaks)} |")


HEAD = ("| what | rows | SELECT streamed, µs CPU a row | import floor, µs CPU a row | ours, µs CPU a row "
        "| ratio (CPU) | ours, rows/s | ratio (time) | peak memory until 20 / 60 / 100 %, MB |\n"
        "|---|---|---|---|---|---|---|---|---|")


def streamed(server: Cluster, source: str) -> Spent:
    """Every row through a server-side cursor, and nowhere."""
    wall, cpu = time.monotonic(), time.process_time()
    with server_cpu(server) as spent:
        for _ in _rows(server, source):
            pass
        return Spent(time.monotonic() - wall, time.process_time() - cpu + spent())


def sqlite_floor(people: list[tuple[object, ...]], database: Path) -> Spent:
    """``executemany`` of upserts into one table, as safe as ours: WAL, full sync, often committed."""
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16000"):
            db.execute(f"PRAGMA {pragma}")
        db.execute(_TABLE.format(text="TEXT", flag="INTEGER").replace("TABLE", "TABLE IF NOT EXISTS"))
        wall, cpu = time.monotonic(), time.process_time()
        rows = iter(people)
        while chunk := list(itertools.islice(rows, COMMIT_ROWS)):
            db.execute("BEGIN IMMEDIATE")
            db.executemany(f"INSERT INTO person VALUES (?, ?, ?) {_MERGE}", chunk)
            db.execute("COMMIT")
        return Spent(time.monotonic() - wall, time.process_time() - cpu)


def postgresql_floor(people: list[tuple[object, ...]], server: Cluster, database: str) -> Spent:
    """COPY into a temporary table, and one statement that merges it."""
    wall, cpu = time.monotonic(), time.process_time()
    with server_cpu(server) as spent:
        with _connected(server, database) as db:
            made = _TABLE.format(text="varchar(255)", flag="boolean")
            db.execute(made.replace("TABLE", "TABLE IF NOT EXISTS"))
            db.execute(made.replace("TABLE person", "TEMPORARY TABLE incoming").replace(" UNIQUE", ""))
            with db.cursor() as cursor, cursor.copy("COPY incoming FROM STDIN") as copy:
                rows = iter(people)
                while chunk := list(itertools.islice(rows, COMMIT_ROWS)):
                    text = io.StringIO()
                    text.writelines(f"{number}\t{email}\t{flag}\n" for number, email, flag in chunk)
                    copy.write(text.getvalue())
            db.execute(f"INSERT INTO person SELECT * FROM incoming {_MERGE}")
        return Spent(time.monotonic() - wall, time.process_time() - cpu + spent())


def synced(place: Installation, server: Cluster, log: Path) -> tuple[Spent, tuple[int, ...], dict[str, object]]:
    """One ``gateway sync`` of everybody: what it took, with the work of the database server; its memory; its counts."""
    wall = time.monotonic()
    with server_cpu(server) as spent, log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "sync", "--brand", "9999", "--integration", "ams", "--full", "--json"],
            cwd=place.folder, env=place.environ, stdout=out)
        peaks: list[tuple[float, int]] = []
        watch = threading.Thread(target=_watch, args=(process.pid, peaks))
        watch.start()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - wall
        watch.join()
        took = Spent(wall, used.ru_utime + used.ru_stime + spent())
    report = json.loads(log.read_text())
    assert process.returncode == 0, report
    began, ended = peaks[0][0], peaks[-1][0]
    until = tuple(max(peak for at, peak in peaks if at - began <= share * (ended - began)) for share in SHARES)
    return took, until, report


def measure(rows: int, kind: str, server: Cluster, source: str) -> Iterator[Line]:
    """The lines of one store: new, unchanged, one of a hundred changed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-bench-")))
        folder.chmod(0o755)
        with _connected(server, source) as db:
            db.execute("DROP TABLE IF EXISTS members")
            db.execute("CREATE TABLE members (member_no bigint PRIMARY KEY, email text NOT NULL, no_mail boolean)")
            db.execute(FILL.format(rows=rows))
        settings = {}
        if kind == "PostgreSQL":
            for name in ("gateway", "floor"):
                server.create(f"{name}_{rows}")
                stack.callback(server.drop, f"{name}_{rows}")
            settings["GATEWAY_DATABASE_URL"] = server.url(f"gateway_{rows}")
        place = stack.enter_context(Installation(folder, **settings))
        place.brand()
        (folder / "ams.json").write_text(json.dumps({
            "url": server.url(source).replace("+psycopg", ""), "members": SELECT, "writeback": WRITEBACK}))
        place.run("integration", "add", "--brand", "9999", "--name", "ams", "--kind", "sql", "--config", "ams.json")
        for what in ("new", "unchanged", "1 % changed"):
            if what == "1 % changed":
                with _connected(server, source) as db:
                    db.execute(CHANGE)
            stream = streamed(server, source)
            people = list(_rows(server, source))
            floor = (sqlite_floor(people, folder / "floor.db") if kind == "SQLite"
                     else postgresql_floor(people, server, f"floor_{rows}"))
            del people
            ours, peaks, report = synced(place, server, folder / "sync.json")
            counted = {"new": "new", "unchanged": "unchanged", "1 % changed": "changed"}[what]
            assert (report["state"], report["read"]) == ("success", rows), report
            assert report[counted] == (rows // 100 if what == "1 % changed" else rows), report
            print(f"  {kind}, {what}: {ours.wall_s:.1f} s, {ours.cpu_s:.1f} s CPU", file=sys.stderr)
            yield Line(f"{kind}, {what}", rows, stream, floor, ours, peaks)


def _connected(server: Cluster, database: str) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_dir), user="postgres", dbname=database)


def _rows(server: Cluster, source: str) -> Iterator[tuple[object, ...]]:
    with _connected(server, source) as db, db.cursor("members") as cursor:
        cursor.itersize = COMMIT_ROWS
        yield from cursor.execute(SELECT)


def _watch(pid: int, peaks: list[tuple[float, int]]) -> None:
    """Notes when the process had taken how much at most, until it ends."""
    while True:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        found = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), None)
        if found is None:  # it has ended, and nobody has waited for it yet
            return
        peaks.append((time.monotonic(), found * 1024))
        time.sleep(_POLL_S)


def main() -> None:
    """Measures what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[ROWS], help="how many members")
    parser.add_argument("--database", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    wanted = parser.parse_args()
    lines: list[Line] = []
    with cluster(**DURABLE) as server:
        server.create("source")
        for name, kind in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
            for rows in wanted.rows if name in wanted.database else ():
                lines += measure(rows, kind, server, "source")
    print(HEAD, *lines, sep="\n")


if __name__ == "__main__":
    main()
