"""What has the mail server answered? Replies out of a stream of bytes, never more of it in memory than a reply may be.

RFC 5321, 4.2: lines of three digits, a dash where more lines follow. A bare LF ends a line too. What is no reply
becomes one of code 0, which makes sense nowhere.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.mail.wire import reply_text

MAX_LINE_BYTES = 8192
MAX_LINES = 256
MAX_REPLY_BYTES = 65536

NONSENSE = 0

_LINE = re.compile(rb"([0-9]{3})( |-|$)")
_SIMPLE = re.compile(rb"([0-9]{3}) ([^\r\n]{0,1000})\r\n")
"""Nearly every reply: one line, which ends as lines do."""


class Reply(NamedTuple):
    """One reply; ``lines`` without code and line ends, ``code`` 0 when it was none."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def text(self) -> str:
        """The words, printable and cut, without the enhanced code that each line of some servers repeats."""
        return reply_text(b" ".join(self.lines))


class Replies:
    """Takes bytes with :meth:`feed`, gives replies with :meth:`next`."""

    __slots__ = ("_at", "_code", "_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._rest, self._at = b"", 0
        self._lines: list[bytes] = []
        self._code, self._size = NONSENSE, 0

    def feed(self, data: bytes) -> None:
        """More bytes of the stream."""
        self._rest = self._rest[self._at:] + data if self._at < len(self._rest) else data
        self._at = 0

    @property
    def pending(self) -> bool:
        """Whether the server has said more than the replies that were taken."""
        return self._at < len(self._rest) or bool(self._lines)

    def next(self) -> Reply | None:
        """The next whole reply; None when it has not arrived. A line or reply that is too long is nonsense."""
        if self._at >= len(self._rest):
            return None
        if not self._lines and (simple := _SIMPLE.match(self._rest, self._at)) is not None:
            self._at = simple.end()
            code, line = simple.groups()
            return Reply(int(code), (line,))
        while (end := self._rest.find(b"\n", self._at)) >= 0:
            line = self._rest[self._at:end].rstrip(b"\r")
            self._at = end + 1
            if len(line) > MAX_LINE_BYTES or (found := _LINE.match(line)) is None:
                return self._done(NONSENSE, line[:MAX_LINE_BYTES])
            code = int(found[1])
            if self._lines and code != self._code:
                return self._done(NONSENSE, line)
            if found[2] != b"-":
                return self._done(code, line[4:]) if self._lines else Reply(code, (line[4:],))
            self._code, self._size = code, self._size + len(line)
            self._lines.append(line[4:])
            if len(self._lines) >= MAX_LINES or self._size > MAX_REPLY_BYTES:
                return self._done(NONSENSE, b"")
        if len(self._rest) - self._at > MAX_LINE_BYTES:
            start, self._at = self._at, len(self._rest)
            return self._done(NONSENSE, self._rest[start:start + MAX_LINE_BYTES])
        return None

    def _done(self, code: int, last: bytes) -> Reply:
        lines = (*self._lines, last)
        if self._lines:
            self._lines = []
        self._size = 0
        return Reply(code, lines)
