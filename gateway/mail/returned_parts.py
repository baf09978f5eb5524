"""Which parts does a mail from anywhere have? Read with limits on all that can grow, and never with an error (SEND-61)

Headers are read by the standard library. The parts are cut here, because its parser reads the whole tree, whatever
depth and number a stranger gave it, and takes an encoded delivery status for its fields.
"""

from __future__ import annotations

import binascii
import hashlib
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import HeaderParser
from email.policy import compat32

READ_BYTES = 1024 * 1024
"""A report stands before the mail that it returns, so the first MiB is enough."""
MAX_PARTS = 100
MAX_DEPTH = 10
MAX_HEAD = 64 * 1024
MAX_VALUE = 2000
MAX_LINE = 1000

_END_OF_HEAD = re.compile(rb"\r?\n[ \t]*\r?\n|\r?\n\Z")
_LINE_END = re.compile(rb"\A\r?\n")
_MBOX_LINE = re.compile(rb"\A\s*(?:From [^\r\n]{0,1000}\r?\n)?")
_WRAPPED = frozenset({"message/rfc822", "message/global"})
_PARSER = HeaderParser(policy=compat32)


@dataclass(frozen=True, slots=True)
class Part:
    """One part that has no parts: its headers, its bytes as transferred, and in how many mails it lies.

    Of ``message/rfc822`` and its like there are two: the part itself, and behind it the parts of the mail in it.
    """

    headers: Message
    kind: str
    body: bytes
    depth: int

    def header(self, name: str) -> str:
        """The value of a header in one line, encoded words read; empty when there is none."""
        return _one_line(self.headers.get(name))

    def all_headers(self, name: str) -> list[str]:
        """Every value of a header that may be repeated; at most twenty."""
        return [_one_line(value) for value in self.headers.get_all(name, [])[:20]]

    def content(self) -> bytes:
        """The bytes without their transfer encoding; what cannot be decoded is left as it is."""
        encoding = self.header("Content-Transfer-Encoding").strip().lower()
        if encoding == "base64":
            data = re.sub(rb"[^A-Za-z0-9+/]", b"", self.body)
            try:
                return binascii.a2b_base64(data[:len(data) // 4 * 4] + _last_quantum(data))
            except binascii.Error:
                return self.body
        return quopri.decodestring(self.body) if encoding == "quoted-printable" else self.body

    def text(self) -> str:
        """The content as text, in its charset or, if that is unknown or wrong, UTF-8; lines end in LF."""
        data = self.content()
        charset = self.headers.get_content_charset("utf-8") or "utf-8"
        try:
            text = data.decode(charset)
        except (LookupError, ValueError):
            text = data.decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def read(data: bytes) -> list[Part]:
    """The mail itself as the first part, with its whole body, and then its leaves in order. Never raises."""
    data = _MBOX_LINE.sub(b"", data[:READ_BYTES], count=1)
    top = _part(data, 0)
    return [top, *_Walk().leaves(top, 0)]


def head_of(data: bytes, kind: str = "message/rfc822") -> Part:
    """A mail, or what came back of its headers, read as a part."""
    headers, body = _split(data.lstrip(b"\r\n"))
    return Part(headers, kind, body, 0)


def digest(data: bytes) -> str:
    """SHA-256 of bytes whatever their line ends and outer blanks, which change on the way."""
    return hashlib.sha256(b"\n".join(line.rstrip() for line in data.strip().splitlines())).hexdigest()


def short_lines(data: bytes) -> bytes:
    """The bytes with no line longer than RFC 5322 allows: searches in endless lines take for ever."""
    return b"\n".join(line[:MAX_LINE] for line in data.splitlines())


class _Walk:
    """One walk over a mail; what is behind the last allowed part or depth is not looked at."""

    def __init__(self) -> None:
        self._left = MAX_PARTS

    def leaves(self, part: Part, level: int) -> Iterator[Part]:
        """The part itself, or those in it."""
        self._left -= 1
        boundary = part.headers.get_boundary() if part.kind.startswith("multipart/") else None
        if boundary and level < MAX_DEPTH:
            for piece in _pieces(part.body, boundary.encode("utf-8", "replace"), self._left):
                if self._left <= 0:
                    return
                yield from self.leaves(_part(piece, part.depth, within=part.kind), level + 1)
            return
        yield part
        if part.kind in _WRAPPED and level < MAX_DEPTH and self._left > 0:
            yield from self.leaves(_part(part.content(), part.depth + 1), level + 1)


def _pieces(body: bytes, boundary: bytes, limit: int) -> Iterator[bytes]:
    """The parts between the lines of a boundary; a last one that was cut off reaches to the end."""
    line = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    start: int | None = None
    for found in line.finditer(body):
        if start is not None:
            yield _LINE_END.sub(b"", body[start:found.start()], count=1)
            limit -= 1
        if found[1] or limit <= 0:
            return
        start = found.end()
    if start is not None:
        yield _LINE_END.sub(b"", body[start:], count=1)


def _part(data: bytes, depth: int, within: str = "") -> Part:
    headers, body = _split(data)
    kind = "message/rfc822" if within == "multipart/digest" and "Content-Type" not in headers else ""
    return Part(headers, kind or headers.get_content_type(), body, depth)


def _split(data: bytes) -> tuple[Message, bytes]:
    if data.startswith((b"\n", b"\r\n")):
        end, start = 0, 0  # no headers at all
    else:
        found = _END_OF_HEAD.search(data)
        end, start = (found.start(), found.end()) if found else (len(data), len(data))
    text = data[:min(end, MAX_HEAD)].decode("utf-8", "replace")  # many write their headers in bare UTF-8
    headers = _PARSER.parsestr(text.replace("\0", ""))
    for name in ("Content-Type", "Content-Disposition"):
        if len(str(headers.get(name, ""))) > MAX_VALUE:
            del headers[name]
    return headers, data[start:]


def _one_line(value: object) -> str:
    text = " ".join(str(value or "")[:MAX_VALUE].split())
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text


def _last_quantum(data: bytes) -> bytes:
    """The end of base64 whose padding was lost."""
    rest = data[len(data) // 4 * 4:]
    return rest + b"=" * (-len(rest) % 4) if len(rest) > 1 else b""
