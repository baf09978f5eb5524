"""Of which parts is a message made, and what stands between them? (SEND-41, RFC 2045, 2046, 2231, 2387, 2392)

mixed (attachments) around related (images of the HTML) around alternative (text, HTML); what has nothing in it is left
out. All is fixed when a mailing is compiled, the files' base64 too: per recipient only text and HTML are put between.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway.domain.files import MailingFile
from gateway.mail import quoted

_TEXT_PART = 'Content-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$&'()+,.;@^_`{}~-]{1,55}")
_CHUNK = 54


@dataclass(frozen=True, slots=True)
class Layout:
    """What is the same in every message: ``content_type`` is a header line, the others stand around the two texts."""

    content_type: bytes
    before_text: str
    before_html: str
    after: bytes = field(repr=False)

    def squeezed(self) -> Layout:
        """The same, of a body as :func:`quoted.squeezed` makes it."""
        return Layout(self.content_type, quoted.squeezed(self.before_text), quoted.squeezed(self.before_html),
                      quoted.squeezed(self.after.decode("ascii")).encode("ascii"))


def layout(key: str, files: Sequence[MailingFile], domain: str) -> Layout:
    """The parts around text and HTML. ``key``: letters and digits of which the boundaries are made.

    ``=_`` begins them, which neither quoted-printable nor base64 can hold. ``domain``: see :func:`content_id`.
    """
    inner = f"=_a{key}"
    content_type = _multipart("alternative", inner)
    before_text = f"--{inner}\r\n{_TEXT_PART.format('plain')}"
    before_html = f"\r\n--{inner}\r\n{_TEXT_PART.format('html')}"
    after = f"\r\n--{inner}--\r\n".encode()
    for subtype, letter, parts in (
            ("related", "r", [_part(each, domain) for each in files if each.content_id]),
            ("mixed", "m", [_part(each, domain) for each in files if not each.content_id])):
        if parts:
            outer = f"=_{letter}{key}"
            begin = f"\r\n--{outer}\r\n".encode()
            before_text = f"{begin[2:].decode()}{content_type.decode()}\r\n{before_text}"
            after = b"".join((after, *(begin + part for part in parts), f"\r\n--{outer}--\r\n".encode()))
            content_type = _multipart(subtype, outer)
    return Layout(content_type, before_text, before_html, after)


def content_id(name: str, domain: str) -> str:
    """The whole content ID of a file: ``logo`` is ``logo@domain``, for RFC 2045 wants one like a Message-ID."""
    return name if "@" in name else f"{name}@{domain}"


def _multipart(subtype: str, boundary: str) -> bytes:
    of = ' type="multipart/alternative";' if subtype == "related" else ""
    return f'Content-Type: multipart/{subtype};{of}\r\n boundary="{boundary}"\r\n'.encode()


def _part(given: MailingFile, domain: str) -> bytes:
    """One file with its headers, without the line end before the next boundary."""
    head = f"Content-Type: {given.content_type}{_charset(given)}\r\nContent-Transfer-Encoding: base64\r\n"
    if given.content_id:
        head += f"Content-ID: <{content_id(given.content_id, domain)}>\r\n"
    head += f"Content-Disposition: {'inline' if given.content_id else 'attachment'};{_filename(given.name)}\r\n\r\n"
    return head.encode("ascii") + base64.encodebytes(given.data).rstrip(b"\n").replace(b"\n", b"\r\n")


def _charset(given: MailingFile) -> str:
    """Texts without a charset would be read as ASCII."""
    if given.content_type.startswith("text/"):
        try:
            given.data.decode()
        except UnicodeDecodeError:
            return ""
        return '; charset="utf-8"'
    return ""


def _filename(name: str) -> str:
    """The parameter ``filename``, in pieces by RFC 2231 where it is long or not plain ASCII."""
    if _PLAIN_NAME.fullmatch(name):
        return f'\r\n filename="{name}"'
    encoded = "utf-8''" + quote(name, safe="", errors="replace")
    chunks = []
    while encoded:
        end = next(end for end in (_CHUNK, _CHUNK - 1, _CHUNK - 2) if "%" not in encoded[end - 2:end])
        chunks.append(encoded[:end])
        encoded = encoded[end:]
    if len(chunks) == 1:
        return f"\r\n filename*={chunks[0]}"
    return ";".join(f"\r\n filename*{number}*={chunk}" for number, chunk in enumerate(chunks))
