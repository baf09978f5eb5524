"""Which decisions were taken about records, and by which rule? (ID-78)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable

from sqlalchemy.engine import Connection

from gateway.db.models.imports import decision
from gateway.db.queries.bulk import insert_rows
from gateway.domain.records import UNCHANGED, Outcome

_COLUMNS = ("brand_id", "upload_id", "row_number", "line", "recorded_at", "actor", "door", "subscriber_id",
            "remote_id", "email", "rule", "status", "code", "field", "message", "changes", "warnings")


def record(connection: Connection, brand_id: int, *, upload_id: int | None, actor: str, door: str, now: dt.datetime,
           outcomes: Iterable[Outcome]) -> None:
    """Appends a row for every outcome that changed, failed or warned; an unchanged one is only counted."""
    rows = []
    for o in outcomes:
        if o.status == UNCHANGED and not o.warnings:
            continue
        problem = o.problem
        rows.append((
            brand_id, upload_id, o.index, o.line, now, actor, door, o.subscriber_id, o.remote_id, o.email, o.rule,
            o.status, problem and problem.code, problem and problem.field, problem and problem.message,
            json.dumps(o.changes, ensure_ascii=False) if o.changes else None,
            json.dumps([warning.code for warning in o.warnings]) if o.warnings else None))
    insert_rows(connection, decision, _COLUMNS, rows)
