"""What can an operator type? (operator.md, Command line) Exit codes: 0 done, 1 failed, 2 misused."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import app, log
from gateway.domain.accounts import ROLES, SCOPES, Actor, system_actor
from gateway.errors import GatewayError, SettingsError

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit code; errors go to standard error with what to do next."""
    args = _parser().parse_args(arguments)
    log.setup()
    command: Command = args.command
    try:
        return command(args)
    except SettingsError as error:
        return _fail(args, "SETTINGS", str(error))
    except GatewayError as error:
        return _fail(args, error.code, error.message + _reason(error), error.field)
    except (OSError, UnicodeDecodeError) as error:
        return _fail(args, "FAILED", str(error))
    except KeyboardInterrupt:
        return 1


def _reason(error: GatewayError) -> str:
    """What the database itself said: on the shell it helps, and neither address nor secret is in it."""
    said = getattr(error.__cause__, "orig", None)
    return f" ({str(said).splitlines()[0]})" if error.code == "UNAVAILABLE" and said else ""


def _fail(args: argparse.Namespace, code: str, message: str, field: str | None = None) -> int:
    if getattr(args, "json", False):
        print(json.dumps({"error": {"code": code, "field": field, "message": message}}))
    print(f"gateway: {code}: {message}" + (f" (--{field})" if field else ""), file=sys.stderr)
    return 1


def _say(args: argparse.Namespace, facts: dict[str, object], sentence: str) -> int:
    print(json.dumps(facts, default=str) if args.json else sentence)
    return 0


def _init(args: argparse.Namespace) -> int:
    settings = app.initialise(args.config)
    return _say(args, {"data": str(settings.data_dir)}, f"Ready in {settings.data_dir}. Next: gateway brand add")


