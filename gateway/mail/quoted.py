"""How does text become quoted-printable in pieces that can be joined in any order? (SEND-39, SEND-41)

Every piece begins at the start of a line and ends at one, with a soft line break when the text goes on. So the
fixed parts of a mailing are encoded once, and per recipient only the values between them.
"""

from __future__ import annotations

import binascii
import re

from markupsafe import Markup, escape

_LINE_ENDS = re.compile(r"\r\n?")
_FAST = re.compile(r"[ -<>-~]{1,75}")  # printable ASCII without "=", on one line

SOFT_BREAK = "=\r\n"


def piece(text: str) -> str:
    """``text`` as one joinable piece of lines up to 76 characters; line ends of any kind become CRLF."""
    if _FAST.fullmatch(text):
        return text + SOFT_BREAK
    if not text:
        return ""
    raw = _LINE_ENDS.sub("\n", text).encode("utf-8", "replace")
    if raw.endswith(b"\n"):
        out = binascii.b2a_qp(raw, istext=True)
    else:
        # one more character keeps room for the "=" and keeps a final blank from being taken for the line's last
        out = binascii.b2a_qp(raw + b"x", istext=True)[:-1]
        if not out.endswith(b"=\n"):
            out += b"=\n"
    return out.replace(b"\n", b"\r\n").decode("ascii")


def html_piece(value: object) -> Markup:
    """A value HTML-escaped and encoded as one piece."""
    return Markup(piece(str(escape(value))))  # noqa: S704 - escaped on the same line


def plain(encoded: str) -> str:
    """The text of joined pieces, with LF line ends."""
    return binascii.a2b_qp(encoded.encode("ascii")).decode("utf-8").replace("\r\n", "\n")
