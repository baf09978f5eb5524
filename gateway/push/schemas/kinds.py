"""Of which kinds are the values that travel over HTTP, how is each read, and how does each describe itself? (PUSH-105)

A kind has two methods. ``read(name, value)`` is the value of a request, read kindly (PUSH-9); it raises a
``GatewayError`` that names the member. ``schema(asked)`` is its JSON Schema (2020-12): with ``asked`` of what a request
may hold, without it of what an answer holds, which is always the strict form.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from gateway.domain.dates import instant_of
from gateway.domain.mapping import ValueProblem, boolean_of, text_of, texts_of
from gateway.errors import GatewayError

T = TypeVar("T")
Json = dict[str, Any]
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_ASKED_INSTANT = rf"^{_DAY}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{{1,7}})?(Z|[+-](0\d|1[0-3]):[0-5]\d)$"
_TOLD_INSTANT = rf"^{_DAY}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{{3}}Z$"
ID_PATTERN = "[1-9][0-9]{0,17}"


class Kind(Protocol):
    """What every kind of value can do."""

    def read(self, name: str, value: Any) -> Any:
        """The value of a request; raises ``GatewayError`` with ``name`` as its field."""

    def schema(self, asked: bool) -> Json:
        """The JSON Schema of what is ``asked``, or else of what is told."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text; asked also as an integer, whose digits are kept (PUSH-9)."""

    about: str = ""
    max_length: int | None = None

    def read(self, name: str, value: Any) -> str | None:
        """The text; raises ``INVALID_VALUE``. Lengths and characters are the services' to judge."""
        return convert(name, text_of, value)

    def schema(self, asked: bool) -> Json:
        """Text, or an integer."""
        limit = {} if self.max_length is None else {"maxLength": self.max_length}
        return described({"type": ["string", "integer"] if asked else "string", **limit}, self.about)


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean; asked also in the words of PUSH-9."""

    about: str = ""

    def read(self, name: str, value: Any) -> bool | None:
        """The boolean, None for ``""``; raises ``INVALID_VALUE``."""
        return convert(name, boolean_of, value)

    def schema(self, asked: bool) -> Json:
        """A boolean, or a word or number for it."""
        words = {"enum": [True, False, "true", "false", "True", "False", "1", "0", 1, 0, ""]}
        return described(words if asked else {"type": "boolean"}, self.about)


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number that is not negative."""

    about: str = ""

    def read(self, name: str, value: Any) -> int | None:
        """The number; raises ``INVALID_VALUE`` for anything but up to 18 digits."""
        text = convert(name, text_of, value)
        if text is None or text == "":
            return None
        if re.fullmatch(r"[0-9]{1,18}", text) is None:
            raise GatewayError("INVALID_VALUE", "Expected a whole number.", field=name)
        return int(text)

    def schema(self, asked: bool) -> Json:
        """An integer from 0 on."""
        return described({"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, self.about)


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant of PUSH-7; told in UTC with three digits."""

    about: str = ""

    def read(self, name: str, value: Any) -> dt.datetime | None:
        """The instant in UTC, cut to milliseconds; None for no value, ``""`` and the year 0001 (PUSH-7).

        Raises ``INVALID_DATE`` for anything that is not exactly an instant with its offset.
        """
        return read_instant(name, value)

    def schema(self, asked: bool) -> Json:
        """A text of the form of PUSH-7."""
        return described({"type": "string", "format": "date-time", "pattern": _ASKED_INSTANT if asked else
                          _TOLD_INSTANT}, self.about)


@dataclass(frozen=True, slots=True)
class Id:
    """The id of a thing, a text of digits behind ``prefix``."""

    about: str = ""
    prefix: str = ""

    def read(self, name: str, value: Any) -> int | None:
        """The number in it; what cannot be an id is ``NOT_FOUND`` like any unknown one."""
        text = convert(name, text_of, value)
        return None if text is None or text == "" else read_id(text, self.prefix)

    def schema(self, asked: bool) -> Json:
        """Digits, as text; asked also as an integer where there is no prefix."""
        schema: Json = {"type": "string", "pattern": f"^{self.prefix}{ID_PATTERN}$"}
        if asked and not self.prefix:
            schema |= {"type": ["string", "integer"], "minimum": 1, "maximum": 10**18 - 1}
        return described(schema, self.about)


@dataclass(frozen=True, slots=True)
class Word:
    """One of a closed set of words."""

    words: tuple[str, ...]
    about: str = ""

    def read(self, name: str, value: Any) -> str | None:
        """The word; raises ``INVALID_VALUE`` naming all of them."""
        text = convert(name, text_of, value)
        if text is None or text == "":
            return None
        if text not in self.words:
            raise GatewayError("INVALID_VALUE", f"Expected one of {', '.join(self.words)}.", field=name)
        return text

    def schema(self, asked: bool) -> Json:
        """The words."""
        return described({"type": "string", "enum": list(self.words)}, self.about)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that is always the same."""

    value: Any
    about: str = ""

    def read(self, name: str, value: Any) -> Any:
        """Not asked for."""
        return value

    def schema(self, asked: bool) -> Json:
        """The value."""
        return described({"const": self.value}, self.about)


@dataclass(frozen=True, slots=True)
class Texts:
    """An array of texts."""

    about: str = ""
    least: int = 0
    most: int | None = None

    def read(self, name: str, value: Any) -> tuple[str, ...]:
        """The texts; raises ``INVALID_VALUE``, also for a null among them."""
        return convert(name, texts_of, value)

    def schema(self, asked: bool) -> Json:
        """An array of texts."""
        return described(_array(Text().schema(asked), self.least, self.most), self.about)


@dataclass(frozen=True, slots=True)
class Many:
    """An array of things of one kind."""

    of: Kind
    about: str = ""
    most: int | None = None

    def read(self, name: str, value: Any) -> list[Any]:
        """Each of them, read; raises ``INVALID_REQUEST`` for anything but an array."""
        if not isinstance(value, list):
            raise GatewayError("INVALID_REQUEST", "Expected an array.", field=name)
        return [self.of.read(f"{name}[{at}]", item) for at, item in enumerate(value)]

    def schema(self, asked: bool) -> Json:
        """An array."""
        return described(_array(self.of.schema(asked), 0, self.most), self.about)


@dataclass(frozen=True, slots=True)
class Named:
    """An object whose members have names of the sender's or the brand's choice, all of one kind."""

    of: Kind
    about: str = ""

    def read(self, name: str, value: Any) -> dict[str, Any]:
        """Each of them, read; raises ``INVALID_REQUEST`` for anything but an object."""
        if not isinstance(value, dict):
            raise GatewayError("INVALID_REQUEST", "Expected an object of names and values.", field=name)
        return {each: self.of.read(f"{name}.{each}", item) for each, item in value.items()}

    def schema(self, asked: bool) -> Json:
        """An object with members of one kind; where a request may give null, it clears."""
        inner = self.of.schema(asked)
        return described({"type": "object", "additionalProperties": nullable(inner) if asked else inner}, self.about)


@dataclass(frozen=True, slots=True)
class Either:
    """A value of one of several kinds."""

    kinds: tuple[Kind, ...]
    about: str = ""

    def read(self, name: str, value: Any) -> Any:
        """The reading is the route's: only it knows which kind it meets."""
        return value

    def schema(self, asked: bool) -> Json:
        """Any of them."""
        return described({"anyOf": [each.schema(asked) for each in self.kinds]}, self.about)


@dataclass(frozen=True, slots=True)
class Thing:
    """An object with members that are known: ``needed`` ones and ``optional`` ones; named in the document.

    Read as a command: an unknown member is refused, for a slip in the name of an exclusion would mail people, and
    null is "not given". ``also`` maps other names that are taken for ours (SOAP's singulars). ``lenient`` describes an
    object whose unknown members are not refused (PUSH-10). In an answer ``needed`` members are always there.
    """

    name: str
    needed: Mapping[str, Kind] = field(default_factory=dict)
    optional: Mapping[str, Kind] = field(default_factory=dict)
    about: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    lenient: bool = False

    @property
    def members(self) -> dict[str, Kind]:
        """All members by name, in the order in which they are declared."""
        return {**self.needed, **self.optional}

    def given(self, value: Any) -> Json:
        """The members that are there, not yet read, under our names; null is left in.

        Raises ``INVALID_REQUEST`` for anything but an object, and for an unknown or a missing member.
        """
        if not isinstance(value, dict):
            raise GatewayError("INVALID_REQUEST", "The body is a JSON object.")
        ours: Json = {}
        for name, item in value.items():
            own = self.also.get(name, name) if self.also.get(name) not in value else name
            if own not in self.members:
                raise GatewayError("INVALID_REQUEST", "There is no member of this name; known are "
                                                      f"{', '.join(self.members)}.", field=name[:100])
            ours[own] = item
        for name in self.needed:
            if ours.get(name) is None:
                raise GatewayError("INVALID_REQUEST", "This member is required.", field=name)
        return ours

    def read(self, name: str, value: Any) -> Json:
        """The members that are there and not null, each read; raises as :meth:`given` and as the kinds do."""
        return {each: self.members[each].read(f"{name}.{each}" if name else each, item)
                for each, item in self.given(value).items() if item is not None}

    def schema(self, asked: bool) -> Json:
        """A reference; the object itself is :meth:`definition`."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    def definition(self, asked: bool) -> Json:
        """The object's own schema. What is asked is closed; an answer may grow (PUSH-106)."""
        properties = {name: kind.schema(asked) for name, kind in self.needed.items()}
        properties |= {name: nullable(kind.schema(asked)) if asked else kind.schema(asked)
                       for name, kind in self.optional.items()}
        made = described({"type": "object", "properties": properties}, self.about)
        if self.needed:
            made["required"] = list(self.needed)
        if asked and not self.lenient:
            made["additionalProperties"] = False
        return made


def things(kind: Any) -> Iterable[Thing]:
    """Every :class:`Thing` that stands in this kind, itself included."""
    if isinstance(kind, Thing):
        yield kind
        for member in kind.members.values():
            yield from things(member)
    elif isinstance(kind, (Many, Named)):
        yield from things(kind.of)
    elif isinstance(kind, Either):
        for each in kind.kinds:
            yield from things(each)


def nullable(schema: Json) -> Json:
    """The schema that takes null too."""
    if "enum" in schema and "type" not in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return {**schema, "type": [*types, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def described(schema: Json, about: str) -> Json:
    """The schema with its description, if it has one."""
    return {**schema, "description": about} if about else schema


def convert(name: str, how: Callable[[Any], T], value: Any) -> T:
    """The value as ``how`` reads it; its problem becomes ``INVALID_VALUE`` at ``name``."""
    try:
        return how(value)
    except ValueProblem as problem:
        raise GatewayError("INVALID_VALUE", str(problem), field=name) from None


def read_instant(name: str, value: Any) -> dt.datetime | None:
    """See :meth:`Instant.read`."""
    if value is None or value == "":
        return None
    try:
        return instant_of(value if isinstance(value, str) else "not a text")
    except ValueError:
        raise GatewayError("INVALID_DATE", "Expected an instant such as 2026-01-31T09:30:00Z or "
                                           "2026-01-31T09:30:00.000+01:00, with its offset.", field=name) from None


def read_id(value: str, prefix: str = "") -> int:
    """The number of an id; what cannot be an id is ``NOT_FOUND`` like any unknown one."""
    digits = value.removeprefix(prefix)
    if not value.startswith(prefix) or re.fullmatch(ID_PATTERN, digits) is None:
        raise GatewayError("NOT_FOUND", "There is nothing of this id.")
    return int(digits)


def _array(items: Json, least: int, most: int | None) -> Json:
    made: Json = {"type": "array", "items": items}
    if least:
        made["minItems"] = least
    if most is not None:
        made["maxItems"] = most
    return made
