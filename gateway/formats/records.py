"""Which reader turns this file into records? (PUSH-57)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from gateway.domain.recordblock import Records
from gateway.domain.records import SubscriberRecord
from gateway.domain.upload import DECLARED, JSON, NDJSON, TABLES, TSV, XML, UploadRequest
from gateway.errors import GatewayError
from gateway.formats import inline, jsonarray, ndjson, xml
from gateway.formats.csv import CsvReader
from gateway.formats.declared import DeclaredReader, unified
from gateway.formats.encoding import MAX_CHUNK, decode, lines


class CountedText:
    """Passes the text of a file on, and knows how many ``characters`` of it have been read."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.characters = 0
        self._texts = iter(texts)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = next(self._texts)
        self.characters += len(text)
        return text


@dataclass(slots=True)
class RecordStream:
    """The records of a file, once, in flat memory. ``unmapped`` are columns whose values go nowhere.

    ``text`` is what they are read from; ``table``: the reader that can hand out whole blocks of rows.
    """

    records: Iterator[SubscriberRecord]
    text: CountedText
    unmapped: tuple[str, ...] = ()
    table: CsvReader | DeclaredReader | None = None
    first: Records = ()  # taken to see whether there is any

    def take(self, count: int) -> Records:
        """The next records, at most ``count``, and fewer when they are long; none at the end."""
        if self.first:
            first, self.first = self.first, ()
            return first
        if self.table is not None:
            return self.table.take(count)
        taken, full = [], self.text.characters + MAX_CHUNK
        for record in islice(self.records, count):
            taken.append(record)
            if self.text.characters > full:
                break
        return taken

    def take_piece(self, rows: int, chunk_rows: int) -> list[Records]:
        """The next chunks of at most ``chunk_rows``, together at most ``rows`` and about 4 MiB; none at the end."""
        piece: list[Records] = []
        left, full = rows, self.text.characters + 2 * MAX_CHUNK
        while left and self.text.characters < full and (chunk := self.take(min(chunk_rows, left))):
            piece.append(chunk)
            left -= len(chunk)
        return piece

    def is_empty(self) -> bool:
        """Whether there is no record at all; to be asked before the first is taken."""
        self.first = self.take(1)
        return not self.first


def open_records(blocks: Iterable[bytes], request: UploadRequest, known_fields: Mapping[str, str]) -> RecordStream:
    """The stream of the unpacked ``blocks``; ``known_fields``: folded name -> name of the brand's fields.

    Raises ``INVALID_REQUEST`` or ``LIMIT_EXCEEDED`` for a header that cannot be used (PUSH-69) and
    ``UNSUPPORTED_MEDIA_TYPE`` for another format; a bad row is a record with a problem. Of JSON and XML the records
    themselves raise ``MALFORMED_REQUEST``, ``INVALID_REQUEST`` or ``UNSUPPORTED_MEDIA_TYPE`` where the document cannot
    be read.
    """
    text = CountedText(decode(blocks, request.charset, xml=request.media_type == XML))
    if request.media_type == JSON:
        return RecordStream(jsonarray.read(text), text)
    if request.media_type == XML:
        return RecordStream(xml.read(text), text)
    if request.media_type in TABLES:
        if request.mapping is not None and not request.mapped and not request.columns:
            raise GatewayError("NOT_FOUND", f"There is no saved mapping '{request.mapping}'. Save it, or look at its "
                                            "spelling, and send the file again.", field="mapping")
        delimiter = "\t" if request.media_type == TSV else request.delimiter
        reader = CsvReader(lines(text), known_fields, delimiter, request.columns, quoted=request.quoted,
                           mapping=request.mapped)
        return RecordStream(iter(reader), text, reader.plan.unmapped, reader)
    if request.media_type == DECLARED:
        declared = DeclaredReader(lines(unified(text)), request, known_fields)
        return RecordStream(iter(declared), text, declared.plan.unmapped, declared)
    if request.media_type == NDJSON:
        return RecordStream(ndjson.read(lines(text)), text)
    if request.media_type == inline.MEDIA_TYPE:
        return RecordStream(inline.read(lines(text)), text)
    raise GatewayError("UNSUPPORTED_MEDIA_TYPE", f"There is no reader for {request.media_type}.")
