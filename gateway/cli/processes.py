"""How is the installation made, run and checked? init, serve, worker, doctor, wsdl."""

from __future__ import annotations

import argparse
from contextlib import closing

from gateway import app
from gateway.cli.common import Commands, positive, say
from gateway.errors import GatewayError


def declare(commands: Commands) -> None:
    """Declares the commands of the installation itself."""
    commands.add("init", _init, "Create or upgrade database, data folder and secret key; safe to repeat.")
    made = commands.add("serve", _serve, "Serve all doors and run the background work.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=_port, default=8080)
    made.add_argument("--workers", type=positive, default=1, metavar="N", help="web processes; default 1")
    made.add_argument("--no-worker", action="store_true", help="leave the background work to `gateway worker`")
    made = commands.add("worker", _worker, "Run background work alone.")
    made.add_argument("--concurrency", type=positive, default=4, metavar="N", help="threads; default 4")
    commands.add("doctor", _doctor, "Check settings, database, worker, mail server, DNS, clock, disk.")
    made = commands.add("wsdl", _wsdl, "Write, or compare, the frozen contracts.")
    made.add_argument("--check", action="store_true", help="compare only; exit 1 when they differ")


def _init(args: argparse.Namespace) -> int:
    settings = app.initialise(args.config)
    return say(args, {"data": str(settings.data_dir)}, f"Ready in {settings.data_dir}. Next: gateway brand add")


def _serve(args: argparse.Namespace) -> int:
    app.serve(args.config, args.host, args.port, args.workers, not args.no_worker)
    return 0


def _worker(args: argparse.Namespace) -> int:
    app.run_worker(args.config, args.concurrency)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        checks = app.health.doctor(gateway)
    facts: dict[str, object] = {check.name: {"ok": check.ok, "detail": check.detail} for check in checks}
    lines = [f"{'ok  ' if check.ok else 'LOOK'} {check.name}: {check.detail}" for check in checks]
    say(args, facts, "\n".join(lines))
    return 0 if all(check.ok for check in checks) else 1


def _wsdl(args: argparse.Namespace) -> int:
    differing = [name for each in app.doors().CONTRACTS for name in (each.check() if args.check else each.write())]
    if args.check and differing:
        raise GatewayError("STATE_CONFLICT", f"These files are not what the code publishes: {', '.join(differing)}. "
                                             "Run `gateway wsdl` and look at the difference.")
    sentence = "The frozen contracts are what the code publishes." if args.check else f"Written: {', '.join(differing)}"
    return say(args, {"files": differing}, sentence)


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("from 0 (a free one) to 65535")
    return number
