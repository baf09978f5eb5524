"""How does a table without header become records, one a line, however its cells are written? (aapi.md section 5.4)

What old programs write by hand: lines end with CR, LF or CRLF, blanks stand around cells, quotes may be there or not.
A quoted cell holds no line end, so that a quote too many costs its own line and no other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from gateway.domain.declared import plan_declared
from gateway.domain.mapping import ColumnPlan
from gateway.domain.recordblock import RecordBlock, Records
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.upload import UploadRequest
from gateway.formats.encoding import MAX_CHUNK, MAX_LINE, UNDECODABLE, TooLong

_TOO_LONG = Problem("FIELD_TOO_LONG", f"The line is longer than {MAX_LINE} characters.")
_UNDECODABLE = Problem("INVALID_CHARACTER", "The line holds bytes that the file's character set does not know.")
_QUOTES = Problem("INVALID_VALUE", "The quotes of the line do not match: a quote inside a quoted cell is doubled, and "
                                   "a quoted cell ends with a quote.")


_SENTINEL = "x\n"
"""A line behind the others: where a quote is left open, it is no row of its own."""


def unified(texts: Iterable[str]) -> Iterator[str]:
    """The text with LF for every CR, LF or CRLF, wherever it is cut into pieces."""
    decoder = io.IncrementalNewlineDecoder(None, translate=True)
    for text in texts:
        yield decoder.decode(text)
    yield decoder.decode("", final=True)


class DeclaredReader:
    """The records of ``lines`` that each end with LF; iterating reads them once, in flat memory.

    A line with a wrong number of cells, or quotes that do not match, is a record with a ``problem``; empty lines are
    none. ``plan`` says what the columns mean. Raises on opening what :func:`plan_declared` raises.
    """

    def __init__(self, lines: Iterable[str], request: UploadRequest, known_fields: Mapping[str, str]) -> None:
        self.plan: ColumnPlan = plan_declared(request.columns, known_fields, request.options.mode)
        self._delimiter = request.delimiter
        self._quoting = csv.QUOTE_MINIMAL if request.quoted else csv.QUOTE_NONE
        self._lines = enumerate(lines, start=1)

    def __iter__(self) -> Iterator[SubscriberRecord]:
        while taken := self.take(100):
            yield from taken

    def take(self, count: int) -> Records:
        """The next records, at most ``count``, and fewer when they are long; none at the end.

        Lines that are a sound row each come as one block.
        """
        numbered = self._read_ahead(count)
        if not numbered:
            return []
        rows = self._sound_rows([line for _, line in numbered])
        first, last = numbered[0][0], numbered[-1][0]
        if rows and last - first + 1 == len(rows):
            return RecordBlock(self.plan, rows, first)
        return [self._record(number, line) for number, line in numbered]

    def _read_ahead(self, count: int) -> list[tuple[int, str]]:
        """Lines that are not empty, with their numbers."""
        csv.field_size_limit(2 * MAX_LINE)  # a global of the module; no line is longer
        ahead, size = [], 0
        for number, line in islice(self._filled(), count):
            ahead.append((number, line))
            size += len(line)
            if size > MAX_CHUNK:
                break
        return ahead

    def _filled(self) -> Iterator[tuple[int, str]]:
        return ((number, line) for number, line in self._lines if is_row(line))

    def _sound_rows(self, lines: list[str]) -> list[list[str]]:
        """The rows of the lines; none if it takes a closer look to tell what they are."""
        if any(type(line) is TooLong for line in lines) or UNDECODABLE in "".join(lines):
            return []
        *rows, _ = self._cells([*lines, _SENTINEL]) or [[]]
        return rows if len(rows) == len(lines) and set(map(len, rows)) == {self.plan.width} else []

    def _cells(self, lines: list[str]) -> list[list[str]]:
        """Lenient reading: a quote within a cell is a character, blanks around cells and quotes fall away."""
        reader = csv.reader(lines, delimiter=self._delimiter, quoting=self._quoting,
                            skipinitialspace=self._delimiter != " ")
        try:
            return [[cell.strip() for cell in cells] for cells in reader]
        except csv.Error:
            return []

    def _record(self, number: int, line: str) -> SubscriberRecord:
        if type(line) is TooLong:
            return SubscriberRecord(problem=_TOO_LONG, line=number)
        if UNDECODABLE in line:
            return SubscriberRecord(problem=_UNDECODABLE, line=number)
        rows = self._cells([line])
        cells = rows[0] if len(rows) == 1 else []
        if self._quoting == csv.QUOTE_MINIMAL and self._is_open(line):
            return SubscriberRecord(problem=_QUOTES, line=number)
        if len(cells) == self.plan.width:
            return self.plan.record(cells, number)
        return SubscriberRecord(line=number, problem=Problem(
            "INVALID_VALUE", f"The line has {len(cells)} cells where {self.plan.width} columns are declared."))

    def _is_open(self, line: str) -> bool:
        """Whether a quoted cell has no end: it would swallow the line behind it."""
        return len(self._cells([line, _SENTINEL])) == 1


def is_row(line: str) -> bool:
    """Whether something stands on the line."""
    return type(line) is TooLong or bool(line) and not line.isspace()
