"""Where in a foreign JSON value does something stand, and what does it say about a person?"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.bridges import rows
from gateway.bridges.port import RemoteMember
from gateway.domain.records import Problem

OPPOSITE = "!"
"""Before the path of a flag: the system says the opposite, such as ``!active`` for ``deleted``."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def at(value: Json, path: str) -> Json:
    """What stands at a path: names and, in lists, numbers or ``*`` for all, with dots between; None if nothing."""
    steps = path.split(".") if path else []
    for place, step in enumerate(steps):
        if step == "*" and isinstance(value, list):
            return [at(each, ".".join(steps[place + 1:])) for each in value]
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 5 and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def member(value: Json, fields: Mapping[str, str]) -> RemoteMember:
    """The member that a value of the list describes. What is missing or null says nothing; what cannot be read makes a
    member with a problem, so that the row is counted and shown."""
    found: dict[str, object] = {}
    for name, path in fields.items():
        read = at(value, path.removeprefix(OPPOSITE))
        if not _is_plain(read) and not (name == "interests" and isinstance(read, list)
                                        and all(_is_plain(each) for each in read)):
            what = "a text, a list of texts" if name == "interests" else "a text"
            return _broken(found, name, f"{name} must be {what}, a number, true, false or null.")
        if read is not None:
            found[name] = _opposite(name, read) if path.startswith(OPPOSITE) else read
    return rows.member(found)


def shown(value: Json) -> str | None:
    """The text of a field's value; None where there is nothing, or nothing that is one. Texts of a list have ``;``
    between them."""
    if isinstance(value, list):
        texts = [rows.value(each) for each in value] if all(map(_is_plain, value)) else []
        return rows.INTEREST_SEPARATOR.join(text for text in texts if text is not None) or None
    return rows.value(value) if _is_plain(value) else None


def _broken(found: Mapping[str, object], name: str, message: str) -> RemoteMember:
    return RemoteMember(rows.text(found.get("remote_id")), rows.text(found.get("email")),
                        problem=Problem("INVALID_VALUE", message, name))


def _is_plain(value: Json) -> bool:
    """Whether it is no object or list, nor a text that no database takes."""
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
    return not isinstance(value, dict | list)


def _opposite(name: str, value: object) -> object:
    try:
        said = rows.truth(name, value)
    except rows.Unclear:
        return value  # which the reading of the row says once more
    return None if said is None else not said
