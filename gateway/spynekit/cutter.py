"""Where in a long message does each piece of its data begin and end? (SOAP-41, SOAP-77)

Expat reads the message once, for its structure alone: it finds the operation's first data element, and afterwards
places to cut. What lies between two cuts goes to :mod:`gateway.spynekit.stream` as bytes. Memory is one piece.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from xml.parsers import expat

from gateway.errors import GatewayError
from gateway.spynekit.limits import KIB, MIB, Limits
from gateway.spynekit.reader import HUGE_PIECE_BYTES, long_text, malformed

SEPARATOR = "\x01"
"""Between namespace and name: XML cannot carry it, so no name forges it."""

ENVELOPE, ENTRY, DATA = 1, 3, 4
"""Depths of elements: the envelope; the operation in the body; its members."""

PIECE_BYTES = 256 * KIB
HEAD_BYTES = MIB
TOKEN_BYTES = MIB
PIECE_ELEMENTS = 10_000
TAIL_BYTES = MIB
HANDLERS = ("StartElementHandler", "EndElementHandler", "StartDoctypeDeclHandler", "StartNamespaceDeclHandler",
            "CharacterDataHandler")
QUALIFIED_NAME = re.compile(rb"<([^\s/>]+)")
START_TAG = re.compile(rb"<(?:[^\"'>]|\"[^\"]*\"|'[^']*')*>")


class Cutter:
    """Cuts UTF-8 ``blocks`` of an envelope whose body entry is followed to its members named in ``data``.

    After :meth:`read_head`: ``head`` is a small complete envelope with everything before the first data element,
    ``frame`` what to put around a piece to make one of it. :meth:`pieces` then answers the data, to the message's very
    end. Raises MALFORMED_REQUEST with line and column (SOAP-79), or for what is too deep, too wide or has a DTD
    (SOAP-76, SOAP-77); TOO_LARGE for a single piece that is too long (SOAP-78).
    """

    def __init__(self, blocks: Iterable[bytes], data: Collection[str], limits: Limits) -> None:
        self.blocks = iter(blocks)
        self.data = data
        self.limits = limits
        self.buffer = bytearray()
        self.base = 0
        """Where in the message ``buffer`` begins."""
        self.fed = 0
        self.ended = False
        self.depth = 0
        self.places: dict[int, int] = {}
        """Depth -> where its element begins, on the way down to the first data element."""
        self.in_body = False
        self.first: int | None = None
        self.last_cut = 0
        self.cuts: list[int] = []
        self.elements = 0
        self.entry_end: int | None = None
        self.prefixes: set[str | None] = set()
        self.head = b""
        self.frame = (b"", b"")
        self.parser = expat.ParserCreate("utf-8", SEPARATOR)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartNamespaceDeclHandler = self._namespace

    def close(self) -> None:
        """Lets go of the parser, which knows its handlers and so this object: both would wait for a full garbage
        collection. May be repeated; nothing can be read afterwards."""
        for handler in HANDLERS:
            setattr(self.parser, handler, None)
        self.blocks = iter(())
        self.buffer.clear()

    def read_head(self) -> None:
        """Reads on until the first data element, or to the end of a message that has none."""
        while self.first is None and self._feed():
            if len(self.buffer) > HEAD_BYTES and self.first is None:
                raise malformed(f"More than {HEAD_BYTES} bytes stand before the data; send fewer options.")
        if self.first is None:
            self.head = bytes(self.buffer)
            return
        before = bytes(self.buffer[:self.first])
        names = [QUALIFIED_NAME.match(before, self.places[depth])[1] for depth in sorted(self.places, reverse=True)]
        closing = b"".join(b"</" + name + b">" for name in names)
        self.head = before + closing
        opening = b"".join(START_TAG.match(before, self.places[depth])[0] for depth in range(ENVELOPE, ENTRY))
        self.frame = (opening + before[self.places[ENTRY]:], closing)
        self._drop(self.first)

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the data, each piece of whole elements and some 256 KiB long; once, to the message's end."""
        if self.first is None:
            return
        while True:
            for cut in self.cuts:
                yield self._taken(cut)
            self.cuts.clear()
            if self.entry_end is not None:
                yield self._taken(self.entry_end)
                break
            if len(self.buffer) > HUGE_PIECE_BYTES:
                raise long_text(self.limits)
            if not self._feed():
                break
        until = self.fed + TAIL_BYTES
        while self._feed():
            self.buffer.clear()
            if self.fed > until:
                raise malformed(f"More than {TAIL_BYTES} bytes follow the data.")

    def _taken(self, end: int) -> bytes:
        piece = bytes(self.buffer[:end - self.base])
        self._drop(end)
        return piece

    def _drop(self, end: int) -> None:
        del self.buffer[:end - self.base]
        self.base = end

    def _feed(self) -> bool:
        """Parses one more block; False at the end of the message, which has been found to be complete then."""
        if self.ended:
            return False
        block = next(self.blocks, None)
        try:
            if block is not None:
                self.buffer += block
                self.fed += len(block)
                self.parser.Parse(block, False)
            else:
                self.ended = True
                self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise malformed(f"The request is not well-formed XML: line {error.lineno}, column "
                            f"{error.offset + 1}.") from None
        if self.fed - self.parser.CurrentByteIndex > TOKEN_BYTES and not self.ended:
            raise malformed(f"A tag, comment or instruction is longer than {TOKEN_BYTES} bytes.")
        return not self.ended

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        depth = self.depth
        if depth <= DATA:
            self._start_frame(name, depth)
        elif depth > self.limits.depth:
            raise malformed(f"The elements are nested deeper than {self.limits.depth}.")
        if self.elements > PIECE_ELEMENTS:
            raise malformed(f"An element of the data has more than {PIECE_ELEMENTS} elements in it.")
        if len(attributes) > self.limits.attributes:
            raise malformed(f"An element has more than {self.limits.attributes} attributes.")
        if len(name) > 2 * self.limits.name_chars:
            raise malformed(f"A name is longer than {self.limits.name_chars} characters.")

    def _start_frame(self, name: str, depth: int) -> None:
        if self.entry_end is not None:
            raise after_the_data()
        at = self.parser.CurrentByteIndex
        if depth < DATA:
            if depth == ENTRY - 1:
                self.in_body = local_name(name) == "Body"
            self.places[depth] = at
            return
        self.elements = 1
        if not self.in_body:
            return
        if self.first is None:
            if local_name(name) in self.data:
                self.first = self.last_cut = at
        elif at - self.last_cut >= PIECE_BYTES and local_name(name) in self.data:
            self.cuts.append(at)
            self.last_cut = at

    def _end(self, _name: str) -> None:
        if self.depth == ENTRY and self.first is not None:
            self.entry_end = self.parser.CurrentByteIndex
            self.parser.CharacterDataHandler = self._text
        self.depth -= 1

    def _text(self, text: str) -> None:
        """Text after the operation: blanks alone (SOAP-8)."""
        if self.depth == ENTRY - 1 and text.strip():
            raise GatewayError("INVALID_REQUEST", "The SOAP body must hold one element and no text.")

    def _doctype(self, *_declared: object) -> None:
        raise malformed("The request has a document type declaration; SOAP messages must not have one.")

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        if len(uri or "") > self.limits.name_chars or len(prefix or "") > self.limits.name_chars:
            raise malformed(f"A name is longer than {self.limits.name_chars} characters.")
        self.prefixes.add(prefix)
        if len(self.prefixes) > self.limits.stream_prefixes:
            raise malformed(f"The request declares more than {self.limits.stream_prefixes} namespace prefixes.")


def local_name(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition(SEPARATOR)[2]


def after_the_data() -> GatewayError:
    """The error for a header or a second entry behind what was stored in the belief that there is none."""
    return GatewayError("INVALID_REQUEST", "Nothing may follow the operation: the SOAP body holds one element, and the "
                                           "SOAP header with the credentials comes before it.")


class _Enough(Exception):
    """The first body entry was reached, or a document type declaration."""


def first_entry(text: bytes) -> str | None:
    """The local name of the first body entry of an envelope that begins with ``text``; None if it is not there."""
    parser = expat.ParserCreate("utf-8", SEPARATOR)
    path: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        path.append(local_name(name))
        if len(path) == ENTRY and path[1] == "Body":
            raise _Enough

    def doctype(*_declared: object) -> None:
        path.clear()
        raise _Enough

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    parser.EndElementHandler = lambda _name: path.pop()
    try:
        parser.Parse(text, False)
    except _Enough:
        return path[-1] if path else None
    except expat.ExpatError:
        pass  # said by whoever reads the message
    return None
