"""Which command is meant, and what is its exit code? 0 done, 1 failed, 2 misused."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence

from gateway import log
from gateway.cli import (
    accounts,
    backup,
    bounces,
    dkim,
    explain,
    fields,
    groups,
    identity,
    imports,
    integrations,
    mailings,
    processes,
    sync,
    templates,
    writebacks,
)
from gateway.cli.common import Command, Commands
from gateway.errors import GatewayError, SettingsError

NOUNS = (processes, backup, accounts, integrations, sync, groups, writebacks, fields, imports, mailings, templates,
         bounces, identity, dkim, explain)
"""The modules that declare commands, in the order in which the help lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit code; errors go to standard error with what to do next."""
    args = _parser().parse_args(arguments)
    log.setup()
    command: Command = args.command
    try:
        code = command(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the answer, such as `head`, had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SettingsError as error:
        return _fail(args, "SETTINGS", str(error))
    except GatewayError as error:
        return _fail(args, error.code, error.message + _reason(error), error.field)
    except (OSError, UnicodeDecodeError) as error:
        return _fail(args, "FAILED", str(error))
    except KeyboardInterrupt:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway", description="SOAP and PUSH gateway for e-mail marketing.")
    commands = Commands.of(parser)
    for noun in NOUNS:
        noun.declare(commands)
    return parser


def _reason(error: GatewayError) -> str:
    """What the database itself said: on the shell it helps, and neither address nor secret is in it."""
    said = getattr(error.__cause__, "orig", None)
    return f" ({str(said).splitlines()[0]})" if error.code == "UNAVAILABLE" and said else ""


def _fail(args: argparse.Namespace, code: str, message: str, field: str | None = None) -> int:
    if getattr(args, "json", False):
        print(json.dumps({"error": {"code": code, "field": field, "message": message}}))
    option = _option(field or "")
    is_one = hasattr(args, option.replace("-", "_"))  # a key of a configuration, say, is none
    print(f"gateway: {code}: {message}" + (f" (--{option})" if is_one else ""), file=sys.stderr)
    return 1


def _option(field: str) -> str:
    """The option that a field of the services is on the command line: in words with dashes, lists one by one."""
    known = {"interests": "interest", "mailingId": "mailing", "instanceId": "instance", "deliveryId": "delivery",
             "templateId": "template", "writebackId": "writeback", "runId": "run", "groupId": "group"}
    return re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", known.get(field, field))
