"""How do bytes from anywhere become an XML tree that is safe to walk?

The steps: find the charset, make it UTF-8, refuse a DTD, count, parse with everything external switched off, then
let XPath (C code) look for what is too wide, too deep or too long. Nothing is fetched or expanded, and no message
quotes the content.
"""

from __future__ import annotations

import codecs
import functools
import itertools
import re

from lxml import etree

from gateway.errors import GatewayError
from gateway.spynekit.apart import in_own_thread
from gateway.spynekit.limits import Limits

CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
            "iso-8859-1": "iso-8859-1", "latin1": "iso-8859-1", "windows-1252": "cp1252", "cp1252": "cp1252"}
"""The charsets we take (SOAP-11), in lower case, and Python's name for each."""

BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
WIDE_STARTS = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
DECLARATION = re.compile(rb"""<\?xml\s[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
PROLOG_PARTS = ((b"<?", b"?>"), (b"<!--", b"-->"))
BLANKS = b" \t\r\n"
BLANK_RUN = re.compile(rb"[ \t\r\n]*")
MAX_PROLOG_PARTS = 16
ATTRIBUTE = re.compile(rb"=[ \t\r\n]*[\"']")
TAG = re.compile(rb"""<(?:[^"'>]++|"[^"]*+"|'[^']*+')*+>""")
HUGE_PIECE_BYTES = 9_500_000
"""libxml2 refuses a buffer of 10,000,000 bytes with an error that does not say what was too long."""

NOT_START_TAGS = (b"</", b"<!", b"<?")
CDATA_TOO_BIG = etree.ErrorTypes.ERR_CDATA_NOT_FINISHED


def malformed(message: str) -> GatewayError:
    """The error for a request that cannot be read (SOAP-79)."""
    return GatewayError("MALFORMED_REQUEST", message)


def read_tree(body: bytes, header_charset: str | None, limits: Limits) -> etree._Element:
    """The root element of ``body``, within ``limits``.

    ``header_charset`` is the content type's ``charset`` parameter or None. The charset is taken from the byte order
    mark, else the header, else the XML declaration, else UTF-8 (RFC 7303 section 3.2).

    Raises :class:`GatewayError` MALFORMED_REQUEST (SOAP-76, SOAP-77, SOAP-79) or TOO_LARGE (SOAP-78). Nothing of the
    body outlives the tree (see :mod:`gateway.spynekit.apart`).
    """
    return in_own_thread(checked_tree, body, header_charset, limits)


def checked_tree(body: bytes, header_charset: str | None, limits: Limits) -> etree._Element:
    """The steps of :func:`read_tree`, in whichever thread."""
    data = to_utf8(body, header_charset)
    if not data.strip(BLANKS):
        raise malformed("The request has no body; send a SOAP envelope.")
    return safe_tree(data, limits)


def safe_tree(data: bytes, limits: Limits) -> etree._Element:
    """The root element of UTF-8 ``data``, counted before and looked at after parsing. Raises as :func:`read_tree`."""
    refuse_dtd(data, limits)
    if data.count(b"<") > limits.elements and count_elements(data) > limits.elements:
        raise malformed(f"The {limits.subject} has more than {limits.elements} elements; send it in smaller pieces.")
    refuse_many_attributes(data, limits)
    refuse_huge_pieces(data, limits)
    if data.count(b"xmlns") > limits.namespaces:
        refuse_namespaces(data, limits)
    root = parse(data, limits)
    refuse_shape(root, limits, may_have_long_name=has_long_name(data, limits.name_chars),
                 may_have_long_text=len(data) > limits.text_chars)
    return root


def to_utf8(body: bytes, header_charset: str | None) -> bytes:
    """``body`` in UTF-8 without byte order mark. Raises MALFORMED_REQUEST for another charset or bytes not in it."""
    mark, charset = next(((mark, charset) for mark, charset in BOMS if body.startswith(mark)), (b"", None))
    body = body[len(mark):]
    charset = charset or declared_charset(body, header_charset)
    if charset == "utf-8":
        return body  # libxml2 checks it and knows the line
    try:
        return body.decode(charset).encode()
    except UnicodeError as error:
        position = getattr(error, "start", 0)
        line, column = line_and_column(body[:position].decode(charset, "ignore"))
        raise malformed(f"The request is not in its declared charset: line {line}, column {column}.") from None


def declared_charset(body: bytes, header_charset: str | None) -> str:
    """Python's name of the charset that the header, the XML declaration or the first bytes name."""
    wide = next((charset for start, charset in WIDE_STARTS if body.startswith(start)), None)
    if header_charset is not None:
        name = header_charset
    elif wide is not None:
        return wide
    else:
        match = DECLARATION.match(body[:512])
        name = match[1].decode("ascii") if match else "utf-8"
    charset = CHARSETS.get(name.strip().lower())
    if charset is None:
        raise malformed("The charset is not supported; send UTF-8, UTF-16, ISO-8859-1 or Windows-1252.")
    if charset == "utf-16":
        return wide or "utf-16-be"  # RFC 2781 section 4.3: big-endian without a mark
    return charset


def line_and_column(text: str) -> tuple[int, int]:
    """Where the character after ``text`` stands, both counted from one."""
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def refuse_dtd(data: bytes, limits: Limits) -> None:
    """Raises MALFORMED_REQUEST if a document type declaration follows the prolog (SOAP-76), before any parsing.

    A prolog of more comments and instructions than anybody writes is refused too: two million of them took seconds.
    """
    at = 0
    for _ in range(MAX_PROLOG_PARTS + 1):
        at = BLANK_RUN.match(data, at).end()
        start, close = next((part for part in PROLOG_PARTS if data.startswith(part[0], at)), (b"", b""))
        end = data.find(close, at + len(start)) if start else -1
        if end < 0:
            break
        at = end + len(close)
    else:
        raise malformed(f"More than {MAX_PROLOG_PARTS} comments or instructions stand before the first element.")
    if data[at:at + 9].upper() == b"<!DOCTYPE":
        raise has_dtd(limits)


def has_dtd(limits: Limits) -> GatewayError:
    """The error of SOAP-76."""
    return malformed(f"The {limits.subject} has a document type declaration; it must not have one.")


def count_elements(data: bytes) -> int:
    """An upper bound of the elements in ``data``, exact but for ``<`` in CDATA sections and comments (SOAP-77)."""
    return data.count(b"<") - sum(data.count(other) for other in NOT_START_TAGS)


def refuse_many_attributes(data: bytes, limits: Limits) -> None:
    """Raises MALFORMED_REQUEST for more attributes and namespace declarations than elements are allowed (SOAP-77).

    Three million of them fit into 16 MiB and would take 700 MB. The count is exact but for ``="`` in texts.
    """
    if data.count(b"=") <= limits.elements:
        return
    if next(itertools.islice(ATTRIBUTE.finditer(data), limits.elements, None), None) is not None:
        raise malformed(f"The {limits.subject} has more than {limits.elements} attributes; send it in smaller pieces.")


def has_long_name(data: bytes, chars: int) -> bool:
    """Whether a name may be longer than ``chars``: quick to say no, also to a message that is one long text.

    From each ``<`` that is far from the next one the whole tag is looked at, and nothing of the text behind it.
    """
    long_name, at = re.compile(rb"[<\s/][^\s<>=/\"']{%d}" % (chars + 1)), data.find(b"<") + 1
    while at and len(data) - at > chars:
        following = data.rfind(b"<", at, at + chars + 1) + 1
        if not following:
            tag = TAG.match(data, at - 1)
            if tag is None or long_name.search(data, at - 1, tag.end()):
                return True
            following = data.find(b"<", tag.end()) + 1
        at = following
    return False


def refuse_huge_pieces(data: bytes, limits: Limits) -> None:
    """Raises TOO_LARGE for a tag with its following text that libxml2 would not take (SOAP-78)."""
    if is_huge(limits):
        return
    if len(data) > HUGE_PIECE_BYTES and max(map(len, data.split(b"<"))) > HUGE_PIECE_BYTES:
        raise long_text(limits)


def is_huge(limits: Limits) -> bool:
    """Whether texts are allowed that libxml2 takes only when it is told that trees may be huge. Its other bounds then
    fall too: here they are ours, and no DTD comes so far."""
    return limits.text_chars > HUGE_PIECE_BYTES


def long_text(limits: Limits) -> GatewayError:
    """The error of SOAP-78."""
    return GatewayError("TOO_LARGE", f"A text is longer than {limits.text_chars} characters; send it in pieces.")


def parser_options(**options: object) -> dict[str, object]:
    """The options of every parser here: nothing is fetched, expanded, defaulted or kept that we did not ask for."""
    return {"resolve_entities": False, "no_network": True, "load_dtd": False, "dtd_validation": False,
            "attribute_defaults": False, "huge_tree": False, "remove_comments": True, "remove_pis": True,
            "strip_cdata": True, "encoding": "utf-8", **options}


def syntax_error(error: etree.XMLSyntaxError, limits: Limits) -> GatewayError:
    """The refusal for what libxml2 did not take: line and column, never its message, which quotes names."""
    if error.code == CDATA_TOO_BIG:
        return long_text(limits)
    line, column = error.position
    return malformed(
        f"The {limits.subject} is not well-formed XML: line {max(line, 1)}, column {max(column, 1)}.")


def parse(data: bytes, limits: Limits) -> etree._Element:
    """Parses UTF-8 bytes. Raises MALFORMED_REQUEST with line and column (SOAP-79)."""
    try:
        root = etree.fromstring(data, etree.XMLParser(**parser_options(huge_tree=is_huge(limits))))
    except etree.XMLSyntaxError as error:
        raise syntax_error(error, limits) from None
    except ValueError:
        raise malformed(f"The {limits.subject} is not well-formed XML: line 1, column 1.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise has_dtd(limits)
    return root


def refuse_namespaces(data: bytes, limits: Limits) -> None:
    """Raises MALFORMED_REQUEST when too many namespace declarations are in scope at once (SOAP-77).

    The count runs while parsing and stops at the limit: with 100,000 in scope every later look at a namespace
    would be slow. Declarations repeated on many small elements are harmless and pass.
    """
    puller = etree.XMLPullParser(events=("start-ns", "end-ns"), **parser_options(huge_tree=is_huge(limits)))
    in_scope = 0
    try:
        for start in range(0, len(data), 64 * 1024):
            puller.feed(data[start:start + 64 * 1024])
            for event, _ in puller.read_events():
                in_scope += 1 if event == "start-ns" else -1
                if in_scope > limits.namespaces:
                    raise malformed(f"More than {limits.namespaces} namespaces are declared at one place.")
    except etree.XMLSyntaxError as error:
        raise syntax_error(error, limits) from None


@functools.lru_cache(maxsize=64)
def xpath(expression: str) -> etree.XPath:
    """The compiled expression."""
    return etree.XPath(expression)


def finds(expression: str, root: etree._Element) -> bool:
    """Whether the expression selects anything in the document of ``root``."""
    return xpath(f"boolean({expression})")(root)


def refuse_shape(root: etree._Element, limits: Limits, *, may_have_long_name: bool, may_have_long_text: bool) -> None:
    """Raises MALFORMED_REQUEST or TOO_LARGE for a tree that is too wide, too deep or too long (SOAP-77, SOAP-78)."""
    try:
        if finds(f"/descendant::*/@*[{limits.attributes + 1}]", root):
            raise malformed(f"An element has more than {limits.attributes} attributes.")
        if finds("/*" * (limits.depth + 1), root):
            raise malformed(f"The elements are nested deeper than {limits.depth}.")
        if may_have_long_name and finds(f"//*[string-length(name()) > {limits.name_chars}] | "
                                        f"//@*[string-length(name()) > {limits.name_chars}]", root):
            raise malformed(f"A name is longer than {limits.name_chars} characters.")
        if may_have_long_text and finds(f"//text()[string-length() > {limits.text_chars}] | "
                                        f"//@*[string-length() > {limits.text_chars}]", root):
            raise long_text(limits)
    except etree.XPathError:  # libxml2's own bound on the size of a result
        raise malformed(f"The {limits.subject} has too many elements.") from None
