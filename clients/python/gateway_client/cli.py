"""``gateway-client``: import a CSV file, create a mailing, send it, read the report - without writing Python."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import getpass
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway_client.client import Gateway
from gateway_client.errors import GatewayFault
from gateway_client.models import Acknowledgement, BatchResult, Instance, MailingDraft, Record

EMAIL_COLUMNS = {"email", "emailaddress"}
REMOTE_ID_COLUMNS = {"remoteid", "id", "contactid", "memberid", "imisid"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; exit code 0 done, 1 refused or partly failed, 2 misused."""
    args = _parser().parse_args(arguments)
    password = os.environ.get("GATEWAYCLIENT_PASSWORD") or getpass.getpass("Password: ")
    try:
        with Gateway(args.url, brand=args.brand, user=args.user, password=password, timeout_s=args.timeout) as gateway:
            return int(args.run(gateway, args))
    except GatewayFault as fault:
        place = f" ({fault.field})" if fault.field else ""
        trace = f" [request {fault.request_id}]" if fault.request_id else ""
        print(f"gateway-client: {fault.code}{place}: {fault.message}{trace}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"gateway-client: {error}", file=sys.stderr)
    return 1


def _import(gateway: Gateway, args: argparse.Namespace) -> int:
    for _ in _records(args.file, args.delimiter):  # to its end once: a file with a broken row is not sent at all
        pass
    result = gateway.import_subscribers(_records(args.file, args.delimiter), interests=args.interest, mode=args.mode,
                                        source=args.source, dry_run=args.dry_run)
    _show(result)
    return 1 if result.failed else 0


def _records(path: Path, delimiter: str) -> Iterator[Record]:
    """The rows of a CSV file; raises ``ValueError`` with file, line and remedy for what cannot be read."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.reader(lines, delimiter=delimiter)
        try:
            header = next(rows, [])
            email, remote_id = (_column(path, header, names) for names in (EMAIL_COLUMNS, REMOTE_ID_COLUMNS))
            if email is None and remote_id is None:
                raise ValueError(f"{path}: the first row must name a column email or remoteId; it has: "
                                 f"{', '.join(header) or 'nothing'}")
            fields = [(at, name) for at, name in enumerate(header) if at not in (email, remote_id) and name.strip()]
            for row in filter(None, rows):
                if len(row) > len(header):
                    raise ValueError(f"{path}: line {rows.line_num} has {len(row)} cells, the first row {len(header)}. "
                                     "Put a cell that holds the delimiter into quotes.")
                cell = dict(enumerate(row))
                yield Record(email=cell.get(email) or None, remote_id=cell.get(remote_id) or None,
                             fields={name: cell[at] for at, name in fields if at in cell})
        except UnicodeDecodeError:
            raise ValueError(f"{path}: this is not UTF-8. Save it as CSV in UTF-8.") from None
        except csv.Error as error:
            raise ValueError(f"{path}: line {rows.line_num}: {error}. Save it as CSV again.") from None


def _column(path: Path, header: Sequence[str], names: set[str]) -> int | None:
    found = [at for at, name in enumerate(header) if "".join(c for c in name.lower() if c not in " -_") in names]
    if len(found) > 1:
        raise ValueError(f"{path}: the columns {' and '.join(header[at] for at in found)} both name the person. "
                         "Take one out.")
    return found[0] if found else None


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError("one character, such as ;")
    return text


def _show(result: BatchResult) -> None:
    for name in ("received", "created", "adopted", "updated", "unchanged", "skipped", "suppressed", "failed"):
        print(f"{name:>12} {getattr(result, name)}")
    for failure in result.failures:
        print(f"record {failure.index + 1} ({failure.remote_id or failure.email or '-'}): {failure.code}: "
              f"{failure.message}", file=sys.stderr)


def _create(gateway: Gateway, args: argparse.Namespace) -> int:
    mailing = gateway.create_mailing(MailingDraft(
        name=args.name or args.subject, subject=args.subject, from_address=args.sender, from_name=args.sender_name,
        html=args.html.read_text(encoding="utf-8"), interests=args.interest,
        text=args.text.read_text(encoding="utf-8") if args.text else None))
    for warning in mailing.warnings:
        print(f"warning: {warning.message}", file=sys.stderr)
    print(mailing.mailing_id)
    return 0


def _test(gateway: Gateway, args: argparse.Namespace) -> int:
    results = gateway.send_test(args.mailing, args.to, email=args.as_email, remote_id=args.as_remote_id)
    for result in results:
        print(f"{result.address}: {result.status}" + (f" ({result.message})" if result.message else ""))
    return 0 if all(result.status == "accepted" for result in results) else 1


def _send(gateway: Gateway, args: argparse.Namespace) -> int:
    print(gateway.publish_mailing(
        args.mailing, send_at=args.at, time_zone=args.time_zone, not_after=args.not_after, again=args.again,
        audience=args.audience, spread_over=args.spread and dt.timedelta(minutes=args.spread)).instance_id)
    return 0


def _writebacks(gateway: Gateway, args: argparse.Namespace) -> int:
    for each in gateway.find_writebacks(integration=args.integration, state=args.state):
        facts = {name: value for name, value in dataclasses.asdict(each).items() if value is not None}
        print(json.dumps(facts | {"occurred_at": each.occurred_at.isoformat()}, ensure_ascii=False))
    return 0


def _ack(gateway: Gateway, args: argparse.Namespace) -> int:
    result = gateway.ack_writebacks([Acknowledgement(each, args.failed is None, args.failed)
                                     for each in args.writeback], integration=args.integration)
    print(f"{result.updated} acknowledged, {result.unchanged} were before")
    for failure in result.failures:
        print(f"writeback {args.writeback[failure.index]}: {failure.code}: {failure.message}", file=sys.stderr)
    return 1 if result.failed else 0


def _step(gateway: Gateway, args: argparse.Namespace) -> int:
    step = {"pause": gateway.pause_mailing, "resume": gateway.resume_mailing, "cancel": gateway.cancel_mailing}
    _show_instance(step[args.step](args.instance))
    return 0


def _doubts(gateway: Gateway, args: argparse.Namespace) -> int:
    if args.decision is None:
        for each in gateway.find_deliveries(args.instance, states=["in_doubt"]):
            print(each.delivery_id, each.address)
        return 0
    decided = gateway.decide_in_doubt(args.instance, args.decision, args.delivery)
    print(f"{decided.number} decided")
    _show_instance(decided.instance)
    return 0


def _show_instance(instance: Instance) -> None:
    print(instance.state + (f" ({instance.reason})" if instance.reason else ""))
    for state, count in instance.counts.items():
        print(f"{state:>22} {count}")


def _report(gateway: Gateway, args: argparse.Namespace) -> int:
    report = gateway.get_report(instance_id=args.instance, mailing_id=args.mailing)
    for name, count in report.counts.items():
        print(f"{name:>22} {count}")
    for reason, count in report.left_out.items():
        print(f"{'left out':>22} {count} ({reason})")
    if not report.settled:
        print("The figures are not settled yet: bounces and opens may still come.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway-client", description=__doc__,
                                     epilog="The password is read from GATEWAYCLIENT_PASSWORD, or asked for.")
    parser.add_argument("--url", default=os.environ.get("GATEWAYCLIENT_URL", "http://127.0.0.1:8080"),
                        help="the gateway's address; default GATEWAYCLIENT_URL or http://127.0.0.1:8080")
    parser.add_argument("--brand", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    made = commands.add_parser("import", help="import a CSV file: columns email, remoteId, then field names")
    made.add_argument("file", type=Path)
    made.add_argument("--interest", action="append", default=[], metavar="NAME", help="joined by all; repeatable")
    made.add_argument("--mode", choices=("Add", "Update", "AddOrUpdate", "Remove"), default="AddOrUpdate")
    made.add_argument("--source", metavar="LABEL", help="a label for people without remote ID")
    made.add_argument("--delimiter", type=_delimiter, default=",", metavar="C")
    made.add_argument("--dry-run", action="store_true", help="say what would happen and store nothing")
    made.set_defaults(run=_import)

    made = commands.add_parser("create", help="create a mailing; prints its id")
    made.add_argument("--subject", required=True)
    made.add_argument("--name", help="default: the subject")
    made.add_argument("--from", dest="sender", required=True, metavar="ADDRESS")
    made.add_argument("--from-name", dest="sender_name", metavar="NAME")
    made.add_argument("--html", type=Path, required=True, metavar="FILE")
    made.add_argument("--text", type=Path, metavar="FILE", help="default: made from the HTML")
    made.add_argument("--interest", action="append", required=True, metavar="NAME", help="who gets it; repeatable")
    made.set_defaults(run=_create)

    made = commands.add_parser("test", help="send test copies")
    made.add_argument("mailing")
    made.add_argument("--to", action="append", required=True, metavar="ADDRESS")
    whose = made.add_mutually_exclusive_group()
    whose.add_argument("--as-email", metavar="ADDRESS", help="with the values of this person")
    whose.add_argument("--as-remote-id", metavar="ID", help="with the values of this person")
    made.set_defaults(run=_test)

    made = commands.add_parser("send", help="send a mailing now or later; prints the instance's id")
    made.add_argument("mailing")
    made.add_argument("--again", action="store_true", help="although it was sent before")
    made.add_argument("--audience", choices=("never_received", "not_opened", "failed"), help="with --again: to these")
    made.add_argument("--at", type=dt.datetime.fromisoformat, metavar="TIME",
                      help="such as 2026-05-01T09:00, on the wall in --time-zone or the brand's, or with an offset")
    made.add_argument("--time-zone", metavar="NAME", help="such as Europe/Berlin")
    made.add_argument("--not-after", type=dt.datetime.fromisoformat, metavar="TIME", help="with an offset")
    made.add_argument("--spread", type=float, metavar="MINUTES", help="distribute it over so long")
    made.set_defaults(run=_send)

    for name, text in (("pause", "stop an instance until it is resumed"), ("resume", "let a paused instance go on"),
                       ("cancel", "stop an instance for good")):
        made = commands.add_parser(name, help=text + "; prints state and counts")
        made.add_argument("instance")
        made.set_defaults(run=_step, step=name)

    made = commands.add_parser("doubts", help="messages of which nobody knows whether they arrived: list or decide")
    made.add_argument("instance")
    made.add_argument("--decision", choices=("resend", "count_as_sent"), help="resend: they may arrive twice")
    made.add_argument("--delivery", action="append", metavar="ID", help="only this one; repeatable; default all")
    made.set_defaults(run=_doubts)

    made = commands.add_parser("writebacks", help="what your system should know: one JSON object a line")
    made.add_argument("--integration", metavar="NAME", help="default: the user's")
    made.add_argument("--state", metavar="WORD", help="such as failed; default: what is to be written now")
    made.set_defaults(run=_writebacks)

    made = commands.add_parser("ack", help="say what became of writebacks in your system")
    made.add_argument("writeback", nargs="+", metavar="ID")
    made.add_argument("--integration", metavar="NAME", help="default: the user's")
    made.add_argument("--failed", metavar="MESSAGE", help="your system refused them, for this reason; default: done")
    made.set_defaults(run=_ack)

    made = commands.add_parser("report", help="print the figures")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--instance", metavar="ID")
    which.add_argument("--mailing", metavar="ID")
    made.set_defaults(run=_report)
    return parser


if __name__ == "__main__":
    sys.exit(main())
