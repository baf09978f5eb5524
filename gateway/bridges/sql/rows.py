"""What does a row of a foreign database say about a person?"""

from __future__ import annotations

import decimal
import math
from collections.abc import Mapping

from gateway.bridges.port import RemoteMember
from gateway.domain.records import Problem

INTEREST_SEPARATOR = ";"
MAX_PLACES = 10
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


class Unclear(Exception):
    """A value that says neither yes nor no."""

    def __init__(self, column: str) -> None:
        super().__init__(f"The column {column} must say yes or no (1/0, true/false, yes/no).")
        self.column = column


def member(row: Mapping[str, object]) -> RemoteMember:
    """The member in a row keyed by ``remote_id``, ``email``, ``do_not_email``, ``interests``, ``deleted``.

    A value that says neither yes nor no makes a member with a problem, so that the row is counted and shown.
    """
    remote_id, email = text(row.get("remote_id")), text(row.get("email"))
    try:
        flag, deleted = truth("do_not_email", row.get("do_not_email")), truth("deleted", row.get("deleted"))
    except Unclear as error:
        return RemoteMember(remote_id, email, problem=Problem("INVALID_VALUE", str(error), error.column))
    return RemoteMember(remote_id, email, flag, _interests(row), bool(deleted))


def text(value: object) -> str | None:
    """The text of a key or address. Whole numbers have no fraction, whatever type the column has: 17.0 is ``17``."""
    if value is None:
        return None
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, float | decimal.Decimal) and math.isfinite(value) and value == (whole := int(value)):
        return str(whole)
    return str(value)


def spellings(remote_id: str) -> list[str]:
    """How databases write this remote ID as text: a whole number has a fraction of zeros where its column has one."""
    if not remote_id.isascii() or not remote_id.isdigit():
        return [remote_id]
    return [remote_id, *(f"{remote_id}.{'0' * places}" for places in range(1, MAX_PLACES + 1))]


def truth(column: str, value: object) -> bool | None:
    """Yes, no, or None where the column is empty. Raises :class:`Unclear` for anything else."""
    folded = (text(value) or "").strip().lower()
    if not folded:
        return None
    if folded in _TRUE or folded in _FALSE:
        return folded in _TRUE
    raise Unclear(column)


def _interests(row: Mapping[str, object]) -> tuple[str, ...] | None:
    if "interests" not in row:
        return None
    names = (name.strip() for name in (text(row["interests"]) or "").split(INTEREST_SEPARATOR))
    return tuple(dict.fromkeys(name for name in names if name))
