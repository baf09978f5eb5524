"""Bulk files over HTTP: take them in, say how far they are, which rows failed, stop them (PUSH-32..34, PUSH-57..75)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from gateway.domain.upload import CSV, MEDIA_TYPES, STATES, TABLES, JobFilter, Spooled, UploadRequest
from gateway.errors import GatewayError
from gateway.formats.encoding import codec_name
from gateway.push import options, query, shapes
from gateway.push.answers import change, show
from gateway.push.auth import require
from gateway.push.body import is_gzip, read_blocks, read_json
from gateway.services import spool, uploads
from gateway.services.gateway import Gateway, Unit

_TABLE_OPTIONS = ("columns", "quote")
_QUOTES = {"double": True, "none": False}
JOB = "j-"


def routes(gateway: Gateway) -> Blueprint:
    """/imports."""
    made = Blueprint("imports", __name__)
    _add_accept(made, gateway)
    _add_looks(made, gateway)
    return made


def _add_accept(made: Blueprint, gateway: Gateway) -> None:
    @made.post("/imports")
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
    def find() -> Response:
        require("import")
        query.only("state", "since", "until", *query.PAGE)
        wanted = JobFilter(query.choice("state", STATES), query.instant("since"), query.instant("until"))
        with gateway.feed(g.actor) as unit:
            found = uploads.find(unit, wanted, query.page())
        return show(shapes.page(found, shapes.job))

    @made.get("/imports/<job_id>")
    def get(job_id: str) -> Response:
        require("import")
        query.only()
        with gateway.reading(g.actor) as unit:
            return show(shapes.job(uploads.get(unit, query.path_id(job_id, JOB))))

    @made.get("/imports/<job_id>/errors")
    def errors(job_id: str) -> Response:
        require("import")
        query.only(*query.PAGE)
        with gateway.feed(g.actor) as unit:
            found = uploads.errors(unit, query.path_id(job_id, JOB), query.page())
        return show(shapes.page(found, shapes.row_error))

    @made.post("/imports/<job_id>/cancel")
    def cancel(job_id: str) -> Response:
        require("import")
        query.only()
        number = query.path_id(job_id, JOB)
        body = read_json(optional=True)
        return change(gateway, body.sha256, lambda unit: (200, shapes.job(uploads.cancel(unit, number))))


def _upload_request() -> UploadRequest:
    media_type = request.mimetype
    if media_type not in MEDIA_TYPES:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", f"Send Content-Type: {' or '.join(MEDIA_TYPES)}.",
                           field="Content-Type")
    of_format = _TABLE_OPTIONS if media_type in TABLES else ()
    if media_type == CSV:
        of_format += ("delimiter",)
    query.only(*options.NAMES, *of_format, repeatable=options.REPEATABLE)
    charset = request.mimetype_params.get("charset")
    codec_name(charset)
    return UploadRequest(
        options=options.import_options(), media_type=media_type, gzip=is_gzip(), charset=charset,
        delimiter=request.args.get("delimiter", ","), columns=_columns(),
        quoted=query.word("quote", _QUOTES, True))


def _columns() -> tuple[str, ...]:
    given = query.text("columns")
    return tuple(name.strip() for name in given.split(",")) if given else ()
