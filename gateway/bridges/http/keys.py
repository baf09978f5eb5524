"""What do the keys of a REST interface's configuration have in common, and how is a fault in one said?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bridges.checks import columns, mapping, only, whole, word, wrong
from gateway.bridges.http.calls import SLOT
from gateway.bridges.http.places import OPPOSITE

PAGING_KEYS = {"page": ("kind", "parameter", "first", "size_parameter", "size", "total"),
               "offset": ("kind", "parameter", "size_parameter", "size", "total"), "next": ("kind", "path")}


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list goes on: ``page`` and ``offset`` count in a parameter, ``next`` follows the address at ``path``."""

    kind: str
    parameter: str = ""
    first: int = 0
    size_parameter: str | None = None
    size: int = 0
    total: str | None = None
    path: str = ""


def below(key: str, value: object, slots: tuple[str, ...] = ()) -> str:
    """The value as a path below the interface's address, which uses no other than these slots."""
    path = word(key, value, "a path below url that begins with '/', such as /members")
    if not path.startswith("/") or path.startswith("//") or " " in path or "#" in path or "\\" in path:
        raise wrong(key, "must be a path below url that begins with '/', such as /members")
    if any(step in (".", "..") for step in path.split("?")[0].split("/")):
        raise wrong(key, "must be a path without '.' and '..'")
    check_slots(key, set(SLOT.findall(path)), slots)
    return path


def check_slots(key: str, used: set[str], known: tuple[str, ...]) -> None:
    """Raises ``INVALID_VALUE`` for a slot that is not known."""
    unknown = sorted(used - set(known))
    if unknown:
        may = f"known are {', '.join('{' + name + '}' for name in known)}" if known else "none is known here"
        raise wrong(key, f"uses the unknown {{{unknown[0]}}}; {may}")


def place(key: str, value: object) -> str:
    """The value as a place in an answer; empty: the answer itself."""
    if not isinstance(value, str) or (value and ("" in value.split(".") or not value.isprintable())):
        raise wrong(key, "must be a path of names with dots between, such as data.members; empty: the answer itself")
    return value


def somewhere(key: str, value: object, example: str) -> str:
    """The value as a place in an answer that is not the answer itself."""
    found = place(key, value)
    if not found:
        raise wrong(key, f"must say where it stands, such as {example}")
    return found


def member_fields(key: str, value: object) -> dict[str, str]:
    """Where the columns of a member stand."""
    fields = columns(key, value, "where it stands in a member, such as contact.email")
    for name, path in fields.items():
        if path.startswith(OPPOSITE) and name not in ("do_not_email", "deleted"):
            raise wrong(f"{key}.{name}", "has no opposite; '!' stands only before do_not_email and deleted")
        if not place(f"{key}.{name}", path.removeprefix(OPPOSITE)):
            raise wrong(f"{key}.{name}", "must say where it stands in a member, such as !active")
    return fields


def one_of(key: str, value: Mapping[str, object], known: Mapping[str, tuple[str, ...]]) -> str:
    """The ``kind`` of an object whose keys depend on it."""
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in known:
        raise wrong(f"{key}.kind", f"must be one of {', '.join(known)}")
    only(value, known[kind], f"{key}.")
    return kind


def parameter(key: str, value: object) -> str:
    """The value as the name of a parameter of an address."""
    name = word(key, value, "the name of a parameter")
    if not name.isascii() or any(each in " &=#?" for each in name):
        raise wrong(key, "must be the name of a parameter")
    return name


def paging(key: str, value: object) -> Paging | None:
    """How a list goes on; None: it has one page."""
    if value is None:
        return None
    given = mapping(key, value, f"kind, one of {', '.join(PAGING_KEYS)}")
    kind = one_of(key, given, PAGING_KEYS)
    if kind == "next":
        return Paging(kind, path=place(f"{key}.path", given.get("path", "")))
    sized = parameter(f"{key}.size_parameter", given["size_parameter"]) if "size_parameter" in given else None
    if sized is not None and "size" not in given:
        raise wrong(f"{key}.size", "is missing: how many of them a page shall have")
    return Paging(kind, parameter(f"{key}.parameter", given.get("parameter")),
                  whole(f"{key}.first", given.get("first", 1), 0, 1) if kind == "page" else 0, sized,
                  whole(f"{key}.size", given.get("size", 1), 1, 10_000),
                  place(f"{key}.total", given["total"]) if "total" in given else None)
