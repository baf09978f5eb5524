"""How does an XML document of any length become records, whoever wrote it? (PUSH-62, section 8 of soap.md)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from gateway.domain.mapping import DO_NOT_EMAIL, EMAIL, REMOTE_ID, record_of
from gateway.domain.records import Problem, SubscriberRecord
from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_LINE

RECORD = "subscriber"
MAX_DEPTH, MAX_ATTRIBUTES, MAX_NAMESPACES, MAX_NAME = 64, 16, 64, 1024
"""Limits of one document (SOAP-77)."""

_BROKEN = "\ufdd0"
"""Stands for what XML cannot carry: a code point that is no character and never means anything."""

_CANNOT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TOO_LONG = Problem("FIELD_TOO_LONG", f"The record is longer than {MAX_LINE} characters.")
_UNDECODABLE = Problem("INVALID_CHARACTER", "The record holds a control character, or bytes that the document's "
                                            "character set does not know.")
_LISTS = {"interest": "add", "addInterest": "add", "removeInterest": "remove"}
_KNOWN = (REMOTE_ID, EMAIL, DO_NOT_EMAIL, "field", *_LISTS)
_WRAPPERS = ("fields", "interests")
"""Elements that senders put around these; they say nothing."""

_TAGS = len("<></>")
"""Counts with each part of a record: a million empty ones are a long record, too."""

_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"


@dataclass(slots=True)
class Part:
    """A child of a record: its local name, the field that a ``field`` names, and its text; None for nil."""

    tag: str
    name: str | None = None
    text: str | None = ""
    nested: bool = False


@dataclass(slots=True)
class Element:
    """One record as it stands in the document, and the line where it begins; ``size`` in characters."""

    line: int
    parts: list[Part] = field(default_factory=list)
    size: int = 0

    @property
    def problem(self) -> Problem | None:
        """Why the record cannot be read at all."""
        if self.size > MAX_LINE:
            return _TOO_LONG
        if any(_BROKEN in text for part in self.parts for text in (part.text, part.name) if text):
            return _UNDECODABLE
        return next((Problem("INVALID_VALUE", "Expected text, but there are elements in it.", part.name or part.tag)
                     for part in self.parts if part.nested and part.tag in _KNOWN), None)


def read(texts: Iterable[str]) -> Iterator[SubscriberRecord]:
    """The records of the document. Raises as :func:`elements`; a bad record has a problem."""
    for element in elements(texts):
        problem = element.problem
        if problem is None:
            yield _record(element)
        else:
            yield SubscriberRecord(problem=problem, line=element.line)


def elements(texts: Iterable[str]) -> Iterator[Element]:
    """The elements of local name ``subscriber``, whatever they stand in; memory is one block and its records.

    Raises ``MALFORMED_REQUEST`` with line and column for a document that is not well-formed, has a DTD or breaks the
    limits of soap.md, and ``INVALID_REQUEST`` for one that is about something else: whoever must apply all or nothing
    reads to the end first (PUSH-11). Nothing is ever fetched or expanded.
    """
    document = _Document()
    for text in texts:
        yield from document.feed(_CANNOT.sub(_BROKEN, text).encode())
    yield from document.feed(b"", last=True)


def shown(text: str) -> str:
    """A text of an element as a document can carry it: what XML cannot carry is the replacement character."""
    return _CANNOT.sub("\ufffd", text).replace(_BROKEN, "\ufffd")


class _Document:
    """What stands between the parser's events and the records that they make."""

    def __init__(self) -> None:
        # the text was decoded already, so the declaration's encoding must not count once more
        self._parser = parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        parser.buffer_text = parser.ordered_attributes = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler, parser.StartNamespaceDeclHandler = self._doctype, self._namespace
        self._fed = self._depth = self._found = self._strangers = 0
        self._namespaces: set[tuple[str | None, str | None]] = set()
        self._record: Element | None = None
        self._record_depth = self._part_depth = 0
        self._part: Part | None = None
        self._texts: list[str] = []
        self._ready: list[Element] = []

    def feed(self, data: bytes, *, last: bool = False) -> list[Element]:
        """The records that end in ``data``."""
        self._ready = []
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise self._refused("The document is not well-formed XML", error.lineno, error.offset) from None
        if self._fed - self._parser.CurrentByteIndex > MAX_LINE:  # a tag or comment without end: expat would keep it
            raise self._refused("A tag, a comment or an instruction is too long")
        if last and self._strangers and not self._found:
            raise GatewayError("INVALID_REQUEST", f"No element of the document is called {RECORD}; nothing was read.")
        return self._ready

    def _start(self, qualified: str, attributes: list[str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refused(f"Elements are nested more than {MAX_DEPTH} levels deep")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise self._refused(f"An element has more than {MAX_ATTRIBUTES} attributes")
        if max(map(len, (qualified, *attributes[::2]))) > MAX_NAME:
            raise self._refused(f"A name is longer than {MAX_NAME} characters")
        tag = qualified.rpartition(" ")[2]
        if self._record is None:
            if tag == RECORD:
                self._begin(attributes)
            elif self._depth > 1:
                self._strangers += 1
        elif self._part is None and tag not in _WRAPPERS:
            self._part = _part(tag, attributes)
            self._part_depth = self._depth
            self._texts = []
            self._record.size += 2 * len(tag) + _TAGS + len(self._part.name or "")
            if self._record.size <= MAX_LINE:
                self._record.parts.append(self._part)
        elif self._part is not None:
            self._part.nested = True

    def _begin(self, attributes: list[str]) -> None:
        self._found += 1
        self._record_depth = self._depth
        self._record = Element(self._parser.CurrentLineNumber)
        self._record.size = sum(map(len, attributes))
        self._record.parts += [Part(name.rpartition(" ")[2], None, text)
                               for name, text in zip(attributes[::2], attributes[1::2], strict=True)
                               if " " not in name]

    def _end(self, _qualified: str) -> None:
        if self._record is not None:
            if self._depth == self._record_depth:
                self._ready.append(self._record)
                self._record = None
            elif self._part is not None and self._depth == self._part_depth:
                if self._part.text is not None:
                    self._part.text = "".join(self._texts)
                self._part = None
        self._depth -= 1

    def _characters(self, text: str) -> None:
        if self._record is None:
            return
        self._record.size += len(text)
        if self._part is not None and self._record.size <= MAX_LINE:
            self._texts.append(text)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._namespaces.add((prefix, uri))
        if len(self._namespaces) > MAX_NAMESPACES or len(uri or "") > MAX_NAME:
            raise self._refused(f"There are more than {MAX_NAMESPACES} declarations of namespaces, or one is too long")

    def _doctype(self, *_ignored: Any) -> None:
        raise self._refused("The document has a DTD, which is not taken")

    def _refused(self, reason: str, line: int | None = None, column: int | None = None) -> GatewayError:
        line = self._parser.CurrentLineNumber if line is None else line
        column = self._parser.CurrentColumnNumber if column is None else column
        return GatewayError("MALFORMED_REQUEST", f"{reason} (line {line}, column {column + 1}). Nothing of the file is "
                                                 "stored; correct it and send it again.")


def _part(tag: str, attributes: list[str]) -> Part:
    given = dict(zip(attributes[::2], attributes[1::2], strict=True))
    nil = given.get(_NIL, "").strip() in ("true", "1")
    return Part(tag, given.get("name") if tag == "field" else None, None if nil else "")


def _record(element: Element) -> SubscriberRecord:
    """The record that the element is, by the rules of a JSON one (PUSH-49)."""
    value: dict[str, Any] = {"fields": {}, "interests": {"add": [], "remove": []}}
    for part in element.parts:
        if part.tag in _LISTS:
            value["interests"][_LISTS[part.tag]].append(part.text or "")
            continue
        if part.tag == "field" and not part.name:
            return _failed(element, Problem("INVALID_VALUE", 'A field has a name: <field name="City">.', "field"))
        place, name = (value["fields"], part.name) if part.tag == "field" else (value, part.tag)
        if name in place and (part.tag in ("field", REMOTE_ID, EMAIL, DO_NOT_EMAIL)):
            return _failed(element, Problem("INVALID_VALUE", "The record has this twice.", name))
        place.setdefault(name, part.text)
    return record_of(value, element.line)


def _failed(element: Element, problem: Problem) -> SubscriberRecord:
    return SubscriberRecord(problem=problem, line=element.line)
