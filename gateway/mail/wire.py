"""What do bytes look like on the way to a mail server, and its words on the way back? (RFC 5321)"""

from __future__ import annotations

import ipaddress
import re

MAX_REPLY_CHARS = 500
_BARE_LINE_END = re.compile(rb"\r\n|\r|\n")


def data_form(data: bytes) -> bytes:
    """The message as DATA carries it: CRLF only, dots stuffed, the final dot (RFC 5321, 4.5.2).

    A bare CR or LF would let text end the message on servers that take it for a line end.
    """
    pairs = data.count(b"\r\n")
    if data.count(b"\n") != pairs or data.count(b"\r") != pairs:
        data = _BARE_LINE_END.sub(b"\r\n", data)
    if b"\r\n." in data:
        data = data.replace(b"\r\n.", b"\r\n..")
    return b"".join((b"." if data.startswith(b".") else b"", data, b"" if data.endswith(b"\r\n") else b"\r\n",
                     b".\r\n"))


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
    text = text[:4 * MAX_REPLY_CHARS]
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:MAX_REPLY_CHARS]
