"""What do bytes look like on the way to a mail server, and its words on the way back? (RFC 5321)"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

MAX_REPLY_CHARS = 500
_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF_OR_DOT = re.compile(rb"\n(?:(?<!\r\n)|\.)")
_ANY_LINE_END = re.compile(rb"\r\n|\r|\n")


FINAL_DOT = b".\r\n"


class DataForm(NamedTuple):
    """A message as DATA carries it: CRLF only, dots stuffed, the final dot (RFC 5321, 4.5.2).

    A bare CR or LF, or a dot at the start of a line, would let text end the message. The client trusts this type and
    looks no further, so it is made in two places: by :func:`data_form` from any bytes, and by ``mail/message.py``,
    whose messages are so by the way in which they are written. ``size_bytes``: of the message (RFC 1870).
    """

    wire: bytes
    size_bytes: int


def data_form(data: bytes) -> DataForm:
    """Any bytes as a message on the wire; its line ends become CRLF."""
    if _BARE_CR.search(data) or _BARE_LF_OR_DOT.search(data):
        data = _ANY_LINE_END.sub(b"\r\n", data)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    stuffed = data.replace(b"\r\n.", b"\r\n..") if b"\r\n." in data else data
    return DataForm(b"".join((b"." if data.startswith(b".") else b"", stuffed, FINAL_DOT)), len(data))


def helo_name(host: str) -> str:
    """How we name ourselves to EHLO: a domain in ASCII, or an address in brackets (RFC 5321, 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode()
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def reply_text(reply: bytes | str) -> str:
    """A server's words, whatever bytes it sent; see :func:`printable`."""
    return printable(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply))


def printable(text: str) -> str:
    """One line of at most 500 printable characters; servers put anything into their replies."""
    if len(text) <= MAX_REPLY_CHARS and text.isprintable() and "  " not in text:
        return text.strip()
    text = text[:4 * MAX_REPLY_CHARS]
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:MAX_REPLY_CHARS]
