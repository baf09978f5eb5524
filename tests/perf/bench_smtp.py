"""How near is our SMTP client to the fastest one there is, and what does pipelining gain? (`make bench`)

Two comparisons, each interleaved in one run. Near: our relays over ten connections beside Postfix's smtp-source, both
into Postfix's smtp-sink, ready-made messages of 20 kB. Far: a relay 10 ms away, ours beside smtplib in as many threads.
Prints ratios; asserts only that every message was accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import pstats
import queue
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.mail.relays import Outcome, Outgoing, Relays, Verdict
from gateway.mail.smtp_url import parse_relays
from gateway.mail.wire import data_form

SENDER, RECIPIENT = "b-token@news.example.org", "ada@example.org"


def message(size: int) -> bytes:
    """A message of about so many bytes, as ours look: quoted-printable lines of 76 characters."""
    line = b"<p style=3D\"margin: 0\">Dear member, this is the news of the month. =E2=82=AC 12.5=\r\n"
    return b"Subject: news\r\nMessage-ID: <1@news.example.org>\r\n\r\n" + line * (size // len(line))


class Supply:
    """A source of the same message, so many times; ``done`` is set with the last outcome."""

    def __init__(self, count: int, data: bytes) -> None:
        self.left, self.open, self.wrong = count, count, 0
        self.done = asyncio.Event()
        form = data_form(data)
        self.outgoing = [Outgoing(n, 1, SENDER, RECIPIENT, form) for n in range(count)]

    def take(self, relay: str) -> Outgoing | None:
        return self.outgoing.pop() if self.outgoing else None

    def begin(self, message: Outgoing) -> None:
        pass

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        self.open -= 1
        self.wrong += outcome.kind is not Verdict.ACCEPTED
        if not self.open:
            self.done.set()

    def relay_refused(self, relay: str, outcome: Outcome) -> None:
        raise RuntimeError(f"{relay}: {outcome}")


def ours(port: int, count: int, connections: int, data: bytes) -> None:
    """Our client, connections made and ended in the time."""
    async def main() -> None:
        supply = Supply(count, data)
        relays = Relays(parse_relays(f"smtp://127.0.0.1:{port}?connections={connections}&messages=1000000"), supply,
                        helo="localhost")
        running = asyncio.ensure_future(relays.run())
        await asyncio.wait([asyncio.ensure_future(supply.done.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        await relays.close()
        await running
        assert not supply.wrong and not supply.open

    asyncio.run(main())


def source(port: int, count: int, connections: int, data: bytes) -> None:
    """Postfix's client; connections kept open."""
    subprocess.run(["smtp-source", "-d", "-s", str(connections), "-m", str(count), "-l", str(len(data)), "-f", SENDER,
                    "-t", RECIPIENT, f"127.0.0.1:{port}"], check=True)


def library(port: int, count: int, connections: int, data: bytes) -> None:
    """smtplib with a connection in each of as many threads, kept open."""
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    for n in range(count):
        work.put(n)

    def run() -> None:
        with smtplib.SMTP("127.0.0.1", port) as smtp:
            with suppress(queue.Empty):
                while True:
                    work.get_nowait()
                    smtp.sendmail(SENDER, [RECIPIENT], data)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _Delayed(asyncio.Protocol):
    """One direction of a line of some length: what comes in goes out so much later."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s, self.out = delay_s, None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self.delay_s, self.out.write, data)

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self.delay_s, self.out.close)


@contextmanager
def far(port: int, round_trip_s: float) -> Iterator[int]:
    """The port of a line to ``port`` with a round trip of so many seconds, in a process of its own."""
    code = f"from tests.perf import bench_smtp; bench_smtp.line({port}, {round_trip_s})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def line(port: int, round_trip_s: float) -> None:
    """Serves the line; prints its port."""
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def accept() -> asyncio.Protocol:
            near, away = _Delayed(round_trip_s / 2), _Delayed(round_trip_s / 2)
            early: list[bytes] = []

            async def connect() -> None:
                transport, _ = await loop.create_connection(lambda: away, "127.0.0.1", port)
                near.out, away.out = transport, near.transport
                for data in early:
                    near.data_received(data)

            near.out = type("", (), {"write": lambda _, data: early.append(data), "close": lambda _: None})()
            loop.create_task(connect())
            return near

        server = await loop.create_server(accept, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def sink() -> Iterator[int]:
    """The port of an smtp-sink that throws everything away."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = ["-u", "nobody"] if os.getuid() == 0 else []
    with subprocess.Popen(["smtp-sink", *user, f"127.0.0.1:{port}", "1000"]) as process:
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield port
        finally:
            process.kill()


def seconds(client: Callable[[int, int, int, bytes], None], *arguments: object) -> tuple[float, float]:
    """Wall time and our own CPU time (children included) of one run."""
    started, spent = time.perf_counter(), os.times()
    client(*arguments)
    now = os.times()
    return time.perf_counter() - started, sum(now[:4]) - sum(spent[:4])


def compare(title: str, clients: dict[str, Callable[..., None]], floor: str, rounds: int, *arguments: object) -> None:
    """Runs the clients in turns and prints each beside the floor: best of the rounds, and the median of the ratios."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    for _ in range(rounds):
        for name, client in clients.items():
            taken[name].append(seconds(client, *arguments))
    count = arguments[1]
    print(f"\n{title}\n")
    print(f"| client | messages/s | times {floor} (best) | times {floor} (median) | CPU us a message |")
    print("|---|---|---|---|---|")
    for name, runs in taken.items():
        best, least = min(wall for wall, _ in runs), min(wall for wall, _ in taken[floor])
        ratios = [theirs / wall for (wall, _), (theirs, _) in zip(runs, taken[floor], strict=True)]
        cpu = min(cpu for _, cpu in runs) / count * 1e6
        print(f"| {name} | {count / best:,.0f} | {least / best:.2f} | {statistics.median(ratios):.2f} | {cpu:.0f} |")


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=20_000, help="bytes of a message")
    parser.add_argument("--profile", action="store_true", help="profile our client instead")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin"
    if not (shutil.which("smtp-sink") and shutil.which("smtp-source")):
        sys.exit("This needs smtp-sink and smtp-source: on Debian, `apt-get install postfix` (it need not run).")
    data = message(options.size)
    with sink() as port:
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(ours, port, options.messages, options.connections, data)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        compare(f"Near: {options.connections} connections, {len(data):,} bytes a message",
                {"smtp-source": source, "ours": ours, "smtplib in threads": library}, "smtp-source", options.rounds,
                port, options.messages, options.connections, data)
        with far(port, 0.01) as away:
            compare(f"A relay 10 ms away: {options.connections} connections", {"smtplib in threads": library,
                    "ours": ours}, "smtplib in threads", max(1, options.rounds // 2), away,
                    max(100, options.messages // 5), options.connections, data)


if __name__ == "__main__":
    main()
