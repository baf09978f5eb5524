"""How does an operator add brands, users and keys?"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.domain.accounts import ROLES, SCOPES
from gateway.errors import GatewayError


def declare(commands: Commands) -> None:
    """Declares ``gateway brand``, ``gateway user`` and ``gateway key``."""
    brand = commands.group("brand", "Brands (accounts, tenants).")
    made = brand.add("add", _brand_add, "Add a brand.")
    made.add_argument("--id", type=int, metavar="ID", help="its number; default the next free one")
    made.add_argument("--name", required=True)
    made.add_argument("--allow-ip", action="append", default=[], metavar="CIDR", help="callers' network; repeatable")
    made = brand.add("set", _brand_set, "Set a brand's choices, or show them.", branded=True)
    made.add_argument("choices", nargs="*", metavar="NAME=VALUE", help="; ".join(
        f"{name}: {choice.meaning} ({choice.takes})" for name, choice in app.brandsettings.SETTINGS.items()))
    made = commands.group("user", "SOAP users.").add("add", _user_add, "Add a user.", branded=True)
    made.add_argument("--name", required=True)
    made.add_argument("--password-stdin", action="store_true", required=True, help="read the password from input")
    made.add_argument("--role", choices=ROLES, default="sender")
    made.add_argument("--integration", default="api", metavar="NAME", help="whose remote IDs it speaks; default api")
    made.add_argument("--allow-digest", action="store_true", help="keep the secret for PasswordDigest")
    made = commands.group("key", "API keys of the push doors.").add("add", _key_add, "Add a key; shown once.",
                                                                   branded=True)
    made.add_argument("--integration", required=True, metavar="NAME", help="whose remote IDs it speaks, such as api")
    made.add_argument("--scope", action="append", choices=SCOPES, help="a right; repeatable; default all")


def _brand_add(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        brand_id = app.accounts.add_brand(gateway, args.id, args.name, args.allow_ip)
    return say(args, {"id": brand_id, "name": args.name}, f"Brand {brand_id} ({args.name}) added.")


def _brand_set(args: argparse.Namespace) -> int:
    wanted = dict(choice.partition("=")[::2] for choice in args.choices)
    for name in app.brandsettings.SECRETS:
        if wanted.get(name) == "-":  # what stands on a command line can be read by all who list processes
            wanted[name] = sys.stdin.readline().strip()
    bare = [choice for choice in args.choices if "=" not in choice]
    if bare:
        raise GatewayError("INVALID_VALUE", f"'{bare[0]}' sets nothing; write NAME=VALUE.")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        settings = app.brandsettings.change(unit, wanted) if wanted else app.brandsettings.get(unit)
    facts: dict[str, object] = {"id": args.brand, "settings": settings}
    return say(args, facts, "\n".join(f"{name}: {value}" for name, value in settings.items()))


def _user_add(args: argparse.Namespace) -> int:
    password = sys.stdin.readline().rstrip("\r\n")
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        user_id = app.accounts.add_user(unit, args.name, password, args.role, integration=args.integration,
                                        recoverable=args.allow_digest)
    return say(args, {"id": user_id, "name": args.name}, f"User {args.name} ({args.role}) added.")


def _key_add(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        key_id, key = app.accounts.add_key(unit, args.integration, args.scope or SCOPES)
    facts: dict[str, object] = {"id": key_id, "name": args.integration, "key": key}
    return say(args, facts, f"Key {key_id} for {args.integration}; it is shown this once:\n{key}")
