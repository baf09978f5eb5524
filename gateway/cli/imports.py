"""How does an operator upload a file of subscribers?"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

from gateway import app
from gateway.cli.common import Commands, operator, positive, say
from gateway.domain.accounts import SCOPES, Actor
from gateway.domain.records import ADD_OR_UPDATE, CLEAR, KEEP, MODES, ImportOptions
from gateway.domain.upload import JobView


def declare(commands: Commands) -> None:
    """Declares ``gateway import``."""
    made = commands.add("import", _import, "Import a file of subscribers, or let a job go on.", branded=True)
    made.add_argument("--integration", default="api", metavar="NAME")
    made.add_argument("--interest", action="append", default=[], metavar="NAME", help="joined by all; repeatable")
    made.add_argument("--mode", choices=MODES, default=ADD_OR_UPDATE, help="default AddOrUpdate")
    made.add_argument("--empty-value", choices=(KEEP, CLEAR), default=KEEP, help="what an empty text means")
    made.add_argument("--dry-run", action="store_true", help="say what would happen, store nothing")
    made.add_argument("--change-addresses", action="store_true",
                      help="a known remote ID may come with another address")
    made.add_argument("--notify", action="append", default=[], metavar="ADDRESS", help="told of the end; repeatable")
    made.add_argument("--charset", metavar="NAME", help="default UTF-8, or what the file's mark says")
    made.add_argument("--delimiter", default=",", metavar="CHAR", help="of a .csv file; default a comma")
    made.add_argument("--raw", action="store_true", help="quotes mean nothing in a .csv or .tsv file")
    made.add_argument("--columns", default="", metavar="NAMES", help="of a table without header, comma separated")
    made.add_argument("--mapping", metavar="NAME", help="a saved column mapping")
    made.add_argument("--rejects", type=Path, metavar="FILE", help="where to write the rows that failed")
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--resume", type=_job, metavar="JOB", help="let a job that failed go on, such as j-12")
    what.add_argument("--release", type=_job, metavar="JOB", help="let a job that the brake holds make its change")
    what.add_argument("file", type=Path, nargs="?", metavar="FILE",
                      help=".csv, .tsv, .ndjson, .json or .xml, plain or .gz")


def _import(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        actor = Actor(args.brand, "operator", "cli", frozenset(SCOPES), found.integration_id, args.integration)
        job = _job_of(args, gateway, actor)
        saved = args.rejects is not None and app.fileimport.save_rejects(gateway, actor, job, args.rejects)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    facts = app.fileimport.facts(job) | ({"rejects": str(args.rejects)} if saved else {})
    say(args, facts, "\n".join(f"{name}: {value}" for name, value in facts.items()))
    return 0 if job.state == "finished" else 1


def _job_of(args: argparse.Namespace, gateway: app.Gateway, actor: Actor) -> JobView:
    if args.file is None:
        return app.fileimport.go_on(gateway, actor, args.release or args.resume, released=args.release is not None,
                                    progress=_show)
    options = ImportOptions(args.mode, args.empty_value, tuple(args.interest), args.dry_run, notify=tuple(args.notify),
                            change_addresses=args.change_addresses or None)
    columns = tuple(name.strip() for name in args.columns.split(",")) if args.columns else ()
    return app.fileimport.import_file(
        gateway, actor, args.file, options, charset=args.charset, delimiter=args.delimiter, columns=columns,
        quoted=not args.raw, mapping=args.mapping, progress=_show)


def _job(text: str) -> int:
    """The number of a job as the doors write it."""
    return positive(text.removeprefix("j-"))


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        share = done / max(total, 1)
        print(f"\r[{'#' * int(40 * share):<40}] {share:4.0%}", end="", file=sys.stderr, flush=True)
