"""How does an operator forget a person, undo a merge, and switch a brand to one record per address?"""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from dataclasses import asdict, replace

from gateway import app
from gateway.cli.common import Commands, operator, say
from gateway.clock import instant
from gateway.domain.accounts import Actor
from gateway.domain.records import Identifier
from gateway.errors import GatewayError

SHOWN_GROUPS = 10


def declare(commands: Commands) -> None:
    """Declares ``gateway one-to-many``, ``gateway erase`` and ``gateway merge``."""
    made = commands.add("one-to-many", _one_to_many, "One main record per address: preview, on, off, or how it stands.",
                        branded=True)
    act = made.add_mutually_exclusive_group()
    act.add_argument("--preview", action="store_true", help="what switching on would do; changes nothing")
    act.add_argument("--on", action="store_true", help="switch on and merge; goes on where a killed run stopped")
    act.add_argument("--off", action="store_true", help="switch off; merged records stay merged")
    made.add_argument("--fingerprint", metavar="F", help="with --on: of the preview that you looked at")
    made = commands.add("erase", _erase, "Forget a person who asked for it; cannot be undone.", branded=True)
    whom = made.add_mutually_exclusive_group(required=True)
    whom.add_argument("--email", metavar="ADDRESS")
    whom.add_argument("--remote-id", metavar="ID", help="of --integration")
    whom.add_argument("--subscriber", type=int, metavar="ID", help="our id")
    made.add_argument("--integration", default="api", metavar="NAME", help="whose remote ID it is; default api")
    made.add_argument("--close-writebacks", action="store_true", help="also when their system was not told all yet")
    made.add_argument("--yes", action="store_true", help="do not ask again")
    made = commands.group("merge", "Records that became one.").add(
        "undo", _undo, "Make a merged record live again, within 30 days.", branded=True)
    made.add_argument("--subscriber", type=int, required=True, metavar="ID", help="the record that was merged away")


def _one_to_many(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        if args.preview:
            with gateway.reading(operator(args)) as unit:
                return _show_preview(args, app.onetomany.preview(unit))
        if args.on:
            view = app.onetomany.switch_on(gateway, operator(args), args.fingerprint or _running(gateway, args))
        elif args.off:
            with gateway.unit(operator(args)) as unit:
                view = app.onetomany.switch_off(unit)
        else:
            with gateway.reading(operator(args)) as unit:
                view = app.onetomany.get(unit)
    facts: dict[str, object] = {"mode": view.mode, "state": view.state, "fingerprint": view.fingerprint,
                                **view.counters}
    say(args, facts, "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None))
    return 1 if args.on and view.state != "on" else 0


def _running(gateway: app.Gateway, args: argparse.Namespace) -> str:
    """The fingerprint of a switch that was interrupted: it was looked at before."""
    with gateway.reading(operator(args)) as unit:
        view = app.onetomany.get(unit)
    if view.state != "running" or view.fingerprint is None:
        raise GatewayError("INVALID_REQUEST", "Look at `gateway one-to-many --preview` first; give its fingerprint.",
                           field="fingerprint")
    return view.fingerprint


def _show_preview(args: argparse.Namespace, found: app.onetomany.SwitchPreview) -> int:
    facts: dict[str, object] = {**found.counters, "fingerprint": found.fingerprint, "complete": found.complete,
                                "groups": [asdict(group) for group in found.groups]}
    lines = [f"{name}: {value}" for name, value in found.counters.items()]
    lines += [f"  {', '.join(map(str, group.loser_ids))} into {group.survivor_id}"
              + (f"; they differ in {', '.join(group.conflicts)}" if group.conflicts else "")
              + (f"; opted out with it: {', '.join(map(str, group.status_changes))}" if group.status_changes else "")
              for group in found.groups[:SHOWN_GROUPS]]
    if len(found.groups) > SHOWN_GROUPS:
        lines.append(f"  ... and {len(found.groups) - SHOWN_GROUPS} addresses more; --json lists up to 1,000")
    lines.append(f"Next: gateway one-to-many --brand {args.brand} --on --fingerprint {found.fingerprint}")
    return say(args, facts, "\n".join(lines))


def _erase(args: argparse.Namespace) -> int:
    who = Identifier(args.subscriber, args.remote_id, args.email)
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
            found = app.integrations.get_by_name(unit, args.integration)
        actor = replace(operator(args), integration_id=found.integration_id, integration_name=found.name)
        if not args.yes:
            _ask(gateway, actor, args, who)
        with gateway.unit(actor) as unit:
            view = app.erasure.erase(unit, who, confirmed=True, close_writebacks=args.close_writebacks)
    facts = {**asdict(view), "erased_at": instant(view.erased_at)}
    others = f" Records {', '.join(map(str, view.other_ids))} have the address, too." if view.other_ids else ""
    kept = f" Mails in quarantine stay: `gateway bounces show {view.quarantined_mails[0]}` and such; " \
           f"their ids: {', '.join(map(str, view.quarantined_mails[:50]))}." if view.quarantined_mails else ""
    return say(args, facts, f"Erased: {view.addresses} addresses, {view.remote_ids} remote IDs, {view.values} sets of "
                            f"values. {view.events} events and {view.deliveries} deliveries stay without the person."
                            + others + kept)


def _ask(gateway: app.Gateway, actor: Actor, args: argparse.Namespace, who: Identifier) -> None:
    """Says what would go, and goes on only when the identifier is typed once more."""
    try:
        with gateway.unit(actor) as unit:
            app.erasure.erase(unit, who, confirmed=False)
    except GatewayError as error:
        if error.field != "confirmed":
            raise
        print(error.message, file=sys.stderr)
    named = str(next(value for value in (args.email, args.remote_id, args.subscriber) if value is not None))
    print("Type the address or ID again to erase: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != named.strip():
        raise GatewayError("INVALID_REQUEST", "That is not the same; nothing was erased. Repeat it, or give --yes.")


def _undo(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway, gateway.unit(operator(args)) as unit:
        app.accounts.require_brand(unit)
        view = app.merges.undo(unit, args.subscriber)
    facts: dict[str, object] = {"id": view.subscriber_id, "email": view.email, "status": view.status,
                                "links": [list(link) for link in view.links]}
    return say(args, facts, f"Record {view.subscriber_id} ({view.email}) is live again.")
