"""How does an operator ask why a person got something, or did not?"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any

from gateway import app
from gateway.cli.common import Commands, operator, positive, shown
from gateway.clock import instant
from gateway.domain.explained import facts, lines
from gateway.domain.records import Identifier


def declare(commands: Commands) -> None:
    """Declares ``gateway explain``."""
    made = commands.add("explain", _explain, "Say why a person did or did not get something.", branded=True)
    whom = made.add_mutually_exclusive_group(required=True)
    whom.add_argument("--email", metavar="ADDRESS")
    whom.add_argument("--remote-id", metavar="ID", help="of --integration, else of any")
    whom.add_argument("--subscriber", type=_id, metavar="ID", help="our id, a merged record's too")
    made.add_argument("--integration", metavar="NAME", help="whose remote ID it is")
    what: Any = made.add_mutually_exclusive_group()
    what.add_argument("--mailing-instance", type=_id, metavar="ID", help="did this publication reach the person")
    what.add_argument("--mailing", type=_id, metavar="ID", help="would this mailing reach the person now")


def _explain(args: argparse.Namespace) -> int:
    with closing(app.open_gateway(args.config)) as gateway:
        with gateway.reading(operator(args)) as unit:
            app.accounts.require_brand(unit)
        answer = app.explain.explain(gateway, operator(args), Identifier(args.subscriber, args.remote_id, args.email),
                                     mailing_id=args.mailing, instance_id=args.mailing_instance,
                                     integration=args.integration)
    print(json.dumps(facts(answer, instant), ensure_ascii=False) if args.json else shown("\n".join(lines(answer))))
    return 0


def _id(text: str) -> int:
    """An id of ours; a larger number than the store can hold is nobody's."""
    number = positive(text)
    if number >= 2**63:
        raise argparse.ArgumentTypeError("not an id")
    return number
