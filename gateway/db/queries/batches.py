"""Which upload is this batch, and what does the brand let it do? (ID-27, ID-30, ID-42)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import source
from gateway.db.models.imports import upload


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of the brand; ``label`` is how doors and the decision log name it."""

    source_id: int
    kind: str
    name: str
    integration_id: int | None

    @property
    def label(self) -> str:
        """``integration:NAME``, ``upload``, ``upload:LABEL`` or ``local``."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def open_upload(connection: Connection, brand_id: int, *, door: str, actor: str, integration_id: int, label: str,
                options: Mapping[str, object], request_id: str, now: dt.datetime) -> int:
    """Stores the upload of a synchronous call, which is finished at once; answers its id."""
    return connection.execute(sa.insert(upload).values(
        brand_id=brand_id, door=door, actor=actor, integration_id=integration_id, label=label, options=dict(options),
        state="finished", counters={}, request_id=request_id or None, queued_at=now, started_at=now,
        finished_at=now)).inserted_primary_key[0]


def close_upload(connection: Connection, brand_id: int, upload_id: int, counters: Mapping[str, object],
                 received: int, failed: int) -> None:
    """Stores what came of a synchronous call."""
    connection.execute(sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == upload_id).values(
        counters=dict(counters), rows_done=received, state="finished_with_errors" if failed else "finished"))


def sources(connection: Connection, brand_id: int) -> dict[int, SourceRow]:
    """All sources of the brand by id."""
    t = source.c
    rows = connection.execute(sa.select(t.id, t.kind, t.name, t.integration_id).where(t.brand_id == brand_id))
    return {row[0]: SourceRow(*row) for row in rows}
