"""``gateway-client``: import a CSV file, create a mailing, send it, read the report - without writing Python."""

from __future__ import annotations

import argparse
import csv
import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway_client.client import Gateway
from gateway_client.errors import GatewayFault
from gateway_client.models import BatchResult, MailingDraft, Record

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
    result = gateway.import_subscribers(_records(args.file, args.delimiter), interests=args.interest, mode=args.mode,
                                        source=args.source, dry_run=args.dry_run)
    _show(result)
    return 1 if result.failed else 0


def _records(path: Path, delimiter: str) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, delimiter=delimiter)
        names = {name: "".join(c for c in name.lower() if c not in " -_") for name in rows.fieldnames or ()}
        email = next((name for name, folded in names.items() if folded in EMAIL_COLUMNS), None)
        remote_id = next((name for name, folded in names.items() if folded in REMOTE_ID_COLUMNS), None)
        if email is None and remote_id is None:
            raise ValueError(f"{path}: the first row must name a column email or remoteId; it has: "
                             f"{', '.join(names) or 'nothing'}")
        for row in rows:
            fields = {name: row[name] for name in names if name not in (email, remote_id) and row[name] is not None}
            yield Record(email=row[email] or None if email else None,
                         remote_id=row[remote_id] or None if remote_id else None, fields=fields)


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
    results = gateway.send_test(args.mailing, args.to)
    for result in results:
        print(f"{result.address}: {result.status}" + (f" ({result.message})" if result.message else ""))
    return 0 if all(result.status == "accepted" for result in results) else 1


def _send(gateway: Gateway, args: argparse.Namespace) -> int:
    print(gateway.send_mailing(args.mailing, again=args.again).instance_id)
    return 0


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
    made.add_argument("--delimiter", default=",")
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
    made.set_defaults(run=_test)

    made = commands.add_parser("send", help="send a mailing now; prints the instance's id")
    made.add_argument("mailing")
    made.add_argument("--again", action="store_true", help="although it was sent before")
    made.set_defaults(run=_send)

    made = commands.add_parser("report", help="print the figures")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--instance", metavar="ID")
    which.add_argument("--mailing", metavar="ID")
    made.set_defaults(run=_report)
    return parser


if __name__ == "__main__":
    sys.exit(main())
