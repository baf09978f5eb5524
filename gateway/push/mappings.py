"""The saved column mappings of a brand: save, look, delete (PUSH-61)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from gateway.domain.mapping import ColumnMapping
from gateway.push import shapes
from gateway.push.answers import change, show
from gateway.push.body import read_json
from gateway.push.operations import operation
from gateway.push.schemas.mappings import DELETED, MAPPING, MAPPING_DRAFT, MAPPINGS
from gateway.services import mappings
from gateway.services.gateway import Gateway, Unit


def routes(gateway: Gateway) -> Blueprint:
    """/mappings."""
    made = Blueprint("mappings", __name__)
    _add_looks(made, gateway)
    _add_changes(made, gateway)
    return made


def _add_looks(made: Blueprint, gateway: Gateway) -> None:
    @made.get("/mappings")
    @operation("PUSH-61", "The saved column mappings", scope="import", answer=MAPPINGS)
    def find() -> Response:
        with gateway.reading(g.actor) as unit:
            return show({"items": [_shape(each) for each in mappings.find(unit)]})

    @made.get("/mappings/<name>")
    @operation("PUSH-61", "One saved column mapping", scope="import", answer=MAPPING)
    def get(name: str) -> Response:
        with gateway.reading(g.actor) as unit:
            return show(_shape(mappings.get(unit, name)))


def _add_changes(made: Blueprint, gateway: Gateway) -> None:
    @made.put("/mappings/<name>")
    @operation("PUSH-61", "Save a column mapping, or put it in the place of the older one", scope="import",
               body=MAPPING_DRAFT, answer=MAPPING, writes=True, codes=("INVALID_CHARACTER", "LIMIT_EXCEEDED"),
               example={"columns": {"Member No": "remoteId", "Mail": "email", "Shoe size": ""}})
    def save(name: str) -> Response:
        body = read_json()
        columns = MAPPING_DRAFT.read("", body.value)["columns"]
        return change(gateway, body.sha256, lambda unit: (200, _shape(mappings.save(unit, name, columns))))

    @made.delete("/mappings/<name>")
    @operation("PUSH-61", "Delete a column mapping; jobs that were taken in keep it", scope="import", answer=DELETED,
               writes=True)
    def delete(name: str) -> Response:
        body = read_json(optional=True)

        def work(unit: Unit) -> tuple[int, dict[str, Any]]:
            mappings.delete(unit, name)
            return 200, {"name": name}

        return change(gateway, body.sha256, work)


def _shape(view: ColumnMapping) -> shapes.Json:
    columns = view.columns
    return shapes.known(name=view.name, columns=list(columns) if isinstance(columns, tuple) else dict(columns),
                        changedAt=view.created_at)
