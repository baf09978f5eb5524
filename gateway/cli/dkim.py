"""How does an operator give a brand's domain keys that sign its mail, and change them?"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.domain import maildns


def declare(commands: Commands) -> None:
    """Declares ``gateway dkim add``, ``list``, ``activate`` and ``retire``."""
    group = commands.group("dkim", "Keys that sign a brand's mail (DKIM).")
    made = group.add("add", _add, "Make a key, or take one, and show what to publish.", branded=True)
    _which(made)
    made.add_argument("--algorithm", choices=maildns.ALGORITHMS, default=maildns.ALGORITHMS[0])
    made.add_argument("--private-key", type=Path, metavar="FILE", help="a key in PEM form, instead of a new one")
    group.add("list", _list, "Show the brand's keys.", branded=True)
    made = group.add("activate", _activate, "Let a published key sign, in the place of the one before.", branded=True)
    _which(made)
    made.add_argument("--unchecked", action="store_true", help="do not look whether the DNS has it")
    _which(group.add("retire", _retire, "End a key and forget its private half.", branded=True))


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--domain", required=True, metavar="DOMAIN")
    parser.add_argument("--selector", required=True, metavar="WORD")


def _add(args: argparse.Namespace) -> int:
    pem = args.private_key.read_bytes() if args.private_key else None
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        key = app.dkim.add(unit, args.domain, args.selector, args.algorithm, pem)
    return say(args, asdict(key), f"{key.name} TXT {maildns.quoted_strings(key.record)}\n"
                                  "Publish this record, then: gateway dkim activate "
                                  f"--brand {args.brand} --domain {key.domain} --selector {key.selector}")


def _list(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.reading(operator(args)) as unit:
        app.accounts.require_brand(unit)
        keys = app.dkim.find(unit)
    lines = [f"{key.domain} {key.selector} {key.algorithm} {key.state}" for key in keys]
    return say(args, {"keys": [asdict(key) for key in keys]}, "\n".join(lines) or "The brand has no keys.")


def _activate(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        resolver = None if args.unchecked else app.dnschecks.resolver(gateway)
        key = app.dkim.activate(unit, args.domain, args.selector, resolver)
    return say(args, asdict(key), f"{key.domain}: mail is signed with {key.selector} now.")


def _retire(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        key = app.dkim.retire(unit, args.domain, args.selector)
    return say(args, asdict(key), f"{key.selector} of {key.domain} signs no more. Leave its record for a week.")
