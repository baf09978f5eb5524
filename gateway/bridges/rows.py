"""What does a row of a foreign system say about a person?"""

from __future__ import annotations

import decimal
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.bridges.port import RemoteMember
from gateway.domain.records import Problem

INTEREST_SEPARATOR = ";"
JSON_LIST = "json"
"""Instead of a separator: the text is a list in JSON."""

MAX_PLACES = 10
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})
_BITS = {b"\0": False, b"\1": True}
_KEPT = 1000  # different values of a column


class Unclear(Exception):
    """A value that says neither yes nor no, or that is no list."""

    def __init__(self, column: str, must: str = "must say yes or no (1/0, true/false, yes/no)") -> None:
        super().__init__(f"{column} {must}.")
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
    return RemoteMember(remote_id, email, flag, interests(row["interests"]) if "interests" in row else None,
                        bool(deleted))


def reader(names: Sequence[str], separator: str = INTEREST_SEPARATOR) -> Callable[[Sequence[object]], RemoteMember]:
    """What :func:`member` says, for rows whose columns have these names: made for millions of them.

    Of columns with the same name the last one counts. ``separator``: what stands between names of interests.
    """
    places, names_of = {name: place for place, name in enumerate(names)}, tuple(names)
    remote_id_at, email_at = places["remote_id"], places["email"]
    flag_at, deleted_at, interests_at = places.get("do_not_email"), places.get("deleted"), places.get("interests")
    flags = _Kept(lambda value: truth("do_not_email", value))
    gone = _Kept(lambda value: bool(truth("deleted", value)))
    listed = _Kept(lambda value: interests(value, separator))

    def read(row: Sequence[object]) -> RemoteMember:
        remote_id, email = row[remote_id_at], row[email_at]
        if type(remote_id) is not str:
            remote_id = text(remote_id)
        if type(email) is not str:
            email = text(email)
        try:
            names = None
            if interests_at is not None:
                value = row[interests_at]
                names = listed[value] if value is None or type(value) is str else interests(value, separator)
            return RemoteMember(remote_id, email, None if flag_at is None else flags[row[flag_at]], names,
                                False if deleted_at is None else gone[row[deleted_at]])
        except Unclear as error:
            return RemoteMember(remote_id, email, problem=Problem("INVALID_VALUE", str(error), error.column))
        except TypeError:  # an object where a flag should be
            return member(dict(zip(names_of, row, strict=True)))

    return read


class _Kept(dict[Any, Any]):
    """What values say, for some that come again and again; an error is not kept."""

    def __init__(self, say: Callable[[object], object]) -> None:
        super().__init__()
        self._say = say

    def __missing__(self, value: object) -> object:
        said = self._say(value)
        if len(self) < _KEPT:
            self[value] = said
        return said


def text(value: object) -> str | None:
    """The text of a key or address. Whole numbers have no fraction, whatever type the column has: 17.0 is ``17``."""
    if value is None:
        return None
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, float | decimal.Decimal) and math.isfinite(value) and value == (whole := int(value)):
        return str(whole)
    return str(value)


def value(raw: object) -> str | None:
    """The text of a value that goes into a mail, as the system writes it; None where it has nothing."""
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if isinstance(raw, bytes) and raw in _BITS:
        return "yes" if _BITS[raw] else "no"
    said = str(raw) if isinstance(raw, decimal.Decimal) else text(raw)
    return None if said is None or not said.strip() else said.strip()


def is_number(said: str) -> bool:
    """Whether it is a whole number as databases write and hold it: no sign, no leading zeros, at most 18 digits."""
    return said.isascii() and said.isdigit() and len(said) <= 18 and said == str(int(said))


def spellings(remote_id: str) -> list[str]:
    """How databases write this remote ID as text: a whole number has a fraction of zeros where its column has one."""
    if not remote_id.isascii() or not remote_id.isdigit():
        return [remote_id]
    return [remote_id, *(f"{remote_id}.{'0' * places}" for places in range(1, MAX_PLACES + 1))]


def truth(column: str, value: object) -> bool | None:
    """Yes, no, or None where the column is empty. Raises :class:`Unclear` for anything else."""
    if isinstance(value, bytes) and value in _BITS:
        return _BITS[value]
    folded = (text(value) or "").strip().lower()
    if not folded:
        return None
    if folded in _TRUE or folded in _FALSE:
        return folded in _TRUE
    raise Unclear(column)


def interests(value: object, separator: str = INTEREST_SEPARATOR) -> tuple[str, ...]:
    """The names of interests in a list, or in a text with the separator between them; each once, without the blanks
    around it. Raises :class:`Unclear` for a text that should be a list in JSON and is none."""
    if separator == JSON_LIST and not isinstance(value, list | tuple):
        value = _json_list(text(value) or "")
    listed = value if isinstance(value, list | tuple) else (text(value) or "").split(separator)
    names = ((text(name) or "").strip() for name in listed)
    return tuple(dict.fromkeys(name for name in names if name))


def _json_list(said: str) -> list[object]:
    try:
        found = json.loads(said) if said.strip() else []
    except ValueError:
        found = None
    if found is None and said.strip() == "null":
        return []
    if not isinstance(found, list) or any(isinstance(each, list | dict) for each in found):
        raise Unclear("interests", "must be a list of names in JSON")
    return found
