"""Which operations do bulk imports have? (SOAP-40..42)"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.domain import upload as files
from gateway.domain.accounts import Actor
from gateway.domain.mapping import plan_columns
from gateway.domain.records import ADD_OR_UPDATE, KEEP, ImportOptions
from gateway.domain.upload import Spooled, UploadRequest
from gateway.errors import GatewayError
from gateway.formats import inline
from gateway.formats.encoding import codec_name
from gateway.services import imports, mappings, spool, uploads
from gateway.services.gateway import Gateway, Unit
from gateway.services.importcontext import sender_of
from gateway.soap import convert
from gateway.soap.arriving import TEXT, Arriving
from gateway.soap.bulk import ImportCall, read_rows
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, READ, STREAM, WRITE, operation
from gateway.soap.types import imports as words
from gateway.soap.types.imports import (
    CancelImportRequest,
    FailedRowPage,
    GetImportErrorsRequest,
    GetImportRequest,
    ImportJob,
    ImportRowsRequest,
    StartImportRequest,
)
from gateway.soap.types.subscribers import BatchResult
from gateway.spynekit.stream import Stream

MEDIA_TYPES = {words.RECORDS: inline.MEDIA_TYPE, words.CSV: files.CSV, words.TSV: files.TSV,
               words.NDJSON: files.NDJSON, words.JSON: files.JSON, words.XML: files.XML}
"""The contract's word for a format -> what the job's reader knows it as."""

TABLE_MEMBERS = ("column", "mapping", "quote")


@operation("ImportRows", ImportRowsRequest, BatchResult, way=WRITE, right="import", decode=read_rows)
def import_rows(unit: Unit, request: ImportCall) -> Values:
    """Does what ImportSubscribers does with rows instead of records: the same in about half the bytes.

    A row of the wrong width fails alone.
    """
    return convert.batch(imports.import_records(unit, request.records, request.options))


@dataclass(slots=True)
class Arrived:
    """A bulk import whose data lies on disk; ``taken``: a job wants the file."""

    spooled: Spooled
    wanted: UploadRequest
    keyed: bool
    taken: bool = False

    @property
    def digest(self) -> str:
        """What stands for the data in the fingerprint of the request (SOAP-72)."""
        return self.spooled.sha256

    def finish(self, unit: Unit) -> Values:
        """Makes the job. Without a key, an open job of the same content is answered instead (PUSH-75).

        Raises NOT_FOUND or NOT_ALLOWED for a mapping or an integration with which the job could only be rejected.
        """
        if self.wanted.mapping is not None:
            mappings.get(unit, self.wanted.mapping)
        sender_of(unit, self.wanted.options)
        view = uploads.accept(unit, self.spooled, self.wanted, replay=not self.keyed)
        self.taken = not view.replayed
        return convert.job(view)


@operation("StartImport", StartImportRequest, ImportJob, way=STREAM, right="import")
@contextmanager
def start_import(gateway: Gateway, _actor: Actor, request: Any, stream: Stream) -> Iterator[Arrived]:
    """Takes any number of records, or a file, and works on them in the background: ask GetImport how far it is.

    The message may be 1 GiB long; the SOAP header with the credentials comes before the body. A message that breaks
    off or ends badly stores nothing.
    """
    wanted = upload_request(request)
    uploads.check(wanted)
    folder = gateway.settings.spool_dir
    spooled = Arriving(stream, request.format, wanted.gzip).store(folder)
    if stream.member == TEXT:
        wanted = replace(wanted, charset="utf-8")  # whatever it was, or an XML declaration in it says
    arrived = Arrived(spooled, wanted, request.clientRequestId is not None)
    try:
        yield arrived
    finally:
        # Refused or replayed: nobody wants the file. A commit that failed half-way keeps it, for the row may be there
        # after all; `uploads.tidy` removes what no job wants.
        if not arrived.taken:
            spool.discard(folder, spooled.name)


def upload_request(request: Any) -> UploadRequest:
    """How the data is to be read and applied. Raises INVALID_REQUEST for an option that its format does not have or
    columns that cannot be used, INVALID_VALUE for an unknown charset."""
    is_table = request.format in (words.CSV, words.TSV)
    strange = [] if is_table else [name for name in TABLE_MEMBERS if getattr(request, name)]
    if request.delimiter is not None and request.format != words.CSV:
        strange.append("delimiter")
    if request.charset is not None and request.format == words.RECORDS:
        strange.append("charset")
    if strange:
        raise GatewayError("INVALID_REQUEST", f"Data of format {request.format} has no {strange[0]}; leave it out.",
                           field=strange[0])
    if request.column and request.mapping is None:
        plan_columns(request.column, {})
    try:
        codec_name(request.charset)
    except GatewayError as error:
        raise GatewayError("INVALID_VALUE", error.message, field="charset") from None
    return UploadRequest(
        import_options(request), MEDIA_TYPES[request.format], request.compression == words.GZIP, request.charset,
        "," if request.delimiter is None else request.delimiter, tuple(request.column or ()),
        request.quote != words.NOT_QUOTED, request.mapping)


def import_options(request: Any) -> ImportOptions:
    """The options of SOAP-39 as StartImport gives them."""
    return ImportOptions(
        request.mode or ADD_OR_UPDATE, request.emptyValue or KEEP, tuple(request.interest or ()),
        bool(request.dryRun), request.detail or "All", request.source or "", request.integration,
        tuple(request.notify or ()))


@operation("GetImport", GetImportRequest, ImportJob, way=READ, right="import")
def get_import(unit: Unit, request: Any) -> Values:
    """Shows how far a bulk import is, or how it ended."""
    return convert.job(uploads.get(unit, convert.job_id(request.jobId)))


@operation("GetImportErrors", GetImportErrorsRequest, FailedRowPage, way=FIND, right="import")
def get_import_errors(unit: Unit, request: Any) -> Values:
    """Lists the failed rows of a bulk import in pages, in the order in which they were read."""
    page = uploads.errors(unit, convert.job_id(request.jobId), convert.page_request(request))
    return convert.page(page, convert.row_error, unit.actor.request_id)


@operation("CancelImport", CancelImportRequest, ImportJob, way=WRITE, right="import")
def cancel_import(unit: Unit, request: Any) -> Values:
    """Ends a bulk import that waits or runs; what is stored stays.

    Cancelling twice changes nothing. A job that has ended is refused with STATE_CONFLICT.
    """
    return convert.job(uploads.cancel(unit, convert.job_id(request.jobId)))


OPERATIONS = (import_rows, start_import, get_import, get_import_errors, cancel_import)
