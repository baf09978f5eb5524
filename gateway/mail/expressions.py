"""What may a merge tag or a condition say, and what does it come to for one person? (SEND-39, SEND-40)

The language is Jinja's, read by Jinja's own parser; what is let in is listed here, and nothing else can run, for each
expression becomes a chain of the functions below and no code is generated. It always ends, and no value makes it fail.
"""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, filters, nodes
from jinja2.runtime import markup_join
from markupsafe import Markup, escape

from gateway.errors import GatewayError

Values = Mapping[str, str | None]
"""Name of a field -> its text; one that is missing, None or empty is empty."""
Text, Number, Test = Callable[[Values], str], Callable[[Values], int], Callable[[Values], bool]

FILTERS = ("default", "upper", "lower", "capitalize", "title", "trim", "truncate", "date", "striptags", "escape", "e",
           "int", "length")
"""Filters of merge tags."""

URL_PART, WHOLE_URL = "_url_part", "_whole_url"
"""Filters that only our own steps put into a template."""

_MAX_DEPTH = 30
_MAX_LENGTH = 4000
_RESERVED = frozenset({"self", "loop", "super", "caller", "varargs", "kwargs"})
_NUMBERS = frozenset({"int", "length"})
_SAFE_IN_URL = ":/?#[]@!$&()*+,;=%~-._"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt, "lteq": operator.le, "gt": operator.gt, "gteq": operator.ge}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "in": lambda one, many: one in many,
    "notin": lambda one, many: one not in many, **_ORDER}
_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - only lends its limits to the filter truncate


def refused(field: str, line: int, reason: str) -> GatewayError:
    """The error of a template that says what it may not, naming field and line, and what it may."""
    return GatewayError("INVALID_VALUE", f"{field}, line {line}: {reason}. A template takes {{{{ FieldName }}}}, "
                        f"the filters {', '.join(FILTERS)}, and {{% if %}}.", field=field)


