"""How does one JSON array of any length become records, in flat memory? (PUSH-57)"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.domain.mapping import record_of
from gateway.domain.records import Problem, SubscriberRecord
from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_LINE, UNDECODABLE
from gateway.formats.json import JsonProblem, loads, read_object

_TOO_LONG = Problem("FIELD_TOO_LONG", f"The record is longer than {MAX_LINE} characters.")
_UNDECODABLE = Problem("INVALID_CHARACTER", "The record holds bytes that the file's character set does not know.")
_BLANKS = re.compile(r"[ \t\r\n]*")
_OUTSIDE = re.compile(r'["\[\]{},]')
_INSIDE = re.compile(r'["\\]')


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the array: its ``value``, or the ``problem`` that it could not be read for and its ``text``.

    ``line`` is where it begins, counted from 1. ``text`` is empty for one that is too long to be kept.
    """

    line: int
    value: Any = None
    problem: Problem | None = None
    text: str = ""


def read(texts: Iterable[str]) -> Iterator[SubscriberRecord]:
    """The records of the array's elements. Raises as :func:`elements`; a bad element is a record with a problem."""
    for element in elements(texts):
        if element.problem is None:
            yield record_of(element.value, element.line)
        else:
            yield SubscriberRecord(problem=element.problem, line=element.line)


def elements(texts: Iterable[str]) -> Iterator[Element]:
    """The elements of the array that the text is, one after the other; memory is one block and one element.

    An element whose brackets and quotes close but which is no JSON that we take is an element with a problem.
    Raises ``MALFORMED_REQUEST`` naming the line where the array itself cannot be read, or does not end: whoever must
    apply all or nothing reads to the end first (PUSH-11).
    """
    source = _Source(texts)
    if source.next_char() != "[":
        raise source.refused("The file is not a JSON array: it begins with something else than [.")
    source.at += 1
    char = source.next_char()
    while char != "]":
        if not char:
            raise source.refused("The array does not end.")
        yield source.element()
        char = source.next_char()
        if char == ",":
            source.at += 1
            char = source.next_char()
            if char == "]":
                raise source.refused("A comma is followed by no element.")
        elif char != "]":
            raise source.refused("Between two elements stands no comma." if char else "The array does not end.")
    source.at += 1
    if source.next_char():
        raise source.refused("Something follows the end of the array.")


class _Source:
    """The text with a place in it: ``at`` is an index of the block in hand, whose earlier part is forgotten."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.at = 0
        self._texts = iter(texts)
        self._text = ""
        self._line, self._counted = 1, 0  # the line of index `_counted`
        self._suspicious = False  # whether the text in hand holds bytes that were no text

    def next_char(self) -> str:
        """The next character that is no blank, without passing it; empty at the end of the text."""
        while True:
            self.at = _BLANKS.match(self._text, self.at).end()
            if self.at < len(self._text):
                return self._text[self.at]
            if not self._more(self.at):
                return ""

    def element(self) -> Element:
        """Reads one element, which begins here."""
        line = self._line_here()
        while self._text[self.at] == "{":
            try:
                value, end = read_object(self._text, self.at)
            except (json.JSONDecodeError, JsonProblem):
                # cut by the end of the block, or bad: its brackets will tell
                if len(self._text) - self.at > MAX_LINE or not self._more(self.at):
                    break
                continue
            return self._taken(line, value, end)
        return self._cut(line)

    def _taken(self, line: int, value: Any, end: int) -> Element:
        start, self.at = self.at, end
        if end - start > MAX_LINE:
            return Element(line, problem=_TOO_LONG)
        if self._suspicious and self._text.find(UNDECODABLE, start, end) >= 0:
            return Element(line, problem=_UNDECODABLE, text=self._text[start:end])
        return Element(line, value)

    def _cut(self, line: int) -> Element:
        """An element whose end only its brackets and quotes tell, of any length; its text is looked at as a whole."""
        end, kept, size = _End(), [], 0
        while True:
            found = end.find(self._text, self.at)
            size += (len(self._text) if found is None else found) - self.at
            if size <= MAX_LINE:
                kept.append(self._text[self.at:found])
            if found is not None:
                self.at = found
                break
            self.at = len(self._text)
            if not self._more(self.at):
                raise self.refused(f"The element that begins in line {line} does not end.")
        if not size:
            raise self.refused("An element is missing.")
        if size > MAX_LINE:
            return Element(line, problem=_TOO_LONG)
        return _read(line, "".join(kept).rstrip(" \t\r\n"))

    def _more(self, keep_from: int) -> bool:
        """Takes the next block, and forgets what is before ``keep_from``; False at the end."""
        block = next(self._texts, None)
        if block is None:
            return False
        self._line_at(keep_from)
        rest = self._text[keep_from:]
        self._text = rest + block
        self._suspicious = UNDECODABLE in block or (self._suspicious and UNDECODABLE in rest)
        self.at -= keep_from
        self._counted = 0
        return True

    def _line_at(self, index: int) -> int:
        self._line += self._text.count("\n", self._counted, index)
        self._counted = index
        return self._line

    def _line_here(self) -> int:
        return self._line_at(self.at)

    def refused(self, reason: str) -> GatewayError:
        """Why the array cannot be read, here."""
        return GatewayError("MALFORMED_REQUEST", f"{reason} This is in line {self._line_here()}. Nothing of the file "
                                                 "is stored; correct it and send it again.")


class _End:
    """Looks for the comma or bracket behind an element, over any number of blocks."""

    def __init__(self) -> None:
        self._depth, self._inside, self._escaped = 0, False, False

    def find(self, text: str, at: int) -> int | None:
        """The index of what ends the element; None when it goes on in the next block."""
        while True:
            if self._escaped and at < len(text):
                self._escaped, at = False, at + 1
            found = (_INSIDE if self._inside else _OUTSIDE).search(text, at)
            if found is None:
                return None
            char, at = found[0], found.end()
            if char == "\\":
                self._escaped = True
            elif char == '"':
                self._inside = not self._inside
            elif char in "[{":
                self._depth += 1
            elif self._depth == 0:
                return found.start()
            elif char in "]}":
                self._depth -= 1


def _read(line: int, text: str) -> Element:
    if UNDECODABLE in text:
        return Element(line, problem=_UNDECODABLE, text=text)
    try:
        return Element(line, loads(text))
    except JsonProblem as problem:
        return Element(line, problem=Problem("INVALID_VALUE", str(problem)), text=text)