def _brand_add(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        brand_id = app.accounts.add_brand(gateway, args.id, args.name, args.allow_ip)
    return _say(args, {"id": brand_id, "name": args.name}, f"Brand {brand_id} ({args.name}) added.")


def _user_add(args: argparse.Namespace) -> int:
    password = sys.stdin.readline().rstrip("\r\n")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(_operator(args)) as unit:
        user_id = app.accounts.add_user(unit, args.name, password, args.role, integration=args.integration,
                                        recoverable=args.allow_digest)
    return _say(args, {"id": user_id, "name": args.name}, f"User {args.name} ({args.role}) added.")


def _key_add(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(_operator(args)) as unit:
        key_id, key = app.accounts.add_key(unit, args.integration, args.scope or SCOPES)
    facts = {"id": key_id, "name": args.integration, "key": key}
    return _say(args, facts, f"Key {key_id} for {args.integration}; it is shown this once:\n{key}")


def _integration_add(args: argparse.Namespace) -> int:
    config = _bridge_config(args.bridge_config) if args.bridge_config else {}
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(_operator(args)) as unit:
        app.accounts.require_brand(unit)
        integration_id = app.integrations.add(unit, args.name, args.kind, config)
    return _say(args, {"id": integration_id, "name": args.name}, f"Integration {args.name} ({args.kind}) added.")


def _bridge_config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GatewayError("INVALID_VALUE", f"{path} is not JSON: {error}.", field="config") from None
    if not isinstance(config, dict):
        raise GatewayError("INVALID_VALUE", f"{path} must hold one JSON object.", field="config")
    return config


def _sync(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(_operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        report = app.sync.run(gateway, args.brand, found.integration_id, preview=args.preview, full=args.full,
                              release=args.release)
    facts = {"integration": report.integration, "state": report.state, "preview": report.preview, **report.counters}
    if report.message:
        facts["message"] = report.message
    lines = [f"{name}: {value}" for name, value in facts.items()]
    samples = {name: [asdict(sample) for sample in kept] for name, kept in report.samples.items()}
    for name, kept in report.samples.items():
        lines += [f"  {name}: {s.remote_id or '-'} {s.email or '-'} {s.detail}".rstrip() for s in kept]
    _say(args, facts | {"samples": samples}, "\n".join(lines))
    return 0 if report.state in ("success", "skipped") else 1


def _import(args: argparse.Namespace) -> int:
    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            share = done / max(total, 1)
            print(f"\r[{'#' * int(40 * share):<40}] {share:4.0%}", end="", file=sys.stderr, flush=True)

    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(_operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        actor = Actor(args.brand, "operator", "cli", frozenset(SCOPES), found.integration_id, args.integration)
        job = app.fileimport.import_file(gateway, actor, args.file, interests=tuple(args.interest), progress=show)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    facts = app.fileimport.facts(job)
    _say(args, facts, "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 0 if job.state == "finished" else 1


def _serve(args: argparse.Namespace) -> int:
    app.serve(args.config, args.host, args.port, args.workers, not args.no_worker)
    return 0


def _worker(args: argparse.Namespace) -> int:
    app.run_worker(args.config, args.concurrency)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        checks = app.health.doctor(gateway)
    facts = {check.name: {"ok": check.ok, "detail": check.detail} for check in checks}
    lines = [f"{'ok  ' if check.ok else 'LOOK'} {check.name}: {check.detail}" for check in checks]
    _say(args, facts, "\n".join(lines))
    return 0 if all(check.ok for check in checks) else 1


def _wsdl(args: argparse.Namespace) -> int:
    differing = app.contract.check() if args.check else app.contract.write()
    if args.check and differing:
        raise GatewayError("STATE_CONFLICT", f"These files are not what the code publishes: {', '.join(differing)}. "
                                             "Run `gateway wsdl` and look at the difference.")
    sentence = "The frozen contracts are what the code publishes." if args.check else f"Written: {', '.join(differing)}"
    return _say(args, {"files": differing}, sentence)


def _operator(args: argparse.Namespace) -> Actor:
    return system_actor(args.brand, "cli")


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer one JSON object")
    settings_file: dict[str, Any] = {"type": Path, "metavar": "FILE",
                                     "help": "settings file in .env form; default ./.env"}
    brand = argparse.ArgumentParser(add_help=False)
    brand.add_argument("--brand", type=int, required=True, metavar="ID", help="the brand's id")

    parser = argparse.ArgumentParser(prog="gateway", description="SOAP and PUSH gateway for e-mail marketing.")
    parser.add_argument("--config", default=None, **settings_file)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(group: argparse._SubParsersAction, name: str, command: Command, text: str, *, branded: bool = False,
            takes_settings: bool = True) -> argparse.ArgumentParser:
        made = group.add_parser(name, help=text, description=text, parents=[common] + ([brand] if branded else []))
        made.set_defaults(command=command)
        if takes_settings:  # suppressed, so that it does not undo `gateway --config FILE COMMAND`
            made.add_argument("--config", default=argparse.SUPPRESS, **settings_file)
        return made

    def group(name: str, text: str) -> argparse._SubParsersAction:
        return commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar="ACT")

    add(commands, "init", _init, "Create or upgrade database, data folder and secret key; safe to repeat.")
    made = add(group("brand", "Brands (accounts, tenants)."), "add", _brand_add, "Add a brand.")
    made.add_argument("--id", type=int, metavar="ID", help="its number; default the next free one")
    made.add_argument("--name", required=True)
    made.add_argument("--allow-ip", action="append", default=[], metavar="CIDR", help="callers' network; repeatable")
    made = add(group("user", "SOAP users."), "add", _user_add, "Add a user.", branded=True)
    made.add_argument("--name", required=True)
    made.add_argument("--password-stdin", action="store_true", required=True, help="read the password from input")
    made.add_argument("--role", choices=ROLES, default="sender")
    made.add_argument("--integration", default="api", metavar="NAME", help="whose remote IDs it speaks; default api")
    made.add_argument("--allow-digest", action="store_true", help="keep the secret for PasswordDigest")
    made = add(group("key", "API keys of the push doors."), "add", _key_add, "Add a key; shown once.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME", help="whose remote IDs it speaks, such as api")
    made.add_argument("--scope", action="append", choices=SCOPES, help="a right; repeatable; default all")
    made = add(group("integration", "Bridges to an AMS."), "add", _integration_add, "Add a bridge.", branded=True,
               takes_settings=False)
    made.add_argument("--name", required=True)
    made.add_argument("--kind", required=True, metavar="KIND", help="sql, or api for a system that only calls us")
    # the contract calls the bridge's file --config; the settings file is then given before the command
    made.add_argument("--config", type=Path, dest="bridge_config", metavar="FILE", help="the bridge as JSON")
    made = add(commands, "sync", _sync, "Sync an integration now.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made.add_argument("--preview", action="store_true", help="print the counts and change nothing")
    made.add_argument("--full", action="store_true", help="read everything, not only what changed")
    made.add_argument("--release", action="store_true", help="apply a mass change that the brake would hold")
    made = add(commands, "import", _import, "Import a file of subscribers.", branded=True)
    made.add_argument("--integration", default="api", metavar="NAME")
    made.add_argument("--interest", action="append", default=[], metavar="NAME", help="joined by all; repeatable")
    made.add_argument("file", type=Path, metavar="FILE", help=".csv or .ndjson, plain or .gz")
    made = add(commands, "serve", _serve, "Serve all doors and run the background work.")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=_port, default=8080)
    made.add_argument("--workers", type=_positive, default=1, metavar="N", help="web processes; default 1")
    made.add_argument("--no-worker", action="store_true", help="leave the background work to `gateway worker`")
    made = add(commands, "worker", _worker, "Run background work alone.")
    made.add_argument("--concurrency", type=_positive, default=4, metavar="N", help="threads; default 4")
    add(commands, "doctor", _doctor, "Check settings, database, worker, mail server, clock, disk.")
    made = add(commands, "wsdl", _wsdl, "Write, or compare, the frozen contracts.")
    made.add_argument("--check", action="store_true", help="compare only; exit 1 when they differ")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("from 0 (a free one) to 65535")
    return number
