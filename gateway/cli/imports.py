"""How does an operator upload a file of subscribers?"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.domain.accounts import SCOPES, Actor


def declare(commands: Commands) -> None:
    """Declares ``gateway import``."""
    made = commands.add("import", _import, "Import a file of subscribers.", branded=True)
    made.add_argument("--integration", default="api", metavar="NAME")
    made.add_argument("--interest", action="append", default=[], metavar="NAME", help="joined by all; repeatable")
    made.add_argument("--change-addresses", action="store_true",
                      help="a known remote ID may come with another address")
    made.add_argument("file", type=Path, metavar="FILE", help=".csv or .ndjson, plain or .gz")


def _import(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        actor = Actor(args.brand, "operator", "cli", frozenset(SCOPES), found.integration_id, args.integration)
        job = app.fileimport.import_file(gateway, actor, args.file, interests=tuple(args.interest),
                                          change_addresses=args.change_addresses, progress=_show)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    facts = app.fileimport.facts(job)
    say(args, facts, "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 0 if job.state == "finished" else 1


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        share = done / max(total, 1)
        print(f"\r[{'#' * int(40 * share):<40}] {share:4.0%}", end="", file=sys.stderr, flush=True)
