"""How near does a whole mailing come to the speed of the mail server, and what does each peer reach? (`make bench`)

The full stack: claims, journal, facts, build, SMTP, ledger and events, over ten connections into Postfix's smtp-sink,
in worker processes of their own on SQLite and PostgreSQL with full sync. Beside it, in turns in the same run, Postfix's
smtp-source with ten connections, which sends one ready-made message, and nodemailer with ten pooled ones, which fills
in the same mailing. The sink has a CPU of its own. Each figure is the best of the rounds; CPU per message is the
steadier one. ``--sign`` signs with a DKIM key, which a process does on all CPUs; ``--memory`` prints how large a worker
was on its way. Asserts only that the counts of the report add up and that nobody is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import gc
import json
import os
import pstats
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.engine import create_engine
from gateway.db.models.accounts import source
from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import membership, source_values, subscriber
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import MailingDraft
from gateway.domain.tokens import Keys
from gateway.services import dkim, lifecycle, sending
from gateway.services.gateway import Gateway
from gateway.services.sender import Pace
from gateway.settings import Settings
from tests.perf.bench_imports import DURABLE
from tests.perf.bench_message import URL, mailing
from tests.support.installation import free_port
from tests.support.mailhouse import MailHouse
from tests.support.postgres import cluster
from tests.support.waiting import wait_for
from tests.support.world import SECRET

ROOT = Path(__file__).parents[2]
CONNECTIONS = 10
SIZE = 20_000


def tool(name: str) -> str:
    """Where one of Postfix's test programs is."""
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        sys.exit(f"{name} is missing: on Debian, `apt-get install postfix` (it need not run).")
    return found


def on_cpu(number: int) -> Callable[[], None]:
    """Ties a process to one CPU, where there are two."""
    return lambda: os.sched_setaffinity(0, {number}) if (os.cpu_count() or 1) > 1 else None


