"""Leaving single interests by one's own wish, and coming back (PUSH-35, ID-39, ID-50)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
_Act = Callable[[Unit, Sequence[str], Sequence[StatusEntry], Mapping[int, Sequence[str]]], BatchReport]
_INTERESTS = Parameter("interest", Text("meant by all who name none themselves"), repeatable=True)


def routes(gateway: Gateway) -> Blueprint:
    """/subscribers/optout and /subscribers/rejoin."""
    made = Blueprint("optouts", __name__)
    _add(made, gateway, "optout", "Let people leave single interests", optout.opt_out,
         "Imports do not add them again. To stop all mail, unsubscribe.",
         {"email": "ann@example.org", "interests": ["News"]})
    _add(made, gateway, "rejoin", "Undo that people left single interests", optout.rejoin,
         "Memberships that are still open count again; imports may add them again. A reason is needed.",
         {"email": "ann@example.org", "interests": ["News"], "reason": "asked by phone"})
    return made


def _add(made: Blueprint, gateway: Gateway, name: str, summary: str, act: _Act, about: str,
         example: Mapping[str, object]) -> None:
    @operation("PUSH-35", summary, scope="import", parameters=(_INTERESTS, DETAIL), body=people.OPT_OUTS,
               answer=people.BATCH, writes=True, codes=("LIST_UNKNOWN", "TOO_MANY_RECORDS", "INVALID_CHARACTER"),
               about=about, example=[example])
    def change_entries() -> Response:
        detail = options.detail()
        body = read_json()
        shared, given = query.given("interest"), [_entry(item) for item in records_in(body.value)]
        return change(gateway, body.sha256,
                      lambda unit: (200, shapes.batch(trimmed(_run(unit, act, shared, given), detail))))

    made.post(f"/subscribers/{name}", endpoint=name)(change_entries)


def _entry(item: Any) -> tuple[Names | None, StatusEntry]:
    """The interests that the entry names itself, if it does, and the entry."""
    if not isinstance(item, dict):
        return None, entry_of(item)
    entry = entry_of({name: value for name, value in item.items() if name != "interests"})
    if item.get("interests") is None:
        return None, entry
    try:
        names = texts_of(item["interests"])
        wrong = None if names else "Name the interests that this is about, one at least."
    except ValueProblem as problem:
        names, wrong = (), str(problem)
    if wrong is not None and entry.problem is None:
        entry = replace(entry, problem=Problem("INVALID_VALUE", wrong, "interests"))
    return names, entry


def _run(unit: Unit, act: _Act, shared: Names, given: Sequence[tuple[Names | None, StatusEntry]]) -> BatchReport:
    own = {index: names for index, (names, _) in enumerate(given) if names is not None}
    if not shared and not any(own.values()):
        raise GatewayError("INVALID_REQUEST", "Name the interests that this is about: ?interest= for all of them, or "
                                              "interests in each entry.", field="interests")
    entries = [entry if shared or index in own or entry.problem is not None else replace(entry, problem=Problem(
        "INVALID_VALUE", "Name the interests that this is about, one at least.", "interests"))
        for index, (_, entry) in enumerate(given)]
    return act(unit, shared, entries, own)