class Language:
    """Turns syntax trees into functions of a person's values. Raises ``INVALID_VALUE`` for all it does not know.

    ``html``: of these fields the values are markup: raw in a template that ``escapes``, as text in others (SEND-40).
    ``own``: names that begin with ``_`` and the filters for links are let in: the template is our own work.
    """

    def __init__(self, field: str, *, escapes: bool, html: frozenset[str] = frozenset(), own: bool = False) -> None:
        self.field, self._escapes, self._html, self._own = field, escapes, html, own

    def text(self, node: nodes.Node, depth: int = 0) -> Text:
        """What is always a string, whatever the values are; ``Markup`` where it is not to be escaped any more."""
        self._deep(node, depth)
        if isinstance(node, nodes.Name):
            return self._name(node)
        if isinstance(node, nodes.Const):
            if not isinstance(node.value, str):
                raise self._refused(node, "values are text; put numbers and words into quotes")
            return _always(node.value)
        if _is_number(node):
            number = self._number(node, depth + 1)
            return lambda values: str(number(values))
        if isinstance(node, nodes.Filter):
            return self._filter(node, depth + 1)
        if isinstance(node, nodes.CondExpr):
            test, yes = self.test(node.test, depth + 1), self.text(node.expr1, depth + 1)
            no = self.text(node.expr2, depth + 1) if node.expr2 is not None else _always("")
            return lambda values: yes(values) if test(values) else no(values)
        if isinstance(node, nodes.Concat):
            parts = [self.text(part, depth + 1) for part in node.nodes]
            join = markup_join if self._escapes else "".join
            return lambda values: join([part(values) for part in parts])
        if isinstance(node, nodes.And | nodes.Or):
            holds = self.test(node.left, depth + 1)
            left, right = self.text(node.left, depth + 1), self.text(node.right, depth + 1)
            if isinstance(node, nodes.And):
                return lambda values: right(values) if holds(values) else left(values)
            return lambda values: left(values) if holds(values) else right(values)
        raise self._refused(node, f"{type(node).__name__} is not available here")

    def test(self, node: nodes.Node, depth: int = 0) -> Test:
        """A condition; a text holds when it is not empty, a number when it is not 0."""
        self._deep(node, depth)
        if isinstance(node, nodes.Not):
            inner = self.test(node.node, depth + 1)
            return lambda values: not inner(values)
        if isinstance(node, nodes.And | nodes.Or):
            left, right = self.test(node.left, depth + 1), self.test(node.right, depth + 1)
            if isinstance(node, nodes.And):
                return lambda values: left(values) and right(values)
            return lambda values: left(values) or right(values)
        if isinstance(node, nodes.Compare):
            return self._compare(node, depth + 1)
        value = self._number(node, depth) if _is_number(node) else self.text(node, depth)
        return lambda values: bool(value(values))

    def _name(self, node: nodes.Name) -> Text:
        name = node.name
        if (name.startswith("_") and not self._own) or name in _RESERVED:
            raise self._refused(node, f"{name} is not the name of a field")
        if name in self._html:
            if self._escapes:
                return lambda values: Markup(values.get(name) or "")  # noqa: S704 - a field of kind html (SEND-40)
            return lambda values: _text_of(values.get(name) or "")
        return lambda values: values.get(name) or ""

    def _filter(self, node: nodes.Filter, depth: int) -> Text:
        name, arguments = node.name, node.args
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self._bad_form(node)
        value = self.text(node.node, depth)
        if name == "default":  # an empty value is a missing one, also without Jinja's second argument
            if len(arguments) > 2 or any(_constant(argument) is not True for argument in arguments[1:]):
                raise self._bad_form(node)
            holds, instead = self.test(node.node, depth), self.text(arguments[0], depth) if arguments else _always("")
            return lambda values: value(values) if holds(values) else instead(values)
        if name in ("truncate", "date") and len(arguments) == 1:
            return self._with_constant(node, value, _constant(arguments[0]))
        apply = _PLAIN.get(name) or (_LINKS.get(name) if self._own else None)
        if apply is None or arguments:
            raise self._bad_form(node)
        return lambda values: apply(value(values))

    def _with_constant(self, node: nodes.Filter, value: Text, constant: object) -> Text:
        if node.name == "truncate" and type(constant) is int and 3 <= constant <= _MAX_LENGTH:
            return lambda values: filters.do_truncate(_ENVIRONMENT, _bare(value(values)), constant)
        if node.name == "date" and isinstance(constant, str) and not set(_CODE.findall(constant)) - _CODES.keys():
            return lambda values: _written(_bare(value(values)), constant)
        raise self._bad_form(node)

    def _number(self, node: nodes.Node, depth: int) -> Number:
        self._deep(node, depth)
        if isinstance(node, nodes.Const):
            constant = node.value
            return lambda values: constant
        if isinstance(node, nodes.Neg):
            inner = self._number(node.node, depth + 1)
            return lambda values: -inner(values)
        if node.node is None or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise self._bad_form(node)
        value, count = self.text(node.node, depth + 1), len if node.name == "length" else _int
        return lambda values: count(value(values))

    def _compare(self, node: nodes.Compare, depth: int) -> Test:
        first, numeric = self._operand(node.expr, depth)
        steps = []
        before = node.expr
        for place, operand in enumerate(node.ops, start=1):
            right, right_numeric = self._right_side(operand, depth, is_last=place == len(node.ops))
            if numeric != right_numeric:
                raise self._refused(node, "a number is compared with a number: write FieldName|int, and no quotes "
                                             "around the number")
            dated = any(isinstance(side, nodes.Const) and _DAY.fullmatch(str(side.value))
                        for side in (before, operand.expr))
            if operand.op not in _COMPARISONS or (operand.op in _ORDER and not (numeric or dated)) or (
                    numeric and operand.op in ("in", "notin")):
                raise self._refused(node, "values are text: compare with ==, != or in; with < and > numbers "
                                             "(FieldName|int) and days ('2026-01-31')")
            steps.append((_COMPARISONS[operand.op], right))
            before = operand.expr

        def compare(values: Values) -> bool:
            left = first(values)
            for holds, right_of in steps:
                right = right_of(values)
                if not holds(left, right):
                    return False
                left = right
            return True

        return compare

    def _operand(self, node: nodes.Node, depth: int) -> tuple[Callable[[Values], Any], bool]:
        if _is_number(node):
            return self._number(node, depth), True
        return self.text(node, depth), False

    def _right_side(self, operand: nodes.Operand, depth: int, *, is_last: bool) -> tuple[Callable[[Values], Any], bool]:
        if operand.op in ("in", "notin") and isinstance(operand.expr, nodes.List | nodes.Tuple) and is_last:
            items = [self.text(item, depth) for item in operand.expr.items]
            return lambda values: [item(values) for item in items], False
        return self._operand(operand.expr, depth)

    def _deep(self, node: nodes.Node, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self._refused(node, "too deeply nested")

    def _bad_form(self, node: nodes.Filter) -> GatewayError:
        return self._refused(node, f"the filter {node.name} is not available in this form")

    def _refused(self, node: nodes.Node, reason: str) -> GatewayError:
        return refused(self.field, node.lineno, reason)


# --- what filters do ---------------------------------------------------------------------------------------------


def _always(text: str) -> Text:
    return lambda values: text


def _constant(node: nodes.Node) -> object:
    return node.value if isinstance(node, nodes.Const) else None


def _is_number(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Neg):
        return _is_number(node.node)
    if isinstance(node, nodes.Const):
        return type(node.value) is int
    return isinstance(node, nodes.Filter) and node.name in _NUMBERS


def _int(text: str) -> int:
    """The whole number that a text begins to be, as Jinja reads it; 0 for what is none."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0


_MONTHS = ("January February March April May June July August September October November December").split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_CODE = re.compile(r"%(.?)", re.S)
_CODES: dict[str, Callable[[dt.date], str]] = {
    "d": lambda day: f"{day.day:02}", "e": lambda day: str(day.day), "m": lambda day: f"{day.month:02}",
    "B": lambda day: _MONTHS[day.month - 1], "b": lambda day: _MONTHS[day.month - 1][:3],
    "Y": lambda day: f"{day.year:04}", "y": lambda day: f"{day.year % 100:02}",
    "A": lambda day: _DAYS[day.weekday()], "a": lambda day: _DAYS[day.weekday()][:3], "%": lambda day: "%"}
"""What may stand behind a per cent sign in a pattern of the filter date, as in strftime but the same everywhere."""


def _written(text: str, pattern: str) -> str:
    """A day (2026-01-31; of an instant its day counts) in the form of the pattern; other texts as they are."""
    try:
        day = dt.date.fromisoformat(text.strip()[:10])
    except ValueError:
        return text
    return _CODE.sub(lambda code: _CODES[code[1]](day), pattern)


_BREAKS = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^<>]*>", re.I)


def _text_of(markup: str) -> str:
    """What a value of a field of kind html reads like as text."""
    lines = [Markup(part).striptags() for part in _BREAKS.split(markup)]  # noqa: S704 - only to be taken apart
    return "\n".join(line for line in lines if line)


def _bare(value: str) -> str:
    """The value without markup, for what counts characters."""
    return value.striptags() if isinstance(value, Markup) else value


def _url_part(value: str) -> str:
    return quote(_bare(value), safe="", errors="replace")


def _whole_url(value: str) -> str:
    """A value that is a link by itself: kept when it is a web address, else empty (no ``javascript:``)."""
    text = _bare(value).strip()
    return quote(text, safe=_SAFE_IN_URL, errors="replace") if text.lower().startswith(("http://", "https://")) else ""


_PLAIN: dict[str, Callable[[str], str]] = {
    "upper": filters.do_upper, "lower": filters.do_lower, "capitalize": filters.do_capitalize,
    "title": filters.do_title, "trim": filters.do_trim, "striptags": filters.do_striptags,
    "escape": escape, "e": escape}
_LINKS: dict[str, Callable[[str], str]] = {URL_PART: _url_part, WHOLE_URL: _whole_url}
