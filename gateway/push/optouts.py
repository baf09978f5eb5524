"""Leaving single interests by one's own wish (PUSH-35, ID-39, ID-50)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from gateway.domain.mapping import ValueProblem, entry_of, texts_of
from gateway.domain.records import BatchReport, Problem, StatusEntry
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
        shared, given = query.given("interest"), [_entry(item) for item in records_in(body.value)]
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.batch(trimmed(_opt_out(unit, shared, given), detail))))

    return made


def _entry(item: Any) -> tuple[Names | None, StatusEntry]:
    """The interests that the entry names itself, if it does, and the entry."""
    if not isinstance(item, dict):
        return None, entry_of(item)
    entry = entry_of({name: value for name, value in item.items() if name != "interests"})
    if item.get("interests") is None:
        return None, entry
    try:
        names = texts_of(item["interests"])
        wrong = None if names else "Name the interests that the person leaves, one at least."
    except ValueProblem as problem:
        names, wrong = (), str(problem)
    if wrong is not None and entry.problem is None:
        entry = replace(entry, problem=Problem("INVALID_VALUE", wrong, "interests"))
    return names, entry


def _opt_out(unit: Unit, shared: Names, given: Sequence[tuple[Names | None, StatusEntry]]) -> BatchReport:
    own = {index: names for index, (names, _) in enumerate(given) if names is not None}
    if not shared and not any(own.values()):
        raise GatewayError("INVALID_REQUEST", "Name the interests that people leave: ?interest= for all of them, or "
                                              "interests in each entry.", field="interests")
    entries = [entry if shared or index in own or entry.problem is not None else replace(entry, problem=Problem(
        "INVALID_VALUE", "Name the interests that the person leaves, one at least.", "interests"))
        for index, (_, entry) in enumerate(given)]
    return optout.opt_out(unit, shared, entries, own)
