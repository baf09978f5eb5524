"""Where in a foreign SOAP answer does something stand, and what does it say about a person?"""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping

from gateway.bridges import rows
from gateway.bridges.http import places
from gateway.bridges.http.places import OPPOSITE, Json
from gateway.bridges.port import Refused, RemoteMember
from gateway.bridges.soap.reading import Node

STEP = re.compile(r"\*|[0-9]{1,4}|@?[^\W\d][\w-]*")
NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,10})?")
EACH = "*"
Found = Node | list["Found"] | None


def is_place(path: str) -> bool:
    """Whether it is a path: names, each perhaps with a number or ``*`` after it, with dots between."""
    steps = path.split(".")
    return all(map(STEP.fullmatch, steps)) and not _is_choice(steps[0]) and not any(
        _is_choice(before) and _is_choice(after) for before, after in zip(steps, steps[1:], strict=False))


def at(node: Node | None, path: str) -> Found:
    """What stands at a path: an element; a list where several have its name, or ``*`` asks for all; None if nothing."""
    return _at(node, path.split(".") if path else [])


def plain(found: Found) -> Json:
    """The text of an element, None for one that is nil or blank, an object for one that has others within."""
    if isinstance(found, list):
        return [plain(each) for each in found]
    if found is None or found.is_nil:
        return None
    return (found.text if found.text.strip() else None) if found.is_leaf() else {}


def items(answer: Node, path: str) -> list[Node]:
    """The elements at a path; none where there is nothing."""
    found = at(answer, path)
    if found is None:
        return []
    return [each for each in found if isinstance(each, Node)] if isinstance(found, list) else [found]


def gap(answer: Node, path: str) -> bool:
    """Whether the path ends, before its last name, at an element that holds other things: not an empty list, but an
    answer of another shape."""
    node, names = answer, [step for step in path.split(".") if not _is_choice(step)]
    for name in names[:-1]:
        there = node.first(name)
        if there is None:
            return not node.is_leaf()
        node = there
    return False


def member(node: Node, fields: Mapping[str, str], numbers: frozenset[str]) -> RemoteMember:
    """The member that an element describes; what stands nowhere or is nil or empty says nothing.

    ``numbers``: columns that the WSDL calls decimal: 17.00 is the number 17.
    """
    read: dict[str, Json] = {}
    for name, path in fields.items():
        value: object = plain(at(node, path.removeprefix(OPPOSITE)))
        read[name] = _number(value) if name in numbers else value  # type: ignore[assignment]
    return places.member(read, {name: (OPPOSITE if path.startswith(OPPOSITE) else "") + name
                                for name, path in fields.items()})


def key(node: Node, path: str) -> str:
    """The remote ID or group id at a path, without blanks around; empty where there is none."""
    found = plain(at(node, path))
    return found.strip() if isinstance(found, str) else ""


def check_said(answer: Node, path: str | None) -> None:
    """Raises :class:`Refused` unless the flag at the path says yes; with ``!`` before, that it does not say anything.

    For services that do not answer with faults, but with a flag or a text that says what went wrong.
    """
    if path is None:
        return
    found = plain(at(answer, path.removeprefix(OPPOSITE)))
    try:
        said = rows.truth("ok", found)
    except rows.Unclear:
        said = None
    good = said is True if not path.startswith(OPPOSITE) else said is False or found is None or found == []
    if not good:
        raise Refused("The system's answer says that it did not do what it was asked for.")


def _at(node: Node | None, steps: list[str]) -> Found:
    if not steps or node is None:
        return node
    if node.is_nil:
        return None
    there, rest = node.children.get(steps[0], []), steps[1:]
    if rest and rest[0] == EACH:
        return [_at(each, rest[1:]) for each in there]
    if rest and _is_choice(rest[0]):
        return _at(there[int(rest[0])], rest[1:]) if int(rest[0]) < len(there) else None
    if len(there) == 1:
        return _at(there[0], rest)
    return list(there) if there and not rest else None


def _is_choice(step: str) -> bool:
    return step == EACH or step.isdecimal()


def _number(value: object) -> object:
    return decimal.Decimal(value.strip()) if isinstance(value, str) and NUMBER.fullmatch(value.strip()) else value
