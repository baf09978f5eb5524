"""How is an inner document read? By local name, in any order; of equal texts the first counts (aapi.md section 2).

The elements are those of ``spynekit.documents``; nothing here depends on which library made them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

from gateway.aapi.faults import INSUFFICIENT_INFORMATION, INVALID_DATA_FORMAT, UNEXPECTED_INPUT, AapiError

Node = Any
"""An element: ``tag`` in Clark notation, ``text``, ``get(attribute)``, ``sourceline``; iterating gives its children."""

_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
                      r"(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def local(node: Node) -> str:
    """The name of an element without its namespace."""
    return node.tag.rpartition("}")[2]


def named(node: Node) -> Iterator[tuple[str, Node]]:
    """The child elements with their names, in document order; comments are no elements."""
    for each in node:
        tag = each.tag  # lxml makes it anew each time
        if isinstance(tag, str):
            yield tag.rpartition("}")[2], each


def children(node: Node, name: str | None = None) -> Iterator[Node]:
    """The child elements, all or those of one name, in document order."""
    return (each for found, each in named(node) if name is None or found == name)


def child(node: Node, *names: str) -> Node | None:
    """The first child of one of these names."""
    return next((each for name, each in named(node) if name in names), None)


def content(node: Node | None) -> str:
    """The text of an element as it stands; empty for one that is absent."""
    if node is None:
        return ""
    return "".join(node.itertext()) if len(node) else node.text or ""


def text(node: Node, *names: str) -> str:
    """The text of a child without blanks around it; empty when it is absent or empty."""
    return content(child(node, *names)).strip()


def required(node: Node, *names: str) -> str:
    """As :func:`text`; raises ``InsufficientInformationToCompleteActionException`` when there is none."""
    found = text(node, *names)
    if not found:
        raise AapiError(INSUFFICIENT_INFORMATION, f"{local(node)} needs {names[0]}, which is missing or empty.", node)
    return found


def only_child(node: Node, name: str) -> Node | None:
    """A child that holds much, or None; raises ``UnexpectedInputException`` when there are several: what is in the
    others would be lost without a word."""
    found = list(children(node, name))
    if len(found) > 1:
        raise AapiError(UNEXPECTED_INPUT, f"{local(node)} takes one {name}; {len(found)} came. Put all into one.",
                        found[1])
    return found[0] if found else None


def required_child(node: Node, name: str) -> Node:
    """As :func:`only_child`; raises ``InsufficientInformationToCompleteActionException`` when it is absent."""
    found = only_child(node, name)
    if found is None:
        raise AapiError(INSUFFICIENT_INFORMATION, f"{local(node)} needs {name}, which is missing.", node)
    return found


def number(node: Node, *names: str) -> int | None:
    """The whole number in a child, or None; raises ``InvalidDataFormatException`` for another text."""
    found = text(node, *names)
    if not found:
        return None
    if not re.fullmatch(r"[+-]?\d{1,18}", found, re.ASCII):
        raise AapiError(INVALID_DATA_FORMAT, f"{names[0]} takes a whole number.", child(node, *names))
    return int(found)


def flag(node: Node, *names: str, default: bool = False) -> bool:
    """The truth in a child: 1, 0, true or false; raises ``InvalidDataFormatException`` for another text."""
    found = text(node, *names).lower()
    if not found:
        return default
    if found not in _FLAGS:
        raise AapiError(INVALID_DATA_FORMAT, f"{names[0]} takes 1 or 0.", child(node, *names))
    return _FLAGS[found]


def instant(node: Node, *names: str) -> dt.datetime | None:
    """The moment in a child, or None; raises ``InvalidDataFormatException`` for another text."""
    found = text(node, *names)
    return read_instant(found, names[0], child(node, *names)) if found else None


def read_instant(written: str, name: str, node: Node = None) -> dt.datetime:
    """``YYYY-MM-DD`` or ``YYYY-MM-DDThh:mm[:ss[.f...]]``, with Z, an offset, or neither, which is UTC; without a time
    it is 00:00:00 UTC. Raises ``InvalidDataFormatException``."""
    found = _INSTANT.fullmatch(written)
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3, 4, 5, 6))
        micros = int((found[7] or "")[:6].ljust(6, "0"))
        moment = dt.datetime(year, month, day, hour, minute, second, micros, tzinfo=_zone(found[8]))
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise AapiError(INVALID_DATA_FORMAT, f"{name} takes a date such as 2030-09-01 or 2030-09-01T19:30:00, in UTC "
                                             "or with an offset.", node) from None


def _zone(written: str | None) -> dt.tzinfo:
    if written in (None, "Z"):
        return dt.UTC
    sign = -1 if written[0] == "-" else 1
    return dt.timezone(sign * dt.timedelta(hours=int(written[1:3]), minutes=int(written[-2:])))
