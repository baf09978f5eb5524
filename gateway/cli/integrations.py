"""How does an operator set up a bridge to an AMS?"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway import app
from gateway.cli import integrationlook, sync
from gateway.cli.common import Commands, operator, say
from gateway.domain.integration import IDENTITIES
from gateway.domain.writeback import KINDS, PULLED
from gateway.errors import GatewayError


def declare(commands: Commands) -> None:
    """Declares ``gateway integration``."""
    group = commands.group("integration", "Bridges to an AMS.")
    made = group.add("add", _add, "Add a bridge.", branded=True, takes_settings=False)
    made.add_argument("--name", required=True)
    made.add_argument("--kind", required=True, metavar="KIND",
                      help="sql, http, soap or folder; or api for a system that only calls us")
    # the contract calls the bridge's file --config; the settings file is then given before the command
    made.add_argument("--config", type=Path, dest="bridge_config", metavar="FILE", help="the bridge as JSON")
    _declare_ways(made)
    made = group.add("set", _set, "Change a bridge.", branded=True, takes_settings=False)
    made.add_argument("--name", required=True)
    made.add_argument("--identity", choices=IDENTITIES,
                      help="how its records are known: by remote ID and address, or by the remote ID alone")
    _declare_ways(made)
    made.add_argument("--rotate-webhook-secret", action="store_true",
                      help="make a new secret, which is shown once; the old one signs too for 24 hours")
    made.add_argument("--config", type=Path, dest="bridge_config", metavar="FILE", help="the bridge as JSON")
    sync.declare_choices(made)
    integrationlook.declare(group)


def _declare_ways(made: argparse.ArgumentParser) -> None:
    """Where its writebacks go."""
    made.add_argument("--writebacks", choices=("pull", "none"),
                      help="pull: it fetches and acknowledges its writebacks itself; none: it does not (any more)")
    made.add_argument("--take", action="append", choices=KINDS, metavar="KIND",
                      help=f"with pull or a webhook, which: {', '.join(KINDS)}; repeatable; unsubscribe always; "
                           "default the first four")
    made.add_argument("--webhook", metavar="URL", help="post its writebacks there, signed; none: not any more")
    made.add_argument("--webhook-secret", metavar="auto|-", choices=("auto", "-"),
                      help="-: read the secret from input; auto, the default: make one, if there is none, and show it "
                           "once", dest="hook_key")
    made.add_argument("--webhook-plain-http", action="store_true", help="allow http:// to other machines")


def _add(args: argparse.Namespace) -> int:
    _check_ways(args)
    config = _bridge_config(args.bridge_config) if args.bridge_config else {}
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        integration_id = app.integrations.add(unit, args.name, args.kind, config)
        secret = _set_ways(args, unit, integration_id)
    return _answer(args, integration_id, f"Integration {args.name} ({args.kind}) added.", secret)


def _set(args: argparse.Namespace) -> int:
    _check_choices(args)
    config = None if args.bridge_config is None else _bridge_config(args.bridge_config)
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        integration_id = app.integrations.get_by_name(unit, args.name).integration_id
        if args.identity is not None:
            app.integrations.set_identity(unit, integration_id, args.identity)
        if config is not None:
            app.integrations.reconfigure(unit, integration_id, config)
        if sync.chosen(args):
            app.syncchoices.choose(unit, integration_id, sync.chosen(args))
        secret = _set_ways(args, unit, integration_id)
        if args.rotate_webhook_secret:
            secret = app.webhooks.rotate(unit, integration_id)
    return _answer(args, integration_id, f"Integration {args.name} changed.", secret)


def _answer(args: argparse.Namespace, integration_id: int, done: str, secret: str | None) -> int:
    facts: dict[str, object] = {"id": integration_id, "name": args.name}
    if secret is not None:
        facts["webhookSecret"] = secret
        done += f" The secret of its webhook is shown this once:\n{secret}"
    return say(args, facts, done)


def _check_choices(args: argparse.Namespace) -> None:
    if not (args.identity or args.bridge_config or args.writebacks or args.webhook or args.rotate_webhook_secret
            or sync.chosen(args)):
        raise GatewayError("INVALID_REQUEST", "Say what to change: --identity, --writebacks, --webhook, "
                                              "--rotate-webhook-secret, --schedule or another choice of its syncs, "
                                              "--config.")
    _check_ways(args)
    if args.rotate_webhook_secret and args.webhook:
        raise GatewayError("INVALID_REQUEST", "Set the webhook and rotate its secret one after the other.",
                           field="webhook")


def _check_ways(args: argparse.Namespace) -> None:
    posts = args.webhook not in (None, "none")
    if args.take and args.writebacks != "pull" and not posts:
        raise GatewayError("INVALID_REQUEST", "--take goes with --writebacks pull, or with --webhook URL.",
                           field="take")
    if (args.hook_key or args.webhook_plain_http) and not posts:
        raise GatewayError("INVALID_REQUEST", "It goes with --webhook URL.", field="webhook")


def _set_ways(args: argparse.Namespace, unit: Any, integration_id: int) -> str | None:
    """Ends a way before another one begins; answers the secret that was made, if one was."""
    if args.webhook == "none":
        app.webhooks.remove(unit, integration_id)
    if args.writebacks is not None:
        app.integrations.set_pulls(unit, integration_id, (args.take or PULLED) if args.writebacks == "pull" else ())
    if args.webhook in (None, "none"):
        return None
    given = sys.stdin.readline().strip() if args.hook_key == "-" else None  # not for all who list processes
    made: str | None = app.webhooks.set_up(unit, integration_id, args.webhook, secret=given, take=args.take or (),
                                           plain_http=args.webhook_plain_http)
    return made


def _bridge_config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))  # some editors begin a file with a mark
    except RecursionError:
        raise GatewayError("INVALID_VALUE", f"{path} is nested too deeply.", field="config") from None
    except ValueError as error:
        raise GatewayError("INVALID_VALUE", f"{path} is not JSON: {error}.", field="config") from None
    if not isinstance(config, dict):
        raise GatewayError("INVALID_VALUE", f"{path} must hold one JSON object.", field="config")
    return config
