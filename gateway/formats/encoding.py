"""How do the bytes of a file become lines of text, whatever its character set? (PUSH-59)"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator

from gateway.errors import GatewayError

UNDECODABLE = "\udcff"
"""Stands in the text for bytes that mean nothing in the character set; no stored text may hold it (PUSH-6)."""

MAX_LINE = 1024 * 1024
"""Characters of one NDJSON line or CSV row (PUSH-5)."""

MAX_CHUNK = 2 * MAX_LINE
"""Characters after which a chunk of records is full, however few they are: memory stays flat with long records, too."""

UTF_16 = "utf-16"
_CODECS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "utf-16": UTF_16, "utf-16le": "utf-16-le",
           "utf-16be": "utf-16-be", "iso-8859-1": "iso-8859-1", "latin1": "iso-8859-1", "windows-1252": "cp1252",
           "cp1252": "cp1252"}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HANDLER = "gateway.undecodable"
_XML_HEAD = 256
_XML_ENCODING = re.compile(rb"""<\?xml\b[^>]{0,150}?\bencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")


class TooLong(str):
    """In place of a line over ``MAX_LINE``: nothing is kept of it but whether its quotes are odd in number."""

    __slots__ = ()


def codec_name(charset: str | None) -> str:
    """Python's name for a declared charset; None is UTF-8. Raises ``UNSUPPORTED_MEDIA_TYPE``."""
    found = _CODECS.get((charset or "utf-8").strip().strip('"').lower())
    if found is None:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", "The charset is one of UTF-8, UTF-16, ISO-8859-1 and "
                                                     "Windows-1252.", field="Content-Type")
    return found


def sniff(head: bytes, codec: str) -> tuple[str, int]:
    """The codec of a text that begins with ``head``, and the length of its mark: a BOM beats the declaration.

    UTF-16 without a mark is told from its first byte, which for any of our formats is ASCII text.
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    if codec == UTF_16:
        return ("utf-16-be" if head[:1] == b"\0" else "utf-16-le"), 0
    return codec, 0


def declared_codec(head: bytes, codec: str | None) -> str:
    """The codec of an XML document that begins with ``head``: what the request says, else what it says itself.

    UTF-16 without a mark is told from its first bytes (XML 1.0, appendix F); a declaration of UTF-16 that can be read
    as ASCII is wrong, as text writers of .NET leave it: such a document is UTF-8. Raises ``UNSUPPORTED_MEDIA_TYPE``.
    """
    if codec is not None:
        return codec_name(codec)
    if head[:4] in (b"<\0?\0", b"\0<\0?") or head[:2] in (b"<\0", b"\0<"):
        return UTF_16
    found = _XML_ENCODING.match(head)
    codec = codec_name(found[1].decode("ascii")) if found else "utf-8"
    return "utf-8" if codec.startswith(UTF_16) else codec


def decode(blocks: Iterable[bytes], charset: str | None, *, xml: bool = False) -> Iterator[str]:
    """The text of the blocks, without its mark; undecodable bytes become ``UNDECODABLE``.

    Of an ``xml`` document the declaration counts where ``charset`` is None. Raises ``UNSUPPORTED_MEDIA_TYPE`` for a
    charset that we do not know, and nothing else.
    """
    codecs.register_error(_HANDLER, _mark)
    head, decoder, needed = b"", None, _XML_HEAD if xml else 3
    codec = codec_name(charset)
    for block in blocks:
        if decoder is None:
            head += block
            if len(head) < needed and not (xml and b">" in head):
                continue
            codec = declared_codec(head, charset) if xml else codec
            decoder, block = _decoder(head, codec)
        yield decoder.decode(block)
    if decoder is None:
        codec = declared_codec(head, charset) if xml else codec
        decoder, head = _decoder(head, codec)
        yield decoder.decode(head)
    yield decoder.decode(b"", True)


def lines(texts: Iterable[str]) -> Iterator[str]:
    """The lines of the text, each with its LF; a line over ``MAX_LINE`` becomes :class:`TooLong`.

    Only LF ends a line: a CR before it stays where it is. Memory is one block and one line.
    """
    rest, dropping, odd = "", False, 0
    for text in texts:
        for line in io.StringIO(text, newline="\n"):
            ended = line[-1] == "\n"
            if rest:
                line, rest = rest + line, ""
            if dropping or len(line) > MAX_LINE:
                odd ^= line.count('"') & 1
                dropping = not ended
                if ended:
                    yield TooLong('"' if odd else "")
                    odd = 0
            elif ended:
                yield line
            else:
                rest = line
    if dropping:
        yield TooLong('"' if odd else "")
    elif rest:
        yield rest


def _decoder(head: bytes, codec: str) -> tuple[codecs.IncrementalDecoder, bytes]:
    name, mark = sniff(head, codec)
    return codecs.getincrementaldecoder(name)(_HANDLER), head[mark:]


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end
