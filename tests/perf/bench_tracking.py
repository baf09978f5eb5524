"""How many opens and clicks does one process take, beside Flask on the same server? (`make bench`)

Three servers with the same waitress settings, in turns in the same run: Flask with token check and a commit for each
hit, Flask with token check and our spool, and ours. Prints the table of docs/performance.md; asserts only that every
answered hit is in the spool or the database.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from flask import Flask, Response, abort, redirect

from gateway import doors, server
from gateway.db.models.mailings import event
from gateway.domain import tokens
from gateway.domain.accounts import Actor, system_actor
from gateway.domain.hits import Hit, shorten
from gateway.public.hot import GIF, PATH, Hot
from gateway.services import hits
from gateway.services.gateway import Gateway
from tests.support.hitload import BROWSER, Clients, seed
from tests.support.installation import Installation, free_port, stop
from tests.support.waiting import wait_for

KINDS = {"commit": "Flask, a commit for each hit (SQLite)", "spool": "Flask, one write to the spool",
         "wsgi": "ours, as a WSGI function before Flask", "ours": "ours, on the thread that reads"}
PEOPLE, URL = 200, "https://example.org/news"

_LUA = """
local paths, n = {%s}, 0
request = function() n = n + 1; return wrk.format("GET", paths[n %% #paths + 1]) end
"""


def flask_app(gateway: Gateway, commits: bool) -> Flask:
    """What one writes first: the same token check, the same facts of the hit, in a Flask view."""
    made = Flask("plain")

    def keep(token: tokens.Token) -> None:
        hit = Hit("GET", BROWSER, shorten("127.0.0.1"))
        if not commits:
            hits.keep(gateway, token, hit)
            return
        with gateway.unit(Actor(token.brand_id, "recipient", "public")) as unit:
            unit.connection.execute(sa.insert(event).values(
                brand_id=token.brand_id, type="opened", occurred_at=unit.now, recorded_at=unit.now,
                delivery_id=token.delivery_id, once_key=f"hit:{time.time_ns()}", raw={"agent": hit.agent}))

    @made.get("/t/<text>")
    def hit(text: str) -> Response:
        token = tokens.read(gateway.keys, text)
        if token is None:
            abort(404)
        keep(token)
        if token.kind in hits.OPENS:
            return Response(GIF, content_type="image/gif", headers={"Cache-Control": "no-store"})
        return redirect(URL)  # type: ignore[return-value]

    return made


def serve(kind: str, folder: Path, port: int) -> None:
    """One of the servers, until it is told to stop."""
    with Installation(folder) as place, place.services() as gateway:
        sock = server.listen("127.0.0.1", port)
        if kind in ("commit", "spool"):
            server.serve(flask_app(gateway, kind == "commit"), sock)
            return
        hits.refresh_links(gateway)
        quick = {"at_once": Hot(gateway).at_once, "prefix": PATH} if kind == "ours" else {}
        server.serve(doors.wsgi(gateway), sock, **quick)


class Line:
    """A server and what was measured of it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder, self.port = kind, folder, free_port()
        self.rates: list[float] = []
        self.cpu_s: list[float] = []
        self.answered = 0
        with Installation(folder) as place:
            place.brand(1)
            with place.services() as gateway:
                self.paths = seed(gateway, 1, PEOPLE, (URL,))

    def round(self, seconds: int, connections: int) -> None:
        """Starts the server, lets it answer for so long, and stops it."""
        process = subprocess.Popen([sys.executable, "-m", "tests.perf.bench_tracking", "--serve", self.kind, "--folder",
                                    str(self.folder), "--port", str(self.port)], stderr=subprocess.DEVNULL)
        try:
            first = Clients(self.port, self.paths, number=1)
            wait_for(lambda: _answers(first), "the server", 60)
            self.answered += 1
            before = _cpu_s(process.pid)
            rate, answered = _load(self.port, self.paths, seconds, connections, self.folder)
            self.rates.append(rate)
            self.cpu_s.append((_cpu_s(process.pid) - before) / answered)
            self.answered += answered
        finally:
            stop(process)

    def stored(self) -> int:
        """How many hits there are in spool and database."""
        with Installation(self.folder) as place, place.services() as gateway, gateway.reading(system_actor(1)) as unit:
            lines = sum(path.read_bytes().count(b"\n") for path in gateway.hits.folder.glob("*.hits"))
            return lines + (unit.connection.scalar(sa.select(sa.func.count()).select_from(event)) or 0)


def _cpu_s(pid: int) -> float:
    """What the process has used of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _answers(clients: Clients) -> bool:
    try:
        return bool(clients.ask_once())
    except OSError:
        return False


def _load(port: int, paths: list[str], seconds: int, connections: int, folder: Path) -> tuple[float, int]:
    """Answers a second, and how many there were."""
    if not shutil.which("wrk"):
        clients = Clients(port, paths, number=connections)
        began = time.monotonic()
        with closing(clients):
            clients.start()
            time.sleep(seconds)
        return clients.answered / (time.monotonic() - began), clients.answered
    script = folder / "paths.lua"
    script.write_text(_LUA % ",".join(f'"{path}"' for path in paths))
    said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(script), "-H",
                           f"User-Agent: {BROWSER}", f"http://127.0.0.1:{port}"], capture_output=True, text=True,
                          check=True).stdout
    if "Non-2xx" in said:
        raise AssertionError(said)
    found = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found[0] and found[1], said
    return float(found[1][1]), int(found[0][1])


def fold_speed(folder: Path) -> tuple[int, float]:
    """How fast what is in the spool gets into the database: hits, and seconds."""
    with Installation(folder) as place, place.services() as gateway:
        began = time.perf_counter()
        count = hits.fold(gateway, hits.RIPE * 0)
        return count, time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--serve", choices=KINDS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.folder, asked.port)
        return
    with tempfile.TemporaryDirectory() as folder:
        lines = [Line(kind, Path(folder) / kind) for kind in KINDS]
        for _ in range(asked.rounds):
            for line in lines:
                line.round(asked.seconds, asked.connections)
        floor, floor_s = statistics.median(lines[1].rates), statistics.median(lines[1].cpu_s)
        print("| server | hits/s | beside Flask with the spool | CPU a hit, µs | beside Flask with the spool |\n"
              "|---|---|---|---|---|")
        for line in lines:
            rate = statistics.median(line.rates)
            cpu_s = statistics.median(line.cpu_s)
            print(f"| {KINDS[line.kind]} | {rate:,.0f} | {rate / floor:.1f} | {cpu_s * 1e6:.0f} "
                  f"| {floor_s / cpu_s:.1f} |", flush=True)
            stored = line.stored()
            assert stored >= line.answered, f"{line.kind}: {line.answered} answered, {stored} stored"
        count, seconds = fold_speed(lines[-1].folder)
        print(f"\nFolded into SQLite: {count:,} hits, {count / seconds:,.0f} a second.")


if __name__ == "__main__":
    main()
