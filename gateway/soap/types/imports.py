"""Which messages do bulk imports have? (SOAP-40..42; ImportSubscribers is with the subscribers)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.soap.types.subscribers import Detail, EmptyValue, ImportMode, SubscriberRecord
from gateway.spynekit.kinds import Boolean, ByteArray, DateTime, Integer32, Unicode
from gateway.spynekit.models import clearable, list_of, mandatory, optional

RECORDS, CSV, TSV, NDJSON, JSON, XML = "Records", "Csv", "Tsv", "Ndjson", "Json", "Xml"
NOT_PACKED, GZIP = "None", "Gzip"
QUOTED, NOT_QUOTED = "Double", "None"

ImportFormat = V1.enum("ImportFormat", (RECORDS, CSV, TSV, NDJSON, JSON, XML), "What the data of a bulk import is: "
                       "record elements, or a file of one of the formats of the PUSH API.")
Compression = V1.enum("Compression", (NOT_PACKED, GZIP), "Whether the file in base64 is packed.")
Quote = V1.enum("Quote", (QUOTED, NOT_QUOTED), "What a quote in a table means: a quoted cell, in which a quote is "
                "doubled, or nothing.")

DATA = ("record", "text", "base64")
"""The members of StartImport that are read as a stream: its last ones."""


class ImportRow(Record):
    """One person as a row: as many values as columns, in their order."""

    v = clearable(Unicode, "The value of the column in this place; nil clears it, an empty text follows emptyValue.",
                  min_occurs=0, max_occurs="unbounded")


class ImportRowsRequest(Record):
    """Options, columns and rows of one synchronous import."""

    clientRequestId = base.client_request_id()
    mode = mandatory(ImportMode, "What may be done with each row.")
    emptyValue = optional(EmptyValue, "What an empty text means; Keep if left out.")
    interest = list_of(Unicode, "The name of an interest that every row joins or, with mode Remove, leaves.")
    dryRun = optional(Boolean, "True answers as usual and stores nothing.")
    detail = optional(Detail, "Which results to list; All if left out.")
    integration = optional(Unicode, "The integration whose remote IDs these are; that of the credentials if left out.")
    source = optional(Unicode, "A label for rows that come without a remote ID.")
    column = list_of(Unicode, "What the column in this place is: email, remoteId, interests (names joined by the pipe "
                              "character), doNotEmail, or the name of a field. One of the first two is needed.",
                     at_least=1)
    row = list_of(ImportRow, "A row; 1 to 1000 a call. One of another width than the columns fails alone.", at_least=1)


class StartImportRequest(Record):
    """Options and data of one bulk import. The data is one of record, text and base64, and comes last."""

    clientRequestId = base.client_request_id()
    mode = mandatory(ImportMode, "What may be done with each record.")
    emptyValue = optional(EmptyValue, "What an empty text means; Keep if left out.")
    interest = list_of(Unicode, "The name of an interest that every record joins or, with mode Remove, leaves.")
    dryRun = optional(Boolean, "True counts as usual and stores nothing.")
    detail = optional(Detail, "Taken as by ImportSubscribers; a job lists its failures whatever it says.")
    integration = optional(Unicode, "The integration whose remote IDs these are; that of the credentials if left out.")
    source = optional(Unicode, "A label for records that come without a remote ID.")
    notify = list_of(Unicode, "An address that gets a mail when the job has ended.")
    format = mandatory(ImportFormat, "What the data is; Records for record.")
    compression = optional(Compression, "Gzip for a packed file in base64; None if left out.")
    charset = optional(Unicode, "The charset of a file in base64: UTF-8 (if left out), UTF-16, ISO-8859-1 or "
                                "Windows-1252. A text has none.")
    column = list_of(Unicode, "Of a table without header row: what the column in this place is, as in ImportRows.")
    mapping = optional(Unicode, "The name of a saved column mapping.")
    delimiter = optional(Unicode, "What parts the columns of Csv; a comma if left out.")
    quote = optional(Quote, "What a quote in Csv or Tsv means; Double if left out.")
    record = list_of(SubscriberRecord, "A record, of any number.")
    text = list_of(Unicode, "A piece of the file as text, of at most 4 million characters; the pieces are joined.")
    base64 = list_of(ByteArray, "A piece of the file, of at most 4 million characters of base64; the pieces are "
                                "joined.")


class CodeCount(Record):
    """How many records failed or were skipped for one reason."""

    code = mandatory(Unicode, "A code of the error catalogue; new codes may come.")
    count = mandatory(Integer32, "So many.")
    extra = V1.extra()


class ImportJob(Record):
    """A bulk import. The counters grow while it runs; received is the sum of the seven counters after it."""

    jobId = mandatory(Unicode, "Our id of the job.")
    state = mandatory(Unicode, "queued, running, held, finished, finished_with_errors, rejected, cancelled or failed; "
                               "new words may come.")
    received = mandatory(Integer32, "Records done so far.")
    created = mandatory(Integer32, "People stored for the first time.")
    adopted = mandatory(Integer32, "Known addresses that got their remote ID.")
    updated = mandatory(Integer32, "People that changed.")
    unchanged = mandatory(Integer32, "Records that changed nothing.")
    skipped = mandatory(Integer32, "Records that the mode does not allow.")
    suppressed = mandatory(Integer32, "People erased on request; not stored.")
    failed = mandatory(Integer32, "Records refused; GetImportErrors lists them.")
    codeCount = list_of(CodeCount, "How many records failed or were skipped, by reason.")
    rowsDone = mandatory(Integer32, "Records that have been read.")
    bytesDone = mandatory(Integer32, "Bytes of the stored data that have been read.")
    queuedAt = mandatory(DateTime, "When the job was accepted.")
    startedAt = optional(DateTime, "When work on it began.")
    finishedAt = optional(DateTime, "When it ended.")
    message = optional(Unicode, "Why it was rejected, is held or failed, as one sentence for a person.")
    extra = V1.extra()


class GetImportRequest(Record):
    """Which job to show."""

    jobId = mandatory(Unicode, "The job.")


class GetImportErrorsRequest(Record):
    """The failed rows of which job."""

    jobId = mandatory(Unicode, "The job.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class CancelImportRequest(Record):
    """Which job to end."""

    clientRequestId = base.client_request_id()
    jobId = mandatory(Unicode, "The job; chunks that are stored stay.")


class FailedRow(Record):
    """One record of a job that was refused."""

    row = mandatory(Integer32, "Its position, from 1.")
    line = optional(Integer32, "The line of the file that it begins on, from 1; absent for records of an envelope.")
    remoteId = optional(Unicode, "The remote ID as sent.")
    email = optional(Unicode, "The address as sent.")
    code = mandatory(Unicode, "A code of the error catalogue; new codes may come.")
    field = optional(Unicode, "The member or field at fault.")
    message = mandatory(Unicode, "One sentence for a person.")
    extra = V1.extra()


class FailedRowPage(Record):
    """One page of failed rows."""

    item = list_of(FailedRow, "A failed row.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
