"""How does a job get its file of failed rows, and how is that read? (PUSH-33)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.db.queries import uploads as stored
from gateway.domain.accounts import Actor
from gateway.domain.records import Problem
from gateway.domain.upload import Rejects, UploadRequest
from gateway.errors import GatewayError
from gateway.formats import rejects as form
from gateway.services import spool
from gateway.services.gateway import Gateway

KEPT = dt.timedelta(days=30)
PAGE_ROWS = 1000


def build(gateway: Gateway, actor: Actor, upload_id: int, request: UploadRequest, spool_name: str,
          tick: Callable[[], None]) -> str:
    """Writes the failed rows of a job whose rows all have an outcome, and answers the file's name.

    A second pass over the file that was sent, as far as its last failed row; ``tick`` is called for each block of it.
    May be repeated: the file takes the place of the older one. Raises ``UNAVAILABLE`` when there is no room.
    """
    folder = gateway.settings.spool_dir
    blocks = spool.blocks_of(folder, spool_name, gzip=request.gzip, position=[0], tick=tick)
    failed = _failed(gateway, actor, upload_id)
    return spool.keep_rejects(folder, spool_name, form.write(blocks, request, failed), gzip=request.gzip)


def open_file(folder: Path, row: Any, request: UploadRequest) -> Rejects:
    """The file of a job that has one. Raises ``NOT_FOUND`` when it was removed already."""
    try:
        blocks = spool.open_blocks(folder, row.rejects_name)
    except FileNotFoundError:
        raise GatewayError("NOT_FOUND", f"The rejected rows were kept for {KEPT.days} days and are gone.") from None
    suffix = form.SUFFIXES[request.media_type]
    return Rejects(f"rejects-{row.id}.{suffix}", form.MEDIA_TYPES[request.media_type], request.gzip, blocks)


def _failed(gateway: Gateway, actor: Actor, upload_id: int) -> Iterator[tuple[int, Problem]]:
    after = -1
    while True:
        with gateway.reading(actor) as unit:
            rows = stored.failed_rows(unit.connection, unit.brand_id, upload_id, after, PAGE_ROWS)
        for row in rows:
            after = row.row_number
            yield row.row_number, Problem(row.code, row.message, row.field)
        if len(rows) < PAGE_ROWS:
            return
