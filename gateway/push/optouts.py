"""Leaving single interests by one's own wish (PUSH-35, ID-39, ID-50)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from gateway.domain.mapping import ValueProblem, entry_of, texts_of
from gateway.domain.records import BatchReport, Counters, Problem, StatusEntry
from gateway.errors import GatewayError
from gateway.push import options, query, shapes
from gateway.push.answers import change
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas import people
from gateway.push.schemas.kinds import Text
from gateway.push.schemas.options import DETAIL
from gateway.push.subscribers import records_in, trimmed
from gateway.services import optout
from gateway.services.gateway import Gateway, Unit

Names = tuple[str, ...]
_INTERESTS = Parameter("interest", Text("left by all who name none themselves"), repeatable=True)


def routes(gateway: Gateway) -> Blueprint:
    """/subscribers/optout."""
    made = Blueprint("optouts", __name__)

    @made.post("/subscribers/optout")
    @operation("PUSH-35", "Let people leave single interests", scope="import", parameters=(_INTERESTS, DETAIL),
               body=people.OPT_OUTS, answer=people.BATCH, writes=True,
               codes=("LIST_UNKNOWN", "TOO_MANY_RECORDS", "INVALID_CHARACTER"),
               about="Imports do not add them again. To stop all mail, unsubscribe.",
               example=[{"email": "ann@example.org", "interests": ["News"]}])
    def opt_out() -> Response:
        detail = options.detail()
        body = read_json()
        entries = [_entry(item, query.given("interest")) for item in records_in(body.value)]
        return change(gateway, body.sha256, lambda unit: (200, shapes.batch(trimmed(_opt_out(unit, entries), detail))))

    return made


def _entry(item: Any, names: Names) -> tuple[Names, StatusEntry]:
    if not isinstance(item, dict):
        return names, entry_of(item)
    entry = entry_of({name: value for name, value in item.items() if name != "interests"})
    try:
        names = names if item.get("interests") is None else texts_of(item["interests"])
        wrong = None if names else "Name the interests that the person leaves, one at least."
    except ValueProblem as problem:
        wrong = str(problem)
    if wrong is not None and entry.problem is None:
        entry = replace(entry, problem=Problem("INVALID_VALUE", wrong, "interests"))
    return names, entry


def _opt_out(unit: Unit, given: Sequence[tuple[Names, StatusEntry]]) -> BatchReport:
    """One report over all; people who leave the same interests are done together."""
    groups: dict[Names, list[int]] = {}
    for index, (names, _entry_of_it) in enumerate(given):
        groups.setdefault(names, []).append(index)
    nameless = groups.pop((), [])
    if not groups:
        raise GatewayError("INVALID_REQUEST", "Name the interests that people leave: ?interest= for all of them, or "
                                              "interests in each entry.", field="interests")
    next(iter(groups.values())).extend(nameless)  # they have a problem of their own, whatever the interests
    counters, outcomes = Counters(), []
    for names, indexes in groups.items():
        report = optout.opt_out(unit, names, [given[index][1] for index in indexes])
        outcomes += [replace(each, index=index) for each, index in zip(report.outcomes, indexes, strict=True)]
    outcomes.sort(key=lambda each: each.index)
    for outcome in outcomes:
        counters.add(outcome)
    return replace(report, counters=counters, outcomes=tuple(outcomes))
