"""How does text become quoted-printable in pieces that can be joined in any order? (SEND-39, SEND-41)

Every piece begins at the start of a line and ends at one, with a soft line break when the text goes on. So the
fixed parts of a mailing are encoded once, and per recipient only the values between them. No line begins with a dot
or with ``From ``, which are written as =2E and =46rom: so no dot has to be stuffed (RFC 5321, 4.5.2), and no mailbox
file puts a > there, which would break a signature. For the same reason no line ends with a blank.
"""

from __future__ import annotations

import binascii
import re

from markupsafe import escape

_LINE_ENDS = re.compile(r"\r\n?")
_FAST = re.compile(r"(?!\.|From )[ -<>-~]{1,75}")  # printable ASCII without "=", on one line
_FAST_HTML = re.compile(r"(?!\.|From )[ !#-%(-;?-~]{1,75}")  # the same without what HTML escapes
_ESCAPED = re.compile("[&<>'\"]")
_UNSAFE_START = re.compile(rb"\.|From ")
_UNSAFE_LINE = re.compile(rb"^(?:\.|From |.{77}).*", re.M)
_MAX_LINE = 76

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
    return _UNSAFE_LINE.sub(_safe, out).replace(b"\n", b"\r\n").decode("ascii")


def _safe(found: re.Match[bytes]) -> bytes:
    """A line whose first character is escaped; on a line of its own where the rest would get too long for both."""
    line, before, after = found[0], b"", b""
    if len(line) > _MAX_LINE:  # binascii escapes a blank at the end of a line without a look at the line's length
        line, after = line[:-3] + b"=", b"\n" + line[-3:]
    while _UNSAFE_START.match(line):
        first, line = b"=%02X" % line[0], line[1:]
        if len(first) + len(line) <= _MAX_LINE:
            return before + first + line + after
        before += first + b"=\n"
    return before + line + after


def html_piece(text: str) -> str:
    """A value HTML-escaped, unless it is ``Markup``, and encoded as one piece."""
    if _FAST_HTML.fullmatch(text):
        return text + SOFT_BREAK
    return piece(str(escape(text)) if _ESCAPED.search(text) else text)


def squeezed(pieces: str) -> str:
    """Joined pieces as a DKIM signature sees them (RFC 6376, 3.4.4: relaxed): a run of blanks is one blank."""
    if "\t" in pieces:
        pieces = pieces.replace("\t", " ")
    while "  " in pieces:
        pieces = pieces.replace("  ", " ")
    return pieces


def plain(encoded: str) -> str:
    """The text of joined pieces, with LF line ends."""
    return binascii.a2b_qp(encoded.encode("ascii")).decode("utf-8").replace("\r\n", "\n")