@contextmanager
def sink(port: int) -> Iterator[None]:
    """Postfix's smtp-sink on the first CPU."""
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    with subprocess.Popen([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"], preexec_fn=on_cpu(0)) as process:
        try:
            wait_for(lambda: _listens(port), "the sink")
            yield
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def floor(port: int, number: int) -> tuple[float, float]:
    """Messages a second and CPU seconds per message of smtp-source."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([tool("smtp-source"), "-d", "-s", str(CONNECTIONS), "-m", str(number), "-l", str(SIZE),
                    f"127.0.0.1:{port}"], check=True, preexec_fn=on_cpu(1))
    wall_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return number / wall_s, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / number


# --- our side -------------------------------------------------------------------------------------------------------


def fill(house: MailHouse, number: int) -> None:
    """So many people with values, all in News."""
    interest_id = house.add_interest()
    documents = [json.dumps({"FirstName": name, "LastName": "O'Neill", "City": city, "OrganizationName": "Müller"})
                 for name in ("Ada", "Zoë", "Bertrand") for city in ("Köln", "Bonn")]
    with house.unit() as unit:
        db, now = unit.connection, unit.now
        source_id = db.scalar(sa.select(source.c.id).where(source.c.brand_id == 1).limit(1))
        first = db.scalar(sa.select(sa.func.coalesce(sa.func.max(subscriber.c.id), 0))) + 1
        for start in range(0, number, 10_000):
            ids = range(first + start, first + min(start + 10_000, number))
            common = {"brand_id": 1, "source_id": source_id}
            db.execute(sa.insert(subscriber), [common | {
                "id": n, "email": f"person{n}@members{n % 50}.example.org", "keyless": True, "orphan": False,
                "first_source_id": source_id, "created_at": now, "changed_at": now} for n in ids])
            db.execute(sa.insert(membership), [common | {
                "subscriber_id": n, "interest_id": interest_id, "channel": "native", "since": now} for n in ids])
            db.execute(sa.insert(source_values), [common | {
                "subscriber_id": n, "document": documents[n % len(documents)], "changed": "{}", "changed_at": now}
                for n in ids])


def sign(house: MailHouse, algorithm: str) -> None:
    """From now on mailings are signed with a key of this kind."""
    domain = mailing().from_address.rpartition("@")[2]
    with house.unit(system_actor(1, "cli")) as unit:
        dkim.add(unit, domain, algorithm, algorithm)
        dkim.activate(unit, domain, algorithm, None)


def scheduled(house: MailHouse) -> int:
    """An instance whose audience is frozen."""
    content = mailing()
    draft = MailingDraft("Bench", content.subject, content.from_address, content.html, content.from_name,
                         content.reply_to, content.text, ("News",))
    instance_id = house.schedule(house.create(**{name: getattr(draft, name) for name in draft.__slots__}))
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    return instance_id


def ours(house: MailHouse, instance_id: int, processes: int, profile: str | None,
         memory: bool = False, everywhere: bool = False) -> tuple[float, float, float]:
    """Messages a second, CPU seconds per message and megabytes of memory of our workers, each tied to one CPU unless it
    may go ``everywhere``."""
    with house.reading() as unit:
        number = unit.connection.scalar(sa.select(sa.func.count()).where(
            delivery.c.instance_id == instance_id, delivery.c.state == "queued"))
    settings = house.settings
    workers = []
    for worker in range(processes):
        command = [sys.executable, "-m", "tests.perf.bench_sending", *(["--profile", profile] if profile else []),
                   "--worker", settings.database_url, settings.smtp_url, str(settings.data_dir), str(instance_id)]
        workers.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=None if everywhere else on_cpu((worker + 1) % 2)))
    for process in workers:
        assert process.stdout.readline() == "ready\n"
    started = time.monotonic()
    for process in workers:
        process.stdin.write("go\n")
        process.stdin.flush()
    with watched(workers[0].pid) if memory else contextlib.nullcontext():
        spent = [json.loads(process.stdout.readline()) for process in workers]
    wall_s = max(one["ended"] for one in spent) - started
    if processes > 1:
        alone_s = max(one["ended"] for one in spent) - min(one["ended"] for one in spent)
        print(f"  of {wall_s:.1f} s the last {alone_s:.1f} s had one process less at work", flush=True)
    for process in workers:
        process.wait()
        process.stdin.close()
        process.stdout.close()
    report = house.report(instance_id)
    assert (report.targeted, report.sent, report.pending, report.in_doubt) == (number, number, 0, 0), report
    return number / wall_s, sum(one["cpu_s"] for one in spent) / number, max(one["mb"] for one in spent)


@contextmanager
def watched(pid: int) -> Iterator[None]:
    """Prints how large a process was a fifth, three fifths and all of the way."""
    sizes, done = [], threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 1024 / 1024)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    print("  memory:", ", ".join(f"{sizes[int(part * (len(sizes) - 1))]:,.0f} MB at {part:.0%}"
                                 for part in (0.2, 0.6, 1.0)), flush=True)


def work(database_url: str, smtp_url: str, data_dir: str, instance_id: int, profile: str | None) -> None:
    """A worker process: sends until nothing of the instance waits."""
    settings = Settings(data_dir=Path(data_dir), database_url=database_url, broker_url="", smtp_url=smtp_url,
                        public_url=URL, secret_key=SECRET)
    gateway = Gateway(settings, create_engine(database_url), Keys.from_secret(SECRET))
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()

    def run() -> None:
        while instance_id in {one for _, one in sending.due(gateway)}:
            sending.run_instance(gateway, 1, instance_id, Pace(run_s=600))

    if profile:
        profiled(run, profile)
    else:
        run()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ended": time.monotonic(), "cpu_s": time.process_time() - before, "mb": peak}), flush=True)


def profiled(run: Callable[[], None], path: str) -> None:
    """Writes down which functions took the time, of all threads together."""
    profiler = cProfile.Profile(time.thread_time)
    original = threading.Thread.run
    others: list[cProfile.Profile] = []

    def run_thread(thread: threading.Thread) -> None:
        own = cProfile.Profile(time.thread_time)
        others.append(own)
        own.runcall(original, thread)

    threading.Thread.run = run_thread
    profiler.runcall(run)
    with open(path, "w", encoding="utf-8") as out:
        for one in (profiler, *others):
            pstats.Stats(one, stream=out).sort_stats("tottime").print_stats(45)


# --- the peer -------------------------------------------------------------------------------------------------------

def nodemailer(port: int, number: int, folder: Path) -> tuple[float, float]:
    """Messages a second and CPU seconds per message of nodemailer, which ``folder`` has."""
    content = mailing()
    (folder / "content.json").write_text(json.dumps({"subject": content.subject, "html": content.html,
                                                     "text": content.text}))
    shutil.copy(Path(__file__).with_name("nodemailer.js"), folder / "send.js")
    out = subprocess.run(["node", "send.js", str(port), str(number), "content.json"], cwd=folder, check=True,
                         stdout=subprocess.PIPE, text=True, preexec_fn=on_cpu(1))
    found = json.loads(out.stdout)
    return found["per_s"], found["cpu_s"]


def has_nodemailer(folder: Path) -> bool:
    """Installs nodemailer into ``folder``, where there are node, npm and a registry."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "nodemailer"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    return done.returncode == 0


# --- together -------------------------------------------------------------------------------------------------------


def measure(kind: str, url: str, options: argparse.Namespace, folder: Path, peer: Path | None) -> None:
    """One database: ours in one process and in several, the floor and the peer in turns."""
    port = free_port()
    best: dict[str, tuple[float, float, float]] = {}

    def keep(what: str, per_s: float, cpu_s: float = 0.0, mb: float = 0.0) -> None:
        old = best.get(what, (0.0, 1e9, 0.0))
        best[what] = (max(old[0], per_s), min(old[1], cpu_s), max(old[2], mb))

    with MailHouse(url, system_clock, folder, smtp_url=f"smtp://127.0.0.1:{port}", public_url=URL) as house, sink(port):
        fill(house, options.rows)
        if options.sign != "none":
            sign(house, options.sign)
        for _ in range(options.rounds):
            keep("smtp-source", *floor(port, options.floor))
            for processes in options.processes:
                keep(f"gateway, {processes} process{'es' * (processes > 1)}",
                     *ours(house, scheduled(house), processes, options.profile, options.memory, options.sign != "none"))
                keep("smtp-source", *floor(port, options.floor))
            if peer is not None:
                keep("nodemailer, pooled", *nodemailer(port, options.peer, peer))
    limit = best["smtp-source"][0]
    print(f"\n{kind}, {options.rows:,} recipients, signed: {options.sign}, best of {options.rounds}; load "
          f"{os.getloadavg()[0]:.0f}")
    for what, (per_s, cpu_s, mb) in best.items():
        print(f"  {what:<24} {per_s:>8,.0f}/s {per_s / limit:>6.0%} of smtp-source"
              + (f"  {cpu_s * 1e6:>6,.0f} us CPU" if cpu_s else "") + (f"  {mb:>5,.0f} MB" if mb else ""), flush=True)


def main() -> None:
    """Measures what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="recipients of a mailing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--floor", type=int, default=20_000, help="messages of smtp-source")
    parser.add_argument("--peer", type=int, default=3_000, help="messages of nodemailer; 0: without it")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--sign", choices=("none", "ed25519", "rsa"), default="none", help="with a DKIM key")
    parser.add_argument("--memory", action="store_true", help="how large a worker is on its way")
    parser.add_argument("--profile", help="a file for the profile of the last run")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        *where, instance_id = options.worker
        work(*where, int(instance_id), options.profile)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peer = folder if options.peer and has_nodemailer(folder) else None
        for kind in options.database or ("sqlite", "postgresql"):
            url = f"sqlite:///{folder}/gateway.db"
            if kind == "postgresql":
                url = stack.enter_context(cluster(**DURABLE)).create("bench")
            measure(kind, url, options, folder / kind, peer)


if __name__ == "__main__":
    main()
