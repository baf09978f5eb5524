"""How do the failed rows of a file look as a file of the same format, each with the reason why it failed? (PUSH-33)

Such a file can be corrected and sent again as it is: every reader passes over the three reasons.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from gateway.domain.mapping import REASONS
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.upload import CSV, DECLARED, JSON, NDJSON, TABLES, TSV, XML, UploadRequest
from gateway.formats import inline, jsonarray, xml
from gateway.formats.csv import CsvReader
from gateway.formats.declared import is_row, unified
from gateway.formats.encoding import MAX_LINE, UNDECODABLE, TooLong, decode, lines
from gateway.formats.json import JsonProblem, dumps, loads

MEDIA_TYPES = {CSV: "text/csv; charset=utf-8", TSV: "text/tab-separated-values; charset=utf-8", NDJSON: NDJSON,
               inline.MEDIA_TYPE: NDJSON, JSON: JSON, XML: XML, DECLARED: "text/csv; charset=utf-8"}
"""Format of the file -> content type of its rejects: what came as records of a SOAP call goes as lines of JSON."""

SUFFIXES = {CSV: "csv", TSV: "tsv", NDJSON: "ndjson", inline.MEDIA_TYPE: "ndjson", JSON: "json", XML: "xml",
            DECLARED: "csv"}
_LOST, _REPLACEMENT = "raw", "\ufffd"
_BOM = "\ufeff"

Failed = Iterator[tuple[int, Problem]]
"""Failed rows in the order of the file: number of the record from 0, and why it failed."""


def write(blocks: Iterable[bytes], request: UploadRequest, failed: Failed) -> Iterator[bytes]:
    """The rejects file in UTF-8, piece by piece, of the unpacked ``blocks`` of the whole file; memory is flat.

    Reads no further than the last failed row. The file was read before, so that nothing of it is refused here.
    """
    if request.media_type in TABLES:
        pieces = _table(blocks, request, failed)
    elif request.media_type == DECLARED:
        pieces = _declared(blocks, request, failed)
    elif request.media_type == JSON:
        pieces = _array(jsonarray.elements(decode(blocks, request.charset)), failed)
    elif request.media_type == XML:
        pieces = _document(xml.elements(decode(blocks, request.charset, xml=True)), failed)
    elif request.media_type == inline.MEDIA_TYPE:
        pieces = _records(inline.read(lines(decode(blocks, request.charset))), failed)
    else:
        pieces = _json_lines(blocks, request, failed)
    for piece in pieces:
        yield piece if isinstance(piece, bytes) else piece.replace(UNDECODABLE, _REPLACEMENT).encode(
            "utf-8", "backslashreplace")


def _chosen(items: Iterable[Any], failed: Failed) -> Iterator[tuple[Any, Problem]]:
    """The items that failed; ends with the last of them."""
    wanted = next(failed, None)
    for number, item in enumerate(items):
        if wanted is None:
            return
        if number == wanted[0]:
            yield item, wanted[1]
            wanted = next(failed, None)


class _Kept:
    """Passes lines on and keeps the last of them: the text of a record is the lines up to where the next one begins."""

    def __init__(self, source: Iterable[str]) -> None:
        self._source = source
        self._lines: deque[tuple[int, str]] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._source, start=1):
            if type(line) is not TooLong and self._size <= 4 * MAX_LINE:
                self._lines.append((number, line))
                self._size += len(line)
            yield line

    def take(self, before: float) -> str:
        """The lines before this one; they are forgotten."""
        taken = []
        while self._lines and self._lines[0][0] < before:
            taken.append(self._lines.popleft()[1])
        self._size -= sum(map(len, taken))
        return "".join(taken)


def _raw(kept: _Kept, records: Iterable[SubscriberRecord], header: Callable[[str], None]) -> Iterator[str]:
    """The text of each record; ``header`` gets what is before the first."""
    at_header = True
    for record in records:
        text = kept.take(record.line)
        if at_header:
            header(text)
        else:
            yield text
        at_header = False
    text = kept.take(float("inf"))
    if not at_header:
        yield text


def _table(blocks: Iterable[bytes], request: UploadRequest, failed: Failed) -> Iterator[str]:
    delimiter = "\t" if request.media_type == TSV else request.delimiter
    kept = _Kept(lines(decode(blocks, request.charset)))
    reader = CsvReader(kept, {}, delimiter, request.columns, quoted=request.quoted, mapping=request.mapped)
    row = _quoted_row(delimiter) if request.quoted else _raw_row(delimiter)
    heads: list[str] = []
    started = False
    for text, problem in _chosen(_raw(kept, reader, heads.append), failed):
        if not started:
            yield _BOM  # a mark beats whatever charset is declared, here and when it comes back
            if not request.columns:
                yield row(list(REASONS), heads[0].lstrip("\r\n"))
            started = True
        yield row([problem.code, problem.field or "", problem.message], text.lstrip("\r\n"))


def _declared(blocks: Iterable[bytes], request: UploadRequest, failed: Failed) -> Iterator[str]:
    row = _quoted_row(request.delimiter) if request.quoted else _raw_row(request.delimiter)
    for text, problem in _chosen(filter(is_row, lines(unified(decode(blocks, request.charset)))), failed):
        yield row([problem.code, problem.field or "", problem.message], text)


def _quoted_row(delimiter: str) -> Callable[[list[str], str], str]:
    def row(reasons: list[str], text: str) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerow(reasons + _cells(text, delimiter))
        return out.getvalue()
    return row


def _raw_row(delimiter: str) -> Callable[[list[str], str], str]:
    def row(reasons: list[str], text: str) -> str:
        shown = [reason.replace(delimiter, " ") for reason in reasons]
        return delimiter.join([*shown, text.rstrip("\r\n")]) + "\r\n"
    return row


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of the row; a row that is none is one cell with all its text."""
    try:
        rows = [cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if cells]
    except csv.Error:
        return [text.rstrip("\r\n")]
    return rows[0] if len(rows) == 1 else [text.rstrip("\r\n")] if text else []


