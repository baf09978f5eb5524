"""What do the parameters of the URL say, and is each of them one that we know? (PUSH-7, PUSH-50)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import g, request

from gateway.domain.addresses import holds_forbidden
from gateway.domain.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageRequest
from gateway.errors import GatewayError
from gateway.push.schemas.kinds import Flag, Kind, Number, Text, read_id, read_instant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the URL: its name, its kind, and whether it may be given more than once."""

    name: str
    kind: Kind
    repeatable: bool = False


PAGE = ("after", "limit")
PAGES = (
    Parameter("after", Text("the `next` of the page before; the other parameters stay the same")),
    Parameter("limit", Number(f"rows a page, 1 to {MAX_PAGE_SIZE}; default {DEFAULT_PAGE_SIZE}")),
)
"""The parameters of every list and feed (PUSH-48)."""


def read(parameters: Iterable[Parameter]) -> None:
    """Reads the declared ``parameters`` for :func:`given`; raises as :func:`only` and as their kinds do."""
    only(*(each.name for each in parameters if not each.repeatable),
         repeatable=tuple(each.name for each in parameters if each.repeatable))
    g.given = {each.name: tuple(each.kind.read(each.name, one) for one in texts(each.name)) if each.repeatable
               else each.kind.read(each.name, text(each.name)) for each in parameters}


def given(name: str) -> Any:
    """A declared parameter as its kind reads it; None, or ``()`` for a repeatable one, when it is not there."""
    return g.given[name]


def only(*known: str, repeatable: tuple[str, ...] = ()) -> None:
    """Raises ``INVALID_REQUEST`` for a parameter that is not ``known``, or is given twice and not repeatable."""
    for name in request.args:
        if name not in known and name not in repeatable:
            raise GatewayError("INVALID_REQUEST", "There is no parameter of this name here. Take it out, or look at "
                                                  "its spelling.", field=name[:100])
        if name not in repeatable and len(request.args.getlist(name)) > 1:
            raise GatewayError("INVALID_REQUEST", "This parameter is given once.", field=name)


def text(name: str) -> str | None:
    """The parameter, or None when it is not given or empty; raises ``INVALID_CHARACTER`` (PUSH-6)."""
    found = texts(name)
    return found[0] if found else None


def texts(name: str) -> tuple[str, ...]:
    """A repeatable parameter; raises ``INVALID_CHARACTER`` (PUSH-6)."""
    values = tuple(value for value in request.args.getlist(name) if value)
    if any(holds_forbidden(value) for value in values):
        raise GatewayError("INVALID_CHARACTER", "The text holds a character that cannot be stored.", field=name)
    return values


def word(name: str, words: Mapping[str, T], default: T) -> T:
    """One of a closed set of words; raises ``INVALID_VALUE`` naming them."""
    value = text(name)
    if value is None:
        return default
    if value not in words:
        raise GatewayError("INVALID_VALUE", f"Expected one of {', '.join(words)}.", field=name)
    return words[value]


def choice(name: str, words: Iterable[str]) -> str | None:
    """One of ``words``, or None when it is not given; raises ``INVALID_VALUE`` naming them."""
    return word(name, {each: each for each in words}, None)


def boolean(name: str) -> bool | None:
    """A boolean in the words of PUSH-9."""
    return Flag().read(name, text(name))


def number(name: str) -> int | None:
    """A whole number of at most 18 digits; raises ``INVALID_VALUE``."""
    return Number().read(name, text(name))


def instant(name: str) -> dt.datetime | None:
    """An instant of PUSH-7; raises ``INVALID_DATE``."""
    return read_instant(name, text(name))


def page() -> PageRequest:
    """``after`` and ``limit`` (PUSH-48)."""
    return PageRequest(number("limit"), text("after"))


def path_id(value: str, prefix: str = "") -> int:
    """The number of an id in the path or the query; what cannot be an id is ``NOT_FOUND`` like any unknown one."""
    return read_id(value, prefix)
