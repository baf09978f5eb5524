"""Bulk files over HTTP: take them in, say how far they are, which rows failed, stop them (PUSH-32..34, PUSH-57..75)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g, request

from gateway.domain.upload import ALSO, CSV, MEDIA_TYPES, STATES, TABLES, JobFilter, Rejects, Spooled, UploadRequest
from gateway.errors import GatewayError
from gateway.formats.encoding import codec_name
from gateway.formats.inflate import unpacked
from gateway.formats.rejects import MEDIA_TYPES as REJECTS_TYPES
from gateway.push import options, query, shapes
from gateway.push.answers import change, show
from gateway.push.auth import require
from gateway.push.body import is_gzip, read_blocks, read_json
from gateway.push.operations import operation
from gateway.push.query import Parameter
from gateway.push.schemas.jobs import JOB, JOB_PAGE, JOB_PREFIX, ROW_ERROR_PAGE
from gateway.push.schemas.kinds import Instant, Word
from gateway.push.schemas.options import FILE_OPTIONS
from gateway.push.schemas.people import RECORDS
from gateway.services import spool, uploads
from gateway.services.gateway import Gateway, Unit

_TABLE_OPTIONS = ("columns", "quote", "mapping")
_QUOTES = {"double": True, "none": False}


def routes(gateway: Gateway) -> Blueprint:
    """/imports."""
    made = Blueprint("imports", __name__)
    _add_accept(made, gateway)
    _add_looks(made, gateway)
    _add_acts(made, gateway)
    return made


def _add_accept(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/imports")
    @operation("PUSH-32", "Take a file of any length", scope="import", parameters=FILE_OPTIONS, answer=JOB, status=202,
               body_types={each: RECORDS if each == "application/json" else None for each in (*MEDIA_TYPES, *ALSO)},
               writes=True, codes=("LIST_UNKNOWN", "LIMIT_EXCEEDED", "FIELD_TOO_LONG", "NOT_FOUND", "INVALID_EMAIL"))
    def accept() -> Response:
        """Takes the whole body to disk before anything else: a broken one leaves no job and no file."""
        require("import")
        wanted = _upload_request()
        uploads.check(wanted)
        folder = gateway.settings.spool_dir
        spooled = spool.receive(folder, read_blocks(), gzip=wanted.gzip)
        taken: list[str] = []
        try:
            return change(gateway, spooled.sha256, lambda unit: _accepted(unit, spooled, wanted, taken))
        finally:
            # Refused or replayed: nobody wants the file. A commit that failed half-way keeps it, for the row
            # may be there after all; `uploads.tidy` removes what no job wants.
            if spooled.name not in taken:
                spool.discard(folder, spooled.name)


def _accepted(unit: Unit, spooled: Spooled, wanted: UploadRequest, taken: list[str]) -> tuple[int, dict[str, Any]]:
    view = uploads.accept(unit, spooled, wanted, replay=request.headers.get("Idempotency-Key") is None)
    if not view.replayed:
        taken.append(spooled.name)
    return 202, shapes.job(view)


def _add_looks(made: Blueprint, gateway: Gateway) -> None:
    @made.get("/imports")
    @operation("PUSH-33", "Find jobs", scope="import", answer=JOB_PAGE, parameters=(
        Parameter("state", Word(STATES)), Parameter("since", Instant("queued at or after")),
        Parameter("until", Instant("queued before")), *query.PAGES))
    def find() -> Response:
        require("import")
        query.only("state", "since", "until", *query.PAGE)
        wanted = JobFilter(query.choice("state", STATES), query.instant("since"), query.instant("until"))
        with gateway.feed(g.actor) as unit:
            found = uploads.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.job))

    @made.get("/imports/<job_id>")
    @operation("PUSH-33", "One job", scope="import", answer=JOB)
    def get(job_id: str) -> Response:
        require("import")
        query.only()
        with gateway.reading(g.actor) as unit:
            return show(shapes.job(uploads.get(unit, query.path_id(job_id, JOB_PREFIX))))

    @made.get("/imports/<job_id>/errors")
    @operation("PUSH-33", "The failed rows of a job", scope="import", parameters=query.PAGES, answer=ROW_ERROR_PAGE)
    def errors(job_id: str) -> Response:
        require("import")
        query.only(*query.PAGE)
        with gateway.feed(g.actor) as unit:
            found = uploads.errors(unit, query.path_id(job_id, JOB_PREFIX), query.page())
        return show(shapes.page(found, shapes.row_error))

    @made.get("/imports/<job_id>/rejects")
    @operation("PUSH-33", "The failed rows as a file", scope="import", answer=None, codes=("STATE_CONFLICT",),
               answer_types=tuple(sorted({each.partition(";")[0] for each in REJECTS_TYPES.values()})),
               about="In the format of what was sent, each row with the reason why it failed; kept 30 days.")
    def rejects(job_id: str) -> Response:
        require("import")
        query.only()
        with gateway.reading(g.actor) as unit:
            return _file(uploads.rejects(unit, query.path_id(job_id, JOB_PREFIX)))


def _add_acts(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/imports/<job_id>/release")
    @operation("PUSH-34", "Let a job that the brake holds make its mass change", scope="import", answer=JOB,
               writes=True, codes=("STATE_CONFLICT",))
    def release(job_id: str) -> Response:
        require("import")
        query.only()
        number = query.path_id(job_id, JOB_PREFIX)
        body = read_json(optional=True)
        return change(gateway, body.sha256, lambda unit: (200, shapes.job(uploads.release(unit, number))))

    @made.post("/imports/<job_id>/cancel")
    @operation("PUSH-34", "Stop a job", scope="import", answer=JOB, writes=True, codes=("STATE_CONFLICT",))
    def cancel(job_id: str) -> Response:
        require("import")
        query.only()
        number = query.path_id(job_id, JOB_PREFIX)
        body = read_json(optional=True)
        return change(gateway, body.sha256, lambda unit: (200, shapes.job(uploads.cancel(unit, number))))


def _file(rejects: Rejects) -> Response:
    """Packed as it lies for whoever takes that, else unpacked."""
    packed = rejects.packed and request.accept_encodings["gzip"] > 0
    blocks = rejects.blocks if packed or not rejects.packed else unpacked(rejects.blocks)
    answer = Response(blocks, content_type=rejects.media_type)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
    answer.headers["Content-Disposition"] = f'attachment; filename="{rejects.file_name}"'
    answer.headers["X-Request-Id"] = g.request_id
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _upload_request() -> UploadRequest:
    media_type = ALSO.get(request.mimetype, request.mimetype)
    if media_type not in MEDIA_TYPES:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", f"Send Content-Type: {' or '.join(MEDIA_TYPES)}.",
                           field="Content-Type")
    of_format = _TABLE_OPTIONS if media_type in TABLES else ()
    if media_type == CSV:
        of_format += ("delimiter",)
    query.only(*options.NAMES, *of_format, repeatable=(*options.REPEATABLE, "notify"))
    charset = request.mimetype_params.get("charset")
    codec_name(charset)
    return UploadRequest(
        options=replace(options.import_options(), notify=query.texts("notify")), media_type=media_type, gzip=is_gzip(),
        charset=charset,
        delimiter=request.args.get("delimiter", ","), columns=_columns(),
        quoted=query.word("quote", _QUOTES, True), mapping=query.text("mapping"))


def _columns() -> tuple[str, ...]:
    given = query.text("columns")
    return tuple(name.strip() for name in given.split(",")) if given else ()