def _json_lines(blocks: Iterable[bytes], request: UploadRequest, failed: Failed) -> Iterator[bytes]:
    texts = (line for line in lines(decode(blocks, request.charset)) if type(line) is TooLong or not line.isspace())
    for line, problem in _chosen(texts, failed):
        yield dumps(_object(*_parsed(line), problem)) + b"\n"


def _parsed(line: str) -> tuple[Any, str]:
    if type(line) is TooLong:
        return None, ""
    try:
        return loads(line), line
    except JsonProblem:
        return None, line.rstrip("\r\n")


def _object(value: Any, text: str, problem: Problem) -> dict[str, Any]:
    reasons = {name: part for name, part in zip(REASONS, (problem.code, problem.field, problem.message), strict=True)
               if part}
    if not isinstance(value, dict):
        return reasons | {_LOST: text.replace(UNDECODABLE, _REPLACEMENT) if value is None else value}
    return reasons | {name: item for name, item in value.items() if name not in REASONS}


def _array(elements: Iterable[jsonarray.Element], failed: Failed) -> Iterator[bytes]:
    start = b"[\n"
    for element, problem in _chosen(elements, failed):
        yield start + dumps(_object(element.value, element.text, problem))
        start = b",\n"
    yield b"\n]\n"


def _records(records: Iterable[SubscriberRecord], failed: Failed) -> Iterator[bytes]:
    for record, problem in _chosen(records, failed):
        value = {"remoteId": record.remote_id, "email": record.email, "doNotEmail": record.do_not_email}
        value = {name: item for name, item in value.items() if item is not None}
        if record.values:
            value["fields"] = dict(record.values)
        if record.add_interests or record.remove_interests:
            value["interests"] = {"add": record.add_interests, "remove": record.remove_interests}
        yield dumps(_object(value, "", problem)) + b"\n"


def _document(elements: Iterable[xml.Element], failed: Failed) -> Iterator[str]:
    yield ('<?xml version="1.0" encoding="UTF-8"?>\n'
           '<subscribers xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n')
    for element, problem in _chosen(elements, failed):
        reasons = zip(REASONS, (problem.code, problem.field, problem.message), strict=True)
        parts = "".join(_tag(xml.Part(name, None, text)) for name, text in reasons if text)
        parts += "".join(_tag(part) for part in element.parts if part.tag not in REASONS)
        yield f"<{xml.RECORD}>{parts}</{xml.RECORD}>\n"
    yield "</subscribers>\n"


def _tag(part: xml.Part) -> str:
    name = "" if part.name is None else f" name={quoteattr(xml.shown(part.name))}"
    if part.text is None:
        return f'<{part.tag}{name} xsi:nil="true"/>'
    return f"<{part.tag}{name}>{escape(xml.shown(part.text), {chr(13): '&#13;'})}</{part.tag}>"
