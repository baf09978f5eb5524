"""How is JSON read when its sender may be careless or hostile? (PUSH-3, section 8 of push.md)"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 16
_MAX_DIGITS = 400


class JsonProblem(ValueError):
    """The text is not JSON that we take; the message says why, without quoting it."""


def decode(body: bytes, codec: str) -> str:
    """The text of a body in ``codec`` (see :mod:`gateway.formats.encoding`), its mark left out.

    Raises :class:`JsonProblem` for bytes that the codec does not know.
    """
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise JsonProblem(f"The body is not valid {codec.upper()}: bad byte at position {error.start}.") from None


def loads(text: str) -> Any:
    """The value of a JSON text of RFC 8259, without the liberties that Python takes.

    Raises :class:`JsonProblem` for anything else: a member given twice in one object, NaN, Infinity and
    numbers that overflow (1e999), integers of more than 400 digits, more than 16 levels, text after the end.
    Strings are not looked at: escapes such as ``\\ud800`` are for the record they stand in (PUSH-6).
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise JsonProblem(f"The text is not JSON: line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise JsonProblem(_TOO_DEEP) from None
    _check_depth(value)
    return value


def read_object(text: str, at: int) -> tuple[Any, int]:
    """The object that begins at ``at``, as :func:`loads` takes it, and the index behind it.

    Raises ``json.JSONDecodeError`` for text that is bad or ends before it does, else as :func:`loads`.
    """
    try:
        value, end = _DECODER.raw_decode(text, at)
    except RecursionError:
        raise JsonProblem(_TOO_DEEP) from None
    _check_depth(value)
    return value, end


def dumps(value: Any) -> bytes:
    """The UTF-8 bytes of an answer; a lone surrogate, which UTF-8 cannot carry, is written as its escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


_TOO_DEEP = f"The text is nested more than {MAX_DEPTH} levels deep."


def _check_depth(value: Any) -> None:
    level, depth = [value] if isinstance(value, (dict, list)) else [], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise JsonProblem(_TOO_DEEP)
        level = [child for parent in level for child in (parent.values() if type(parent) is dict else parent)
                 if type(child) in (dict, list)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise JsonProblem("An object has the same member twice.")
    return made


def _refuse_constant(name: str) -> float:
    raise JsonProblem(f"{name} is not a JSON number.")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonProblem("A number is too large.")
    return number


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise JsonProblem(f"An integer has more than {_MAX_DIGITS} digits.")
    return int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float,
                            parse_int=_int)
