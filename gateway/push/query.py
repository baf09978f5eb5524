"""What do the parameters of the URL say, and is each of them one that we know? (PUSH-7, PUSH-50)"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from flask import request

from gateway.clock import UTC, to_millis
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mapping import ValueProblem, boolean_of, text_of, texts_of
from gateway.domain.paging import PageRequest
from gateway.errors import GatewayError

T = TypeVar("T")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d{1,7})?(Z|[+-]\d\d:[0-5]\d)", re.ASCII)
PAGE = ("after", "limit")


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
    return boolean_value(name, text(name))


def boolean_value(name: str, value: Any) -> bool | None:
    """A boolean; raises ``INVALID_VALUE``."""
    return _read(name, boolean_of, value)


def text_value(name: str, value: Any) -> str | None:
    """A text, also written as an integer (PUSH-9); raises ``INVALID_VALUE``."""
    return _read(name, text_of, value)


def texts_value(name: str, value: Any) -> tuple[str, ...]:
    """An array of texts; raises ``INVALID_VALUE``."""
    return _read(name, texts_of, value)


def number(name: str) -> int | None:
    """A whole number of at most 18 digits; raises ``INVALID_VALUE``."""
    value = text(name)
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", value) is None:
        raise GatewayError("INVALID_VALUE", "Expected a whole number.", field=name)
    return int(value)


def instant(name: str) -> dt.datetime | None:
    """An instant of PUSH-7; raises ``INVALID_DATE``."""
    return instant_value(name, text(name))


def instant_value(name: str, value: Any) -> dt.datetime | None:
    """The instant in UTC, cut to milliseconds; None for no value, ``""`` and the year 0001 (PUSH-7).

    Raises ``INVALID_DATE`` for anything that is not exactly an instant with its offset.
    """
    if value is None or value == "":
        return None
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is not None and value.startswith("0001-"):
        return None
    try:
        moment, fraction, offset = found.groups()
        return to_millis(dt.datetime.fromisoformat(moment + (fraction or "")[:7] + offset).astimezone(UTC))
    except (AttributeError, ValueError, OverflowError):
        raise GatewayError("INVALID_DATE", "Expected an instant such as 2026-01-31T09:30:00Z or "
                                           "2026-01-31T09:30:00.000+01:00, with its offset.", field=name) from None


def _read(name: str, convert: Callable[[Any], T], value: Any) -> T:
    try:
        return convert(value)
    except ValueProblem as problem:
        raise GatewayError("INVALID_VALUE", str(problem), field=name) from None


def page() -> PageRequest:
    """``after`` and ``limit`` (PUSH-48)."""
    return PageRequest(number("limit"), text("after"))


def path_id(value: str, prefix: str = "") -> int:
    """The number of an id in the path or the query; what cannot be an id is ``NOT_FOUND`` like any unknown one."""
    digits = value.removeprefix(prefix)
    if not value.startswith(prefix) or re.fullmatch(r"[1-9][0-9]{0,17}", digits) is None:
        raise GatewayError("NOT_FOUND", "There is nothing of this id.")
    return int(digits)
