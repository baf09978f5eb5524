"""Which grids demand a condition before they answer, and what does it mean? (aapi.md sections 7.5 and 7.6)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.aapi.faults import INSUFFICIENT_INFORMATION, UNEXPECTED_INPUT, AapiError
from gateway.aapi.nodes import Node
from gateway.domain.grids import Operator, Test

LONGEST = dt.timedelta(days=7)
_WHO = ("subscriberid", "email", "userid", "imisnameid")
_NARROW = ("interestname", "newstypename", "email", "subscriberemail")
_FROM, _TO = (Operator.GT, Operator.GTE), (Operator.LT, Operator.LTE)


def require_someone(tests: Sequence[Test], node: Node) -> Sequence[Test]:
    """An EQ condition that says who is meant."""
    if not any(test.element in _WHO and test.operator is Operator.EQ and None not in test.values for test in tests):
        raise AapiError(INSUFFICIENT_INFORMATION, "This grid needs a condition with EQ on subscriber_id, email, "
                                                  "user_id or imis_name_id.", node)
    return tests


def require_span(tests: Sequence[Test], node: Node) -> Sequence[Test]:
    """A start and an end, at most a week apart unless an interest or an address is named; said of ``action_date``."""
    tests = [_of_action(test, node) for test in tests]
    begins = [value for test in tests for value in _bounds(test, _FROM, 0)]
    ends = [value for test in tests for value in _bounds(test, _TO, 1)]
    if not begins or not ends:
        raise AapiError(INSUFFICIENT_INFORMATION, "This grid needs two dates: conditions on start_date and end_date, "
                                                  "or GTE and LTE, or a Between, on action_date.", node)
    narrow = any(test.element in _NARROW and test.operator is Operator.EQ and None not in test.values
                 for test in tests)
    if not narrow and min(ends) - max(begins) > LONGEST:
        raise AapiError(UNEXPECTED_INPUT, "The dates are more than a week apart. Take a shorter time, or name an "
                                          "interest or an e-mail address.", node)
    return tests


def _of_action(test: Test, node: Node) -> Test:
    """A condition on the start or the end as one on the date of the change: EQ is the bound itself, included."""
    if test.element not in ("startdate", "enddate"):
        return test
    operators = _FROM if test.element == "startdate" else _TO
    how = operators[1] if test.operator is Operator.EQ else test.operator
    if how not in operators or len(test.values) != 1 or None in test.values:
        raise AapiError(UNEXPECTED_INPUT, "start_date takes one date with EQ, GT or GTE, and end_date one with EQ, LT "
                                          "or LTE.", node)
    return replace(test, element="actiondate", operator=how)


def _bounds(test: Test, operators: Sequence[Operator], place: int) -> list[dt.datetime]:
    if test.element != "actiondate":
        return []
    if test.operator is Operator.BETWEEN:
        return [test.values[place]]
    return list(test.values) if test.operator in operators else []


RULES: dict[str, Callable[[Sequence[Test], Node], Sequence[Test]]] = {
    "subscribermessagecategories": require_someone,
    "getsubscriberinterestchanges": require_span,
}
"""Folded token -> what it demands of the conditions; answers them as the grid is asked."""
