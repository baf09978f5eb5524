"""How does a CSV or TSV file become records, row by row, whatever is wrong with some of them? (PUSH-60, RFC 4180)"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from gateway.domain.mapping import ColumnPlan, plan_columns
from gateway.domain.recordblock import RecordBlock, Records
from gateway.domain.records import Problem, SubscriberRecord
from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_CHUNK, MAX_LINE, UNDECODABLE, TooLong

_TOO_LONG = Problem("FIELD_TOO_LONG", f"The row is longer than {MAX_LINE} characters.")
_UNDECODABLE = Problem("INVALID_CHARACTER", "The row holds bytes that the file's character set does not know.")
_QUOTES = Problem("INVALID_VALUE", "The quotes of the row do not match: a quote inside a quoted cell is doubled, "
                                   "and a quoted cell ends with a quote.")
_CR = Problem("INVALID_VALUE", "The row holds a carriage return outside of quotes, where no line ends. End lines with "
                               "CRLF or LF.")


class CsvReader:
    """The records of one file. Opening reads the header; iterating reads the rest, once, in flat memory.

    ``plan`` says what the columns mean. Raises on opening: ``INVALID_REQUEST`` for a header that cannot be
    read or mapped (the job is rejected). A row that cannot be read is a record with a ``problem``; lines
    are counted from 1, a record has the line it begins on (PUSH-72). Not ``quoted``: a quote is a character
    like any other, and every line is a row, as in raw exports of databases (``quote=none``).
    """

    def __init__(self, lines: Iterable[str], known_fields: Mapping[str, str], delimiter: str = ",",
                 columns: tuple[str, ...] = (), *, quoted: bool = True,
                 mapping: Mapping[str, str] | None = None) -> None:
        csv.field_size_limit(2 * MAX_LINE)  # a global of the module; the source below keeps rows shorter
        self._source = _Source(lines, quoted)
        self._quoting, self._delimiter = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, delimiter
        self._rows = csv.reader(iter(self._source), delimiter=delimiter, strict=True, quoting=self._quoting)
        self.plan: ColumnPlan = plan_columns(columns or self._header(), known_fields, mapping)
        self._records = self._read()

    def _header(self) -> list[str]:
        try:
            for cells in self._rows:
                if self._source.problem is not None:
                    break
                if any(cells):
                    self._source.start_row()
                    return cells
                self._source.start_row()
            else:
                raise GatewayError("INVALID_REQUEST", "The file has no header row. Send one, or name the columns "
                                                      "with columns=.", field="columns")
        except csv.Error as error:
            self._source.problem = self._source.problem or _fault(error)
        raise GatewayError("INVALID_REQUEST", f"The header row cannot be read. {self._source.problem.message}",
                           field="columns")

    def __iter__(self) -> Iterator[SubscriberRecord]:
        return self._records

    def take(self, count: int) -> Records:
        """The next records, at most ``count``, and fewer when they are long; none at the end.

        Lines that are a sound row each come as one block.
        """
        lines = self._source.read_ahead(count)
        rows = self._sound_rows(lines)
        if rows:
            return RecordBlock(self.plan, rows, self._source.pass_over(len(rows)))
        self._source.give_back(lines)
        taken: list[SubscriberRecord] = []
        for record in islice(self._records, count):
            taken.append(record)
            if not self._source.holds_lines():
                break  # no further than was looked ahead: rows of many lines may be long
        return taken

    def _sound_rows(self, lines: list[str]) -> list[list[str]]:
        """The rows of the lines; none if it takes a closer look to tell what they are."""
        if not lines or any(type(line) is TooLong for line in lines) or UNDECODABLE in "".join(lines):
            return []
        try:
            rows = list(csv.reader(lines, delimiter=self._delimiter, strict=True, quoting=self._quoting))
        except csv.Error:
            return []
        return rows if len(rows) == len(lines) and set(map(len, rows)) == {self.plan.width} else []

    def _read(self) -> Iterator[SubscriberRecord]:
        rows, source, plan, width = self._rows, self._source, self.plan, self.plan.width
        while True:
            try:
                for cells in rows:
                    if source.problem is None and len(cells) == width:
                        yield plan.record(cells, source.row_line)
                    elif cells:
                        yield SubscriberRecord(problem=source.problem or self._width(cells), line=source.row_line)
                    source.start_row()
                return
            except csv.Error as error:
                problem, first = source.problem or _fault(error), source.row_line
                last = source.resume()
                yield SubscriberRecord(problem=_spanning(problem, first, last), line=first)

    def _width(self, cells: list[str]) -> Problem:
        return Problem("INVALID_VALUE", f"The row has {len(cells)} columns where {self.plan.width} were expected.")


def _fault(error: csv.Error) -> Problem:
    return _CR if str(error).startswith("new-line") else _QUOTES  # the module has one class for both


def _spanning(problem: Problem, first: int, last: int) -> Problem:
    """The problem; for a broken row of several lines it says so, for a lost quote takes rows that are right with it."""
    if last <= first:
        return problem
    return replace(problem, message=f"{problem.message} Lines {first} to {last} were taken for this one row, and "
                                    "nothing of them is stored.")


class _Source:
    """Feeds lines to the csv module and keeps what it does not: where the row in hand begins, how long it is."""

    def __init__(self, lines: Iterable[str], quoted: bool) -> None:
        self.row_line = 1
        self.problem: Problem | None = None
        self._lines = _Lines(lines)
        self._quoted = quoted
        self._line = 0
        self._size = 0
        self._last = ""

    def start_row(self) -> None:
        """The row in hand is done: the next line begins a new one."""
        self.row_line = self._line + 1
        self.problem = None
        self._size = 0

    def read_ahead(self, count: int) -> list[str]:
        """Some lines of the rows to come, at most a chunk's, which then are passed over or given back."""
        ahead, size = [], 0
        for line in islice(self._lines, count):
            ahead.append(line)
            size += len(line)
            if size > MAX_CHUNK:
                break
        return ahead

    def give_back(self, lines: list[str]) -> None:
        """The lines were only looked at."""
        self._lines.back.extendleft(reversed(lines))

    def holds_lines(self) -> bool:
        """Whether some of the lines that were given back have not been read again."""
        return bool(self._lines.back)

    def pass_over(self, count: int) -> int:
        """That many lines are done with, each a row; answers the first one's number."""
        first = self._line + 1
        self._line += count
        self.start_row()
        return first

    def resume(self) -> int:
        """After a row that the csv module gave up on: skips its other lines, for they are no rows of their own.

        Answers the last line of the row.
        """
        inside = self._quoted and (self._line > self.row_line) ^ self._last.count('"') & 1
        while inside and (line := next(self._lines, None)) is not None:
            self._line += 1
            inside ^= line.count('"') & 1
        last = self._line
        self.start_row()
        return last

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._line += 1
            self._size += len(line)
            self._last = line
            if UNDECODABLE in line:
                self.problem = self.problem or _UNDECODABLE
            if self._size > MAX_LINE or type(line) is TooLong:
                self.problem = _TOO_LONG
                line = self._shortened(line)
                if line is None:
                    continue
            yield line

    def _shortened(self, line: str) -> str | None:
        """What the csv module must see of a row that is too long, so that it ends where the row ends.

        Only a quoted newline carries a row on, so every line but a row's first begins inside quotes; an
        odd number of quotes leaves or enters them.
        """
        if self._quoted and line.count('"') & 1:
            return '"\n'
        return "x\n" if self._line == self.row_line else None


class _Lines:
    """The lines of the file, before them those that were given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.back: deque[str] = deque()
        self._lines = iter(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self.back.popleft() if self.back else next(self._lines)
