"""How much of its speed does a sender keep when each message shows what a foreign system says just then? (ID-76)

The same mailing to the same people in the same run, in turns: from stored values, and with its fields fetched from a
bridge that answers after ``--delay`` milliseconds, 200 people a call. The full stack, as in ``bench_sending``: one
worker process on a CPU, ten connections into Postfix's smtp-sink on the other, SQLite and PostgreSQL with full sync.
Each figure is the best of the rounds. Asserts only that the report adds up, and that every delivery was served live.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from gateway.bridges import registry
from gateway.clock import system_clock
from gateway.db.engine import create_engine
from gateway.db.models.accounts import integration
from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.domain.tokens import Keys
from gateway.domain.writeback import KINDS
from gateway.services import sending
from gateway.services.gateway import Gateway
from gateway.services.secretbox import encrypt
from gateway.services.sender import Pace
from gateway.settings import Settings
from tests.perf.bench_imports import DURABLE
from tests.perf.bench_message import URL
from tests.perf.bench_sending import ROOT, fill, on_cpu, scheduled, sink
from tests.support.installation import free_port
from tests.support.mailhouse import MailHouse
from tests.support.postgres import cluster
from tests.support.world import SECRET

KIND = "bench"


class SlowBridge:
    """A foreign system that tells everybody's fields, in its own time."""

    fields = frozenset({"FirstName", "LastName", "City", "OrganizationName"})
    writes = KINDS

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """Something of everybody."""
        time.sleep(self.delay_s)
        return {remote_id: {name: f"{name[:4]} of {remote_id}" for name in fields} for remote_id in remote_ids}

    def close(self) -> None:
        """Nothing to let go of."""


def link(house: MailHouse) -> None:
    """Everybody is known to a foreign system."""
    sealed = encrypt(house.settings.secret_key, "integration-config", "{}")
    with house.unit() as unit:
        made = unit.connection.execute(sa.insert(integration).values(
            brand_id=1, name="ams", kind=KIND, config=sealed, created_at=unit.now)).inserted_primary_key[0]
        s = subscriber.c
        unit.connection.execute(sa.insert(remote_key).from_select(
            ["brand_id", "integration_id", "remote_id", "subscriber_id", "created_at"],
            sa.select(s.brand_id, sa.literal(made), "m" + sa.cast(s.id, sa.String), s.id, s.created_at)))


def send(house: MailHouse, delay_ms: int | None) -> tuple[float, float, float]:
    """Messages a second, CPU seconds a message and megabytes of a worker; without a bridge if there is no delay."""
    instance_id, settings = scheduled(house), house.settings
    command = [sys.executable, "-m", "tests.perf.bench_live", "--worker", settings.database_url, settings.smtp_url,
               str(settings.data_dir), str(instance_id), "" if delay_ms is None else str(delay_ms)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               preexec_fn=on_cpu(1))
    assert process.stdout.readline() == "ready\n"
    started = time.monotonic()
    process.stdin.write("go\n")
    process.stdin.flush()
    spent = json.loads(process.stdout.readline())
    process.communicate()
    report = house.report(instance_id)
    assert (report.sent, report.pending, report.in_doubt) == (report.targeted, 0, 0), report
    t = delivery.c
    with house.reading() as unit:
        tiers = unit.connection.execute(sa.select(t.tiers, sa.func.count()).where(
            t.instance_id == instance_id).group_by(t.tiers)).all()
    assert [(text is None or text.startswith("live:") and ";" not in text, number) for text, number in tiers] == [
        (True, report.sent)], tiers
    assert (tiers[0][0] is None) == (delay_ms is None)
    return report.sent / (spent["ended"] - started), spent["cpu_s"] / report.sent, spent["mb"]


def work(database_url: str, smtp_url: str, data_dir: str, instance_id: int, delay_ms: str) -> None:
    """A worker process: sends until nothing of the instance waits."""
    if delay_ms:
        registry.FACTORIES[KIND] = lambda config: SlowBridge(int(delay_ms) / 1000)
    settings = Settings(data_dir=Path(data_dir), database_url=database_url, broker_url="", smtp_url=smtp_url,
                        public_url=URL, secret_key=SECRET)
    gateway = Gateway(settings, create_engine(database_url), Keys.from_secret(SECRET))
    gc.freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    while instance_id in {one for _, one in sending.due(gateway)}:
        sending.run_instance(gateway, 1, instance_id, Pace(run_s=600))
    print(json.dumps({"ended": time.monotonic(), "cpu_s": time.process_time() - before,
                      "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


def measure(kind: str, url: str, options: argparse.Namespace, folder: Path) -> None:
    """One database: without and with the bridge, in turns."""
    port = free_port()
    best: dict[int | None, tuple[float, float, float]] = {}
    with MailHouse(url, system_clock, folder, smtp_url=f"smtp://127.0.0.1:{port}", public_url=URL) as house, sink(port):
        fill(house, options.rows)
        link(house)
        for _ in range(options.rounds):
            for delay_ms in (None, *options.delay):
                per_s, cpu_s, mb = send(house, delay_ms)
                old = best.get(delay_ms, (0.0, 1e9, 0.0))
                best[delay_ms] = (max(old[0], per_s), min(old[1], cpu_s), max(old[2], mb))
    print(f"\n{kind}, {options.rows:,} recipients, best of {options.rounds}; load {os.getloadavg()[0]:.0f}")
    for delay_ms, (per_s, cpu_s, mb) in best.items():
        what = "stored values" if delay_ms is None else f"live, answers in {delay_ms} ms"
        print(f"  {what:<28} {per_s:>8,.0f}/s {per_s / best[None][0]:>6.0%}  {cpu_s * 1e6:>6,.0f} us CPU"
              f"  {mb:>5,.0f} MB", flush=True)


def main() -> None:
    """Measures what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="recipients of a mailing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=int, nargs="+", default=[50], help="milliseconds until the bridge answers")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        database_url, smtp_url, data_dir, instance_id, delay_ms = options.worker
        work(database_url, smtp_url, data_dir, int(instance_id), delay_ms)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in options.database or ("sqlite", "postgresql"):
            url = f"sqlite:///{folder}/gateway.db"
            if kind == "postgresql":
                url = stack.enter_context(cluster(**DURABLE)).create("bench")
            measure(kind, url, options, folder / kind)


if __name__ == "__main__":
    main()
