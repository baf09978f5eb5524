"""Do two requests say the same? Compare their canonical form (Exclusive XML Canonicalization 1.0, in C)."""

from __future__ import annotations

import re

from lxml import etree

BEFORE_START_TAG = re.compile(rb">[ \t\r\n]+<(?!/)")
BEFORE_END_TAG = re.compile(rb"(</[^>]*>)[ \t\r\n]+(?=</)")
START_PREFIX = re.compile(rb"<[^\s<>/:=\"]+:")
END_PREFIX = re.compile(rb"</[^\s<>/:=\"]+:")
TAG_WITH_ATTRIBUTES = re.compile(rb"<([^\s<>/]+)((?: [^\s<>=]+=\"[^\"]*\")+)>")
NIL = re.compile(rb" [^\s<>=\":]+:nil=\"\s*(?:true|1)\s*\"")


def canonical(entry: etree._Element) -> bytes:
    """The bytes of a valid body entry without what means nothing: blanks between elements, comments, prefixes, how
    attributes and empty elements are written, and every attribute but a true ``xsi:nil``. Blanks inside a value count.

    All its elements are of one namespace, as the schema asks for (SOAP-5), so that their local names tell all. The
    bytes are for comparing and need not be XML. In C14N no text or attribute holds a ``<``, no attribute a quote.
    """
    data = etree.tostring(entry, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    data = END_PREFIX.sub(b"</", START_PREFIX.sub(b"<", data))
    data = TAG_WITH_ATTRIBUTES.sub(bare_tag, data)
    return BEFORE_END_TAG.sub(rb"\1", BEFORE_START_TAG.sub(b"><", data))


def bare_tag(tag: re.Match[bytes]) -> bytes:
    """A start tag without attributes, marked if it says nil."""
    return b"<%s nil>" % tag[1] if NIL.search(tag[2]) else b"<%s>" % tag[1]
