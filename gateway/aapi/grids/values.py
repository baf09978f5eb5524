"""How is the value of a condition read, and how is a value of a row written? (aapi.md section 7)"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

from gateway.aapi.answers import clean
from gateway.aapi.faults import INVALID_DATA_FORMAT, AapiError
from gateway.aapi.nodes import Node, read_instant
from gateway.domain.grids import Element, Kind, Operator

_NUMBER = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,9})?", re.ASCII)
_SPECIAL = re.compile("[^ -%'-;=?-~]")
"""What may have to be escaped or dropped: all but plain ASCII without &, < and >."""

_TRUTHS = {"true": 1, "false": 0}


def read_value(element: Element, operator: Operator, written: str, node: Node) -> Any:
    """What this text says for the element; None, which is NULL, for an empty one of EQ and NEQ.

    Raises ``InvalidDataFormatException`` for a number or a date that cannot be read.
    """
    text = written.strip()
    if not text and operator in (Operator.EQ, Operator.NEQ):
        return None
    if element.kind is Kind.NUMBER:
        return _number(element, text, node)
    if element.kind is Kind.BIT:
        truth = _TRUTHS.get(text.lower())
        return truth if truth is not None else int(_number(element, text, node) != 0)
    if element.kind is Kind.DATE:
        return read_instant(text, element.name, node)
    return text


def _number(element: Element, text: str, node: Node) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise AapiError(INVALID_DATA_FORMAT, f"{element.name} is compared with a number.", node)
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def write_value(value: Any) -> str:
    """A value as the text of its Field, escaped; empty for NULL."""
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value) if _SPECIAL.search(value) else value
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds")[:26] + "0Z"
    return str(int(value)) if isinstance(value, bool) else str(value)
