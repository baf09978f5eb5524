"""Which call of a SOAP service does a configuration mean?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.bridges.checks import mapping, only, whole, word, wrong
from gateway.bridges.http.calls import KEY_SLOT, SLOT, texts_of
from gateway.bridges.http.places import OPPOSITE, Json
from gateway.bridges.soap.places import is_place

CALL_KEYS = ("operation", "arguments", "result", "ok")
PAGING_KEYS = {"page": ("kind", "first", "size", "total"), "offset": ("kind", "size", "total"),
               "cursor": ("kind", "path", "size", "total")}
RESERVED = ("_soapheaders", "_raw_elements")
MAX_DEPTH = 20
_PATH = "a path of names with dots between, such as GetMembersResult.Member"


@dataclass(frozen=True, slots=True)
class SoapCall:
    """An operation, its arguments with slots such as ``{remote_id}``, and the place of what is asked for in the answer.

    ``ok``: the place of what says whether it was done, for services that do not answer with faults. Arguments may hold
    secrets and are not shown.
    """

    operation: str
    arguments: Mapping[str, Json] = field(repr=False)
    result: str = ""
    ok: str | None = None

    def slots(self) -> set[str]:
        """The names of all slots."""
        return slots_of(self.arguments)


@dataclass(frozen=True, slots=True)
class Paging:
    """How a list goes on: by the number of a page, by how many were read, or by the text at ``path`` of each answer."""

    kind: str
    first: int = 0
    size: int | None = None
    path: str = ""
    total: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its call, what its items are, and how it goes on."""

    call: SoapCall
    fields: Mapping[str, str]
    paging: Paging | None


def read_call(key: str, given: Mapping[str, object], slots: tuple[str, ...], *, listed: bool = False) -> SoapCall:
    """The call of an object that may have more keys. ``listed``: its result must be said."""
    operation = word(f"{key}.operation", given.get("operation"), "the name of an operation of the WSDL")
    if listed and not given.get("result"):
        raise wrong(f"{key}.result", f"is missing: where the list stands in the answer, {_PATH}")
    call = SoapCall(operation, arguments(f"{key}.arguments", given.get("arguments", {}), slots),
                    place(f"{key}.result", given["result"]) if given.get("result") not in (None, "") else "",
                    said(f"{key}.ok", given["ok"]) if "ok" in given else None)
    return call


def arguments(key: str, value: object, slots: tuple[str, ...]) -> Mapping[str, Json]:
    """The arguments of a call, which use no other than these slots."""
    given = mapping(key, value, "names of arguments, and texts with slots such as {remote_id}")
    _check_json(key, given, MAX_DEPTH)
    for name in RESERVED:
        if name in given:
            raise wrong(f"{key}.{name}", "is no argument; headers are given in auth")
    if any("{remote_ids}" in text and text != "{remote_ids}" for text in texts_of(dict(given))):
        raise wrong(key, 'may use "{remote_ids}" only as a text of its own: it becomes their list')
    unknown = sorted(slots_of(given) - set(slots))
    if unknown:
        may = f"known are {', '.join('{' + name + '}' for name in slots)}" if slots else "none is known here"
        raise wrong(key, f"uses the unknown {{{unknown[0]}}}; {may}")
    return given  # type: ignore[return-value]


def slots_of(given: Mapping[str, Json]) -> set[str]:
    """The names of all slots of arguments."""
    return {name for text in texts_of(dict(given)) for name in SLOT.findall(text)}


def place(key: str, value: object) -> str:
    """The value as a place in an answer."""
    if not isinstance(value, str) or not value or not is_place(value):
        raise wrong(key, f"must be {_PATH}; numbers and '*' stand after a name that comes several times")
    return value


def said(key: str, value: object) -> str:
    """The value as the place of what says whether a call was done."""
    return (OPPOSITE if str(value).startswith(OPPOSITE) else "") + place(
        key, value.removeprefix(OPPOSITE) if isinstance(value, str) else value)


def member_fields(key: str, fields: Mapping[str, str]) -> Mapping[str, str]:
    """The places of the columns of a member, once they are known to be texts."""
    for name, path in fields.items():
        if path.startswith(OPPOSITE) and name not in ("do_not_email", "deleted"):
            raise wrong(f"{key}.{name}", "has no opposite; '!' stands only before do_not_email and deleted")
        place(f"{key}.{name}", path.removeprefix(OPPOSITE))
    return fields


def paging(key: str, value: object, call: SoapCall) -> Paging | None:
    """How the list of a call goes on; None: it has one page."""
    used = call.slots() & {"page", "offset", "cursor"}
    if value is None:
        if used or "size" in call.slots():
            raise wrong(key, "is missing, for the slots that the arguments use")
        return None
    given = mapping(key, value, f"kind, one of {', '.join(PAGING_KEYS)}")
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in PAGING_KEYS:
        raise wrong(f"{key}.kind", f"must be one of {', '.join(PAGING_KEYS)}")
    only(given, PAGING_KEYS[kind], f"{key}.")
    if used != {kind}:
        raise wrong(f"{key}.kind", f"asks for the slot {{{kind}}} in the arguments, and for no other of its sort")
    if "size" in call.slots() and "size" not in given:
        raise wrong(f"{key}.size", "is missing: how many a page shall have")
    return Paging(
        kind, whole(f"{key}.first", given.get("first", 1), 0, 1) if kind == "page" else 0,
        whole(f"{key}.size", given["size"], 1, 10_000) if "size" in given else None,
        place(f"{key}.path", given.get("path")) if kind == "cursor" else "",
        place(f"{key}.total", given["total"]) if "total" in given else None)


def _check_json(key: str, value: object, levels: int) -> None:
    if levels == 0:
        raise wrong(key, f"has more than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str) or not (name.isidentifier() or KEY_SLOT.fullmatch(name)
                                                 or name.replace("-", "_").isidentifier()):
                raise wrong(key, "must have names of the WSDL as keys")
            _check_json(f"{key}.{name}", each, levels - 1)
    elif isinstance(value, list):
        for each in value:
            _check_json(key, each, levels - 1)
    elif isinstance(value, str) and not all(char.isprintable() or char in "\t\n" for char in value):
        raise wrong(key, "must be a text of letters that can be seen")
