"""Do two requests say the same? Compare their canonical form (Exclusive XML Canonicalization 1.0, in C)."""

from __future__ import annotations

import re

from lxml import etree

BEFORE_START_TAG = re.compile(rb">[ \t\r\n]+<(?!/)")
BEFORE_END_TAG = re.compile(rb"(</[^>]*>)[ \t\r\n]+(?=</)")


def canonical(entry: etree._Element) -> bytes:
    """The bytes of a body entry without what means nothing: blanks between elements, comments, how attributes and
    empty elements are written. Prefixes stay as they are. Blanks inside a value count.
    """
    data = etree.tostring(entry, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    return BEFORE_END_TAG.sub(rb"\1", BEFORE_START_TAG.sub(b"><", data))
