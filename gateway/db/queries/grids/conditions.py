"""How is a condition on an element said in SQL? (aapi.md section 7: text without case, sets, empty as NULL)"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from gateway.db.models.accounts import integration
from gateway.db.models.base import Instant
from gateway.db.models.subscribers import remote_key
from gateway.db.queries.grids.base import BRAND, Expression
from gateway.domain.grids import Kind, Operator, Test

DIGITS = "^[0-9]+$"
NUMBER = re.compile("[0-9]{1,255}")
"""A remote ID that is compared as a number; a longer one is none, and no number of a database either."""

_COMPARE: dict[Operator, Callable[[Any, Any], Expression]] = {
    Operator.GT: operator.gt, Operator.GTE: operator.ge, Operator.LT: operator.lt, Operator.LTE: operator.le}
_TEXTS = (Kind.TEXT, Kind.ADDRESS, Kind.REMOTE)


def condition(element: Expression, test: Test) -> Expression:
    """Whether the element passes the test. What is not equal to a value includes NULL."""
    if test.operator is Operator.BETWEEN:
        low, high = test.values
        return sa.and_(_compared(element, test.kind, Operator.GTE, low),
                       _compared(element, test.kind, Operator.LTE, high))
    if test.operator in (Operator.EQ, Operator.NEQ):
        return _in(element, test)
    return _compared(element, test.kind, test.operator, test.values[0])


def names_remote_ids(test: Test) -> bool:
    """Whether the test lets only these very remote IDs pass."""
    return test.kind is Kind.REMOTE and test.operator is Operator.EQ and None not in test.values


def narrowed(person: Expression, test: Test) -> Expression:
    """Whether the person has, or had, one of these remote IDs: true of all whom the test lets pass, and of more, but
    found by the index of remote IDs, or at worst by walking it."""
    k, i = remote_key.alias("named_key").c, integration.alias("named_by").c
    plain = all(value.isascii() and value.lower() == value.upper() for value in test.values)
    element = k.remote_id if plain else _folded(k.remote_id, test.kind, test.values)
    ours = sa.select(i.id).where(i.brand_id == BRAND)
    return person.in_(sa.select(k.subscriber_id).where(
        k.brand_id == BRAND, k.integration_id.in_(ours), element.in_(_values(list(test.values), test.kind))))


def _in(element: Expression, test: Test) -> Expression:
    given = [value for value in test.values if value is not None]
    empty = sa.or_(element.is_(None), element == "") if test.kind in _TEXTS else element.is_(None)
    parts = [empty] if None in test.values else []
    if given:
        folded, values = _folded(element, test.kind, given), _values(given, test.kind)
        parts.append(folded == values[0] if len(values) == 1 else folded.in_(values))
    found = sa.or_(*parts)
    if test.operator is Operator.EQ:
        return found
    return sa.not_(found) if None in test.values else sa.or_(element.is_(None), sa.not_(found))


def _compared(element: Expression, kind: Kind, how: Operator, value: Any) -> Expression:
    compare, folded = _COMPARE[how], _folded(element, kind, [value])
    plain = compare(folded, _values([value], kind)[0])
    if kind is not Kind.REMOTE or not NUMBER.fullmatch(str(value)):
        return plain
    digits = element.regexp_match(DIGITS)
    as_number = sa.cast(sa.case((digits, element), else_=sa.null()), sa.Numeric(asdecimal=False))
    return sa.or_(sa.and_(digits, compare(as_number, sa.cast(sa.literal(str(value)), sa.Numeric(asdecimal=False)))),
                  sa.and_(sa.not_(digits), plain))


class _LowerAll(FunctionElement[str]):
    """Lower case of all letters: SQLite's own ``lower`` knows those of ASCII alone, and is the faster one."""

    inherit_cache = True
    type = sa.Text()


@compiles(_LowerAll)
def _lower(element: _LowerAll, compiler: Any, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(_LowerAll, "sqlite")
def _lower_of_sqlite(element: _LowerAll, compiler: Any, **options: Any) -> str:
    return f"lower_all({compiler.process(element.clauses, **options)})"


def _folded(element: Expression, kind: Kind, values: Sequence[Any]) -> Expression:
    """The element as it is compared with these values."""
    if kind not in (Kind.TEXT, Kind.REMOTE):
        return element
    plain = all(value.isascii() for value in values)
    return sa.func.lower(element, type_=sa.Text) if plain else _LowerAll(element)


def _values(values: list[Any], kind: Kind) -> list[Expression]:
    """The values as the element is compared: of text in lower case, as the database makes it too.

    Constants where that is the same for sure: a set of them is hashed, one of expressions is gone through row by row.
    """
    if kind is Kind.ADDRESS:
        return [sa.literal(value.lower(), sa.Text) for value in values]
    if kind in _TEXTS:
        return [sa.literal(value.lower(), sa.Text) if value.isascii() else
                _LowerAll(sa.literal(value, sa.Text)) for value in values]
    if kind is Kind.DATE:
        return [sa.literal(value, Instant) for value in values]
    return [sa.literal(value, sa.Float if isinstance(value, float) else sa.BigInteger) for value in values]
