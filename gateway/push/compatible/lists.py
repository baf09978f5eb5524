"""Lists of the compatible face: who is in one list (PUSH-17, PUSH-24)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from gateway.domain.contactgroups import ListElement, list_of
from gateway.push import options, shapes
from gateway.push.answers import change
from gateway.push.body import read_json
from gateway.push.compatible.elements import answer, array_of, echoed
from gateway.push.operations import operation
from gateway.push.schemas import compatible
from gateway.push.schemas.options import DETAIL
from gateway.services import listpushes
from gateway.services.gateway import Gateway, Unit

LIST_ID = "ListId"


def routes(gateway: Gateway) -> Blueprint:
    """/list."""
    made = Blueprint("list", __name__)

    @made.post("/list")
    @operation("PUSH-17", "Memberships of lists", scope="import", parameters=(DETAIL,), body=compatible.LISTS,
               answer=compatible.LIST_BATCH, statuses=(422,), writes=True, codes=("TOO_MANY_RECORDS",),
               about="Replace makes the list hold exactly ContactIds, unless the brake for mass changes holds it.",
               example=compatible.LISTS_EXAMPLE)
    def push() -> Response:
        """Each list commits or fails alone; the same again is unchanged (PUSH-76)."""
        detail = options.detail()
        body = read_json()
        elements = [list_of(element) for element in array_of(body.value)]
        return change(gateway, body.sha256, lambda unit: _push(unit, elements, detail))

    return made


def _push(unit: Unit, elements: list[ListElement], detail: str) -> tuple[int, dict[str, Any]]:
    report, unknown = listpushes.change_lists(unit, elements)
    results = []
    for element, outcome, strangers in zip(elements, report.outcomes, unknown, strict=True):
        told = shapes.outcome(outcome)
        if "code" not in told:
            told["unknownContactIds"] = list(strangers)
        results.append(echoed(told, LIST_ID, element.list_id))
    return answer(report, results, _name_of, detail)


def _name_of(result: dict[str, Any]) -> str:
    return f" (ListId {result[LIST_ID]})" if LIST_ID in result else " (without ListId)"
