"""How does an operator import a file from the shell? As the same job that the PUSH door makes, done at once."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.records import ImportOptions
from gateway.domain.upload import CSV, JSON, NDJSON, QUEUED, RUNNING, TSV, XML, JobView, UploadRequest
from gateway.errors import GatewayError
from gateway.formats.encoding import codec_name
from gateway.log import event
from gateway.services import spool, uploads
from gateway.services.gateway import Gateway
from gateway.services.uploadruns import run_import

log = logging.getLogger("gateway.imports")

BLOCK_BYTES = 1 << 20
LOOK_EVERY_S = 0.2
_KINDS = {".csv": CSV, ".tsv": TSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".json": JSON, ".xml": XML}


def import_file(gateway: Gateway, actor: Actor, path: Path, options: ImportOptions, *,
                progress: Callable[[int, int], None] = lambda done, total: None, **of_format: Any) -> JobView:
    """Imports a file, plain or ``.gz``, of the format that its name tells, and answers the job once it has ended.

    ``of_format``: charset, delimiter, columns, quoted, mapping of :class:`UploadRequest`. The work is done in this
    process, unless a running worker is quicker, and so is that of older jobs of the integration; ``progress(done,
    total)`` is called with bytes. A kill leaves the job to the worker. Raises ``INVALID_VALUE`` for another kind of
    file, and what :func:`uploads.accept` raises.
    """
    gzip = path.suffix == ".gz"
    media_type = _KINDS.get((path.with_suffix("") if gzip else path).suffix.lower())
    if media_type is None:
        raise GatewayError("INVALID_VALUE", f"{path.name} must end in .csv, .tsv, .ndjson, .json or .xml, with "
                                            ".gz if it is packed.", field="file")
    request = UploadRequest(replace(options, label=options.label or path.name), media_type, gzip, **of_format)
    codec_name(request.charset)
    uploads.check(request)
    folder = gateway.settings.spool_dir
    spooled = spool.receive(folder, _blocks(path), gzip=gzip)
    try:
        with gateway.unit(actor) as unit:
            job = uploads.accept(unit, spooled, request, replay=False)
    except GatewayError:
        spool.discard(folder, spooled.name)
        raise
    return _work(gateway, actor, job, progress)


def go_on(gateway: Gateway, actor: Actor, upload_id: int, *, released: bool,
          progress: Callable[[int, int], None] = lambda done, total: None) -> JobView:
    """Releases a job that is held, else resumes one that failed, and answers it once it has ended.

    Raises as :func:`uploads.release` and :func:`uploads.resume`; a kill leaves the job to the worker.
    """
    with gateway.unit(actor) as unit:
        job = (uploads.release if released else uploads.resume)(unit, upload_id)
    return _work(gateway, actor, job, progress)


def save_rejects(gateway: Gateway, actor: Actor, job: JobView, path: Path) -> bool:
    """Writes the job's failed rows to a file, packed if the import was; False when none failed."""
    if not job.has_rejects:
        return False
    with gateway.reading(actor) as unit:
        found = uploads.rejects(unit, job.upload_id)
    with path.open("wb") as out:
        out.writelines(found.blocks)
    return True


def _work(gateway: Gateway, actor: Actor, job: JobView, progress: Callable[[int, int], None]) -> JobView:
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            try:
                with gateway.reading(actor) as unit:
                    first = uploads.first_in_line(unit, job.upload_id)  # its worker may be gone for good
                run_import(gateway, actor.brand_id, first)
            except Exception as error:  # the boundary of the thread: the job is tried again, and fails after five times
                event(log, "import is tried again", level=logging.WARNING, error=type(error).__name__)
            ended.wait(LOOK_EVERY_S)  # it, or an older one, may be in another worker's hands

    thread = threading.Thread(target=work, name="import", daemon=True)
    thread.start()
    try:
        while job.state in (QUEUED, RUNNING):
            time.sleep(LOOK_EVERY_S)
            with gateway.reading(actor) as unit:
                job = uploads.get(unit, job.upload_id)
            progress(job.bytes_done, job.size_bytes)
    finally:
        ended.set()
    thread.join()
    return job


def facts(job: JobView) -> dict[str, object]:
    """The job as an operator reads it."""
    counters = dataclasses.asdict(job.counters)
    counters["byCode"] = counters.pop("by_code")
    return {"jobId": f"j-{job.upload_id}", "state": job.state, **{n: v for n, v in counters.items() if v != {}},
            **({"message": job.message} if job.message else {})}


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block
