"""How does a document that came as text inside a message become a tree that is safe to walk?

The message around it has been read already; what is in it is as untrusted as the message was. The same reader looks
at it: no DTD, no entity, nothing fetched, bounds on everything that costs.
"""

from __future__ import annotations

import re

from lxml import etree

from gateway.spynekit.apart import in_own_thread
from gateway.spynekit.limits import MIB, Limits
from gateway.spynekit.reader import malformed, safe_tree

HEAD = re.compile("[\ufeff \t\r\n]*(?:<\\?xml[ \t\r\n][^>]*\\?>)?")
"""What may stand before the first element: a byte order mark, blanks, a declaration of whatever encoding."""

DOCUMENT = Limits(body_bytes=64 * MIB, text_chars=64 * MIB, depth=100, subject="document")


def parse_document(text: str, limits: Limits = DOCUMENT) -> etree._Element:
    """The root element of ``text``, without comments and instructions.

    The text is characters already, so the encoding that its declaration names means nothing. Lines are those of the
    text. Raises MALFORMED_REQUEST or TOO_LARGE as :func:`gateway.spynekit.reader.read_tree`.
    """
    head = HEAD.match(text)
    start = head.end() if head else 0
    data = (text[start:] if start else text).encode()
    return tree(b"\n" * text.count("\n", 0, start) + data if start else data, limits)


def parse_fragments(data: bytes, name: str, limits: Limits = DOCUMENT) -> etree._Element:
    """An element called ``name`` around the elements of ``data``, UTF-8, of which there may be any number.

    Raises as :func:`parse_document`.
    """
    head = HEAD.match(data[:1024].decode("utf-8", "ignore"))
    start = len(head[0].encode()) if head else 0
    return tree(b"<%b>%b</%b>" % (name.encode(), data[start:] if start else data, name.encode()), limits)


def tree(data: bytes, limits: Limits) -> etree._Element:
    """The root element of UTF-8 ``data`` that begins with it."""
    if not data or data.isspace():
        raise malformed(f"The {limits.subject} is empty.")
    return in_own_thread(safe_tree, data, limits)
