"""How does one operation take a gigabyte in flat memory? (SOAP-41, SOAP-74, SOAP-82)

The message is cut into many small envelopes, and each of them passes the same reader, schema and limits as any other
request. The first holds the SOAP header and the options: all that is checked before a byte of the data is kept.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from lxml import etree

from gateway.errors import GatewayError
from gateway.spynekit import transport
from gateway.spynekit.cutter import Cutter, first_entry
from gateway.spynekit.limits import KIB, Limits
from gateway.spynekit.reader import BOMS, declared_charset, malformed, read_tree
from gateway.spynekit.schema import Validator
from gateway.spynekit.transport import Environ

LOOK_AHEAD_BYTES = 64 * KIB
"""The operation must begin within so many bytes of a message, else it is read as any other one."""

UTF8 = "utf-8"


class Stream:
    """The data of one call: elements of one member of the operation, in the order sent, once.

    ``head`` is the envelope without the data, ``member`` the name of the data's member or None if there is no data.
    Iterating raises what reading any request raises, with the element's place in the whole message, and ends only
    when the message was read to its end and found to be right: what was made of the elements before is void otherwise.
    An element is valid until the next one is asked for.
    """

    def __init__(self, blocks: Iterable[bytes], data: Collection[str], limits: Limits, checker: Validator) -> None:
        self.limits = limits
        self.checker = checker
        self.cutter = Cutter(blocks, data, limits)
        try:
            self.cutter.read_head()
        except BaseException:
            self.close()
            raise
        self.head = self.cutter.head
        self.member: str | None = None
        self.count = 0

    def close(self) -> None:
        """Ends the stream, wherever it is; may be repeated."""
        self.cutter.close()

    def __iter__(self) -> Iterator[etree._Element]:
        before, after = self.cutter.frame
        options = None
        for piece in self.cutter.pieces():
            if options is None:
                options = len(entry_of(read_tree(before + after, UTF8, self.limits)))
            yield from self._elements(before + piece + after, options)

    def _elements(self, document: bytes, options: int) -> Iterator[etree._Element]:
        try:
            entry = entry_of(read_tree(document, UTF8, self.limits))
            self.checker.check(entry)
        except GatewayError as error:
            raise moved(error, self.member, self.count) from None
        for element in entry[options:]:
            name = etree.QName(element).localname
            self.member = self.member or name
            if name != self.member:
                raise GatewayError("INVALID_REQUEST", f"Send either {self.member} or {name}, not both.", field=name)
            self.count += 1
            yield element


def entry_of(root: etree._Element) -> etree._Element:
    """The operation in one of the small envelopes."""
    return root[-1][0]


def moved(error: GatewayError, member: str | None, count: int) -> GatewayError:
    """``error`` with the place in the message for the place in the piece, which ``count`` elements came before."""
    where = re.match(rf"(\w+/{member})(?:\[(\d+)\])?(.*)", error.field or "") if member else None
    if where is None:
        return error
    place = f"{where[1]}[{int(where[2] or 1) + count}]{where[3]}"
    return GatewayError(error.code, error.message.replace(error.field, place, 1), field=place)


def open_stream(environ: Environ, streamed: Mapping[str, Collection[str]], limits: Limits,
                checker: Validator) -> Stream | None:
    """The stream of a request whose operation is one of ``streamed`` (operation -> members that are data).

    None for every other request, whose body is then read as usual. Raises as :class:`Stream`, for the header, the
    options and a little of the data.
    """
    if not streamed:
        return None
    head = transport.look_ahead(environ, LOOK_AHEAD_BYTES)
    _, charset = transport.media_type(environ)
    operation = operation_of(plain(head) if transport.is_gzip(environ) else head, charset, streamed)
    if operation is None:
        return None
    blocks = to_utf8(transport.blocks(environ, limits.stream_bytes), charset)
    return Stream(blocks, streamed[operation], limits, checker)


def plain(head: bytes) -> bytes:
    """What can be inflated of the first bytes of a gzip body."""
    try:
        return zlib.decompressobj(transport.GZIP_WINDOW).decompress(head, LOOK_AHEAD_BYTES)
    except zlib.error:
        return b""


def operation_of(head: bytes, charset: str | None, wanted: Collection[str]) -> str | None:
    """The one of ``wanted`` that is the operation of a message beginning with ``head``.

    Most messages hold none of the names and need no parsing to say so.
    """
    if not any(name.encode(codec) in head for name in wanted for codec in (UTF8, "utf-16-le", "utf-16-be")):
        return None
    try:
        name = first_entry(next(to_utf8([head], charset), b""))
    except GatewayError:
        return None  # said by whoever reads the message
    return name if name in wanted else None


def to_utf8(blocks: Iterable[bytes], header_charset: str | None) -> Iterator[bytes]:
    """The text of ``blocks`` in UTF-8 without byte order mark; the charset is found as for any request (SOAP-11).

    Raises MALFORMED_REQUEST for another charset or bytes that are not in it, with the line.
    """
    blocks = iter(blocks)
    head = b""
    while len(head) < 512 and (block := next(blocks, None)) is not None:
        head += block
    mark, charset = next(((mark, charset) for mark, charset in BOMS if head.startswith(mark)), (b"", None))
    head = head[len(mark):]
    charset = charset or declared_charset(head, header_charset)
    yield from with_head(head, blocks) if charset == UTF8 else recoded(with_head(head, blocks), charset)


def with_head(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """``blocks`` with ``head`` before them."""
    if head:
        yield head
    yield from blocks


def recoded(blocks: Iterable[bytes], charset: str) -> Iterator[bytes]:
    """The text of ``blocks`` in UTF-8."""
    decoder = codecs.getincrementaldecoder(charset)()
    line = 1
    try:
        for block in blocks:
            text = decoder.decode(block)
            line += text.count("\n")
            if text:
                yield text.encode()
        decoder.decode(b"", True)
    except UnicodeError:
        raise malformed(f"The request is not in its declared charset: after line {line}.") from None
