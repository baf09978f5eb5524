"""How does an answer become XML text?

Spyne's own writer costs thirty times more for a page of a thousand rows, and it runs after the transaction, too late
to store the answer with the work (SOAP-72). So every answer is written here, from the same types that make the WSDL.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.clock import instant
from gateway.soap.types.base import NAMESPACE, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode

Values = Mapping[str, Any]
Add = Callable[[str], None]
Write = Callable[[Any, Add], None]

ANSWER = "answer"
"""The one child of every response element; generators unwrap it, so that an operation returns its answer type."""

_MARK = ord("?")
_VISIBLE = bytes(_MARK if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))


def response(operation: str, kind: type[Record], values: Values) -> str:
    """The response element of ``operation`` with an answer of type ``kind``, ready for the SOAP body.

    ``values`` maps member names to ``str``, ``int``, ``bool``, aware datetime, a mapping (a nested type) or a sequence
    of these; None is left out (SOAP-22). Raises ``ValueError`` for a mandatory member that is missing, ``KeyError``
    for a member the type does not have: both our fault. Characters that XML cannot carry become question marks and
    line ends become LF (SOAP-32).
    """
    parts = [f'<{operation}Response xmlns="{NAMESPACE}"><{ANSWER}>']
    writer(kind)(values, parts.append)
    parts.append(f"</{ANSWER}></{operation}Response>")
    return clean("".join(parts))


def clean(text: str) -> str:
    """``text`` without what XML 1.0 forbids; one pass over all of it costs less than a look at every value."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", "?").replace("\uffff", "?")
    return text.encode("utf-8", "replace").translate(_VISIBLE).decode()


def escape(text: str) -> str:
    """``text`` as element content."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@functools.cache
def writer(kind: type[Record]) -> Write:
    """The function that writes a value of a complex type: its members in the order of the schema."""
    members = kind.get_flat_type_info(kind)
    plan = [member(name, declared) for name, declared in members.items()]
    known = frozenset(members)

    def write(values: Values, add: Add) -> None:
        if not known.issuperset(values):
            raise KeyError(f"{kind.__name__} has no member {sorted(set(values) - known)[0]}")
        get = values.get
        for one in plan:  # one loop instead of a call a member: a page has 100,000 of them
            value = get(one.name)
            if value is None:
                if one.mandatory:
                    raise ValueError(f"the answer's member {one.name} is mandatory and has no value")
            elif one.many:
                for each in value:
                    one.write(each, add)
            elif one.text is not None:
                add(f"{one.start}{one.text(value)}{one.end}")
            else:
                one.write(value, add)

    return write


@dataclass(frozen=True, slots=True)
class Member:
    """How one member is written."""

    name: str
    start: str
    end: str
    mandatory: bool
    many: bool
    text: Callable[[Any], str] | None
    """How a simple value becomes text."""

    write: Write
    """Writes one value as an element, simple or not."""


def member(name: str, declared: type) -> Member:
    """How the member ``name`` of the declared type is written."""
    start, end, text = f"<{name}>", f"</{name}>", text_of(declared)
    many = declared.Attributes.max_occurs > 1
    mandatory = declared.Attributes.min_occurs > 0
    if text is not None:
        return Member(name, start, end, mandatory, many, text, lambda value, add: add(f"{start}{text(value)}{end}"))
    inner = writer(declared.__orig__ or declared)

    def write(value: Values, add: Add) -> None:
        add(start)
        inner(value, add)
        add(end)

    return Member(name, start, end, mandatory, many, None, write)


def text_of(declared: type) -> Callable[[Any], str] | None:
    """How a simple type becomes text; None for a complex type."""
    for simple, text in ((Integer32, str), (Boolean, _boolean), (DateTime, instant), (Unicode, escape)):
        if issubclass(declared, simple):
            return text
    return None


def _boolean(value: bool) -> str:
    return "true" if value else "false"
