"""What do all commands share: how they are declared, for whom they act, and how they answer?"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.domain.accounts import Actor, system_actor

Command = Callable[[argparse.Namespace], int]

_SETTINGS_FILE: dict[str, Any] = {"type": Path, "metavar": "FILE", "help": "settings file in .env form; default ./.env"}
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Commands:
    """Where commands are declared: the program itself, or a group of it such as ``gateway brand``."""

    subparsers: argparse._SubParsersAction

    @classmethod
    def of(cls, parser: argparse.ArgumentParser) -> Commands:
        """The program's own commands."""
        parser.add_argument("--config", default=None, **_SETTINGS_FILE)
        return cls(parser.add_subparsers(required=True, metavar="COMMAND"))

    def add(self, name: str, command: Command, text: str, *, branded: bool = False,
            takes_settings: bool = True) -> argparse.ArgumentParser:
        """Declares a command, which takes ``--json`` and, where ``branded``, ``--brand``; answers its parser."""
        made = self.subparsers.add_parser(name, help=text, description=text)
        made.add_argument("--json", action="store_true", help="answer one JSON object")
        if branded:
            made.add_argument("--brand", type=int, required=True, metavar="ID", help="the brand's id")
        made.set_defaults(command=command)
        if takes_settings:  # suppressed, so that it does not undo `gateway --config FILE COMMAND`
            made.add_argument("--config", default=argparse.SUPPRESS, **_SETTINGS_FILE)
        return made

    def group(self, name: str, text: str) -> Commands:
        """Declares a noun whose acts are commands, such as ``gateway brand add``."""
        made = self.subparsers.add_parser(name, help=text, description=text)
        return Commands(made.add_subparsers(required=True, metavar="ACT"))


def say(args: argparse.Namespace, facts: dict[str, object], sentence: str) -> int:
    """Prints the facts as JSON where that was asked for, else the sentence; answers exit code 0."""
    print(json.dumps(facts, default=str) if args.json else shown(sentence))
    return 0


def shown(text: str) -> str:
    """The text for a terminal. What foreign systems say stands in it as well: their control characters, which could
    move the cursor or colour a line, are shown and not sent."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def operator(args: argparse.Namespace) -> Actor:
    """Whoever sits at the shell is an administrator of every brand."""
    return system_actor(args.brand, "cli")


def positive(text: str) -> int:
    """An option's number, from 1 to what a database's number can be."""
    number = int(text)
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError("at least 1, and less than 2**63")
    return number
