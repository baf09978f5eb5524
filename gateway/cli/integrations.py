"""How does an operator set up a bridge to an AMS and sync it?"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.domain.integration import IDENTITIES
from gateway.errors import GatewayError


def declare(commands: Commands) -> None:
    """Declares ``gateway integration`` and ``gateway sync``."""
    group = commands.group("integration", "Bridges to an AMS.")
    made = group.add("add", _add, "Add a bridge.", branded=True, takes_settings=False)
    made.add_argument("--name", required=True)
    made.add_argument("--kind", required=True, metavar="KIND", help="sql, or api for a system that only calls us")
    # the contract calls the bridge's file --config; the settings file is then given before the command
    made.add_argument("--config", type=Path, dest="bridge_config", metavar="FILE", help="the bridge as JSON")
    made = group.add("set", _set, "Change a bridge.", branded=True, takes_settings=False)
    made.add_argument("--name", required=True)
    made.add_argument("--identity", choices=IDENTITIES,
                      help="how its records are known: by remote ID and address, or by the remote ID alone")
    made.add_argument("--config", type=Path, dest="bridge_config", metavar="FILE", help="the bridge as JSON")
    made = commands.add("sync", _sync, "Sync an integration now.", branded=True)
    made.add_argument("--integration", required=True, metavar="NAME")
    made.add_argument("--preview", action="store_true", help="print the counts and change nothing")
    made.add_argument("--full", action="store_true", help="read everything, not only what changed")
    made.add_argument("--release", action="store_true", help="apply a mass change that the brake would hold")


def _add(args: argparse.Namespace) -> int:
    config = _bridge_config(args.bridge_config) if args.bridge_config else {}
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        integration_id = app.integrations.add(unit, args.name, args.kind, config)
    return say(args, {"id": integration_id, "name": args.name}, f"Integration {args.name} ({args.kind}) added.")


def _set(args: argparse.Namespace) -> int:
    if args.identity is None and args.bridge_config is None:
        raise GatewayError("INVALID_REQUEST", "Say what to change: --identity, --config, or both.")
    config = None if args.bridge_config is None else _bridge_config(args.bridge_config)
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        integration_id = app.integrations.get_by_name(unit, args.name).integration_id
        if args.identity is not None:
            app.integrations.set_identity(unit, integration_id, args.identity)
        if config is not None:
            app.integrations.reconfigure(unit, integration_id, config)
    return say(args, {"id": integration_id, "name": args.name}, f"Integration {args.name} changed.")


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
        with gateway.reading(operator(args)) as unit:
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
    say(args, facts | {"samples": samples}, "\n".join(lines))
    return 0 if report.state in ("success", "skipped") else 1
