"""Is this element what the schema asks for, and if not, where and what was expected?"""

from __future__ import annotations

import itertools
import re
import threading

from lxml import etree

from gateway.errors import GatewayError
from gateway.spynekit.apart import in_own_thread
from gateway.spynekit.reader import count_elements, parser_options, xpath

WORDS_SHOWN = 40
COUNTED_SIBLINGS = 30_000_000
SCREEN_BYTES = 1024
CLARK = re.compile(r"\{[^}]*\}")
EXPECTED = re.compile(r"Expected is (?:one of )?\( ([^()]*) \)\.$")
STEP = re.compile(r"([^\[\]]+)(?:\[(\d+)\])?")
ALLOWED = re.compile(r".*not an element of the set \{(.*)\}\.$", re.DOTALL)
ATOMIC = re.compile(r".*of the (?:atomic|list|union|local atomic) type(?: '(?:xs:)?([\w.{}:/-]+)')?\.$", re.DOTALL)
LENGTH = re.compile(r".*the (allowed maximum|allowed minimum|required|allowed) length of '(\d+)'\.$", re.DOTALL)
BOUND = re.compile(r".*the (maximum|minimum) value allowed \('([^']*)'\)\.$", re.DOTALL)
LEXICAL = {"boolean": "true, false, 1 or 0", "dateTime": "an instant such as 2026-01-31T09:30:00Z",
           "date": "a day such as 2026-01-31", "int": "a whole number", "long": "a whole number",
           "integer": "a whole number", "unsignedInt": "a whole number from 0", "base64Binary": "base64",
           "nonNegativeInteger": "a whole number from 0", "decimal": "a decimal number"}
PLAIN = {"SCHEMAV_CVC_PATTERN_VALID": "text of another form",
         "SCHEMAV_CVC_ELT_3_1": "a value; nil is not allowed",
         "SCHEMAV_CVC_ELT_3_2_1": "no content beside nil",
         "SCHEMAV_CVC_TYPE_3_1_1": "no attributes",
         "SCHEMAV_CVC_TYPE_3_1_2": "text without elements",
         "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "no content",
         "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "elements without text between them",
         "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "no attributes",
         "SCHEMAV_CVC_ELT_4_2": "no xsi:type"}


class Validator:
    """One compiled schema for all threads.

    libxml2 keeps the errors of a validation in a log that belongs to the schema: without a lock, 3.8 of 100 faults
    quoted another caller's value. So there is one validation at a time, and its errors are read inside the lock.

    lxml notes the path of every error, and libxml2 counts siblings for it: 120,000 bad records took 67 s. So a
    document in which errors could cost that much is screened first, as a stream that stops at the first error.
    """

    def __init__(self, schema: etree.XMLSchema) -> None:
        self.schema = schema
        self.lock = threading.Lock()

    def check(self, element: etree._Element) -> None:
        """Raises INVALID_REQUEST that names the path of the first fault and what was expected there (SOAP-80).

        An element that is refused may have lost what comes after the fault.
        """
        if is_costly(element) and self.passes_screen(element):
            return
        with self.lock:
            try:
                if self.schema.validate(element):
                    return
                error = self.schema.error_log[0] if len(self.schema.error_log) else None
            except etree.LxmlError:
                error = None
        if error is None:
            raise GatewayError("INVALID_REQUEST", "The request could not be validated.")
        where, what = explain(error, element)
        raise GatewayError("INVALID_REQUEST", f"{where}: expected {what}.", field=where)

    def passes_screen(self, element: etree._Element) -> bool:
        """Validates a serialised copy in small pieces; cuts ``element`` off a little after the first error."""
        data = etree.tostring(element, encoding="utf-8", with_tail=False)
        fed = in_own_thread(self.first_error, data)
        if fed is None:
            return True
        cut_off(element, count_elements(data[:fed]))
        return False

    def first_error(self, data: bytes) -> int | None:
        """How many bytes of ``data`` had been read when the first error showed; None if there is none."""
        stream = etree.XMLParser(schema=self.schema, **parser_options())
        fed = 0
        try:
            while fed < len(data) and not len(stream.feed_error_log):
                stream.feed(data[fed:fed + SCREEN_BYTES])
                fed += SCREEN_BYTES
            if not len(stream.feed_error_log):
                stream.close()
                return None
        except etree.LxmlError:
            pass  # the error is found again, with its path
        return fed


def is_costly(element: etree._Element) -> bool:
    """Whether an error in every element, each with a path to be counted out, would take more than about 0.2 s."""
    count = int(xpath("count(descendant::*)")(element))
    if count * count <= COUNTED_SIBLINGS:
        return False
    return bool(element.xpath(f"boolean(descendant-or-self::*/*[{COUNTED_SIBLINGS // count + 1}])"))


def cut_off(element: etree._Element, kept: int) -> None:
    """Removes all elements after the first ``kept`` ones of ``element``, itself included, in document order."""
    last = next(itertools.islice(element.iter(), max(kept - 1, 0), None), None)
    while last is not None and last is not element:
        parent = last.getparent()
        del parent[parent.index(last) + 1:]
        last = parent


def explain(error: etree._LogEntry, element: etree._Element) -> tuple[str, str]:
    """The path of the fault below ``element`` and what the schema expects; never the value that was sent.

    libxml2's message begins with the value and ends with the schema's words, so only its end is used.
    """
    message = " ".join(error.message.split()) if len(error.message) < 100_000 else ""
    return path_of(error.path, element), expectation(error.type_name, message)


def expectation(kind: str, message: str) -> str:
    """What the schema wants, from the tail of libxml2's message."""
    if kind == "SCHEMAV_ELEMENT_CONTENT":
        match = EXPECTED.search(message)
        names = CLARK.sub("", match[1]).replace("##other", "").strip() if match else ""
        missing = "Missing child element" in message
        if not names:
            return "no element here"
        return f"{'one more element' if missing else 'another element'}: {names}"
    if kind == "SCHEMAV_CVC_ENUMERATION_VALID" and (match := ALLOWED.match(message)):
        words = match[1].replace("'", "").split(", ")
        return "one of " + ", ".join(words[:WORDS_SHOWN]) + (" and others" if len(words) > WORDS_SHOWN else "")
    if match := LENGTH.match(message):
        bound = {"allowed maximum": "at most", "allowed minimum": "at least"}.get(match[1], "exactly")
        return f"{bound} {match[2]} characters"
    if match := BOUND.match(message):
        return f"a number of at {'most' if match[1] == 'maximum' else 'least'} {match[2]}"
    if kind in PLAIN:
        return PLAIN[kind]
    if match := ATOMIC.match(message):
        name = CLARK.sub("", match[1] or "")
        return LEXICAL.get(name, f"a value of type {name}" if name else "another value")
    return "what the WSDL declares"


def path_of(path: str | None, element: etree._Element) -> str:
    """libxml2's ``/*/*[2]/t:email`` in plain names: ``ImportSubscribers/record[2]/email``, positions from one."""
    target = element
    for step in (path or "").split("/")[2:]:
        match = STEP.fullmatch(step)
        if match is None:
            break
        candidates = [child for child in target if match[1] in ("*", qualified(child))]
        position = int(match[2] or 1) - 1
        if position >= len(candidates):
            break
        target = candidates[position]
    return path_to(target, element)


def qualified(element: etree._Element) -> str:
    """The name as it stands in the document, with its prefix."""
    name = etree.QName(element).localname
    return f"{element.prefix}:{name}" if element.prefix else name


def path_to(target: etree._Element, top: etree._Element | None = None) -> str:
    """The names from ``top`` down to ``target``; without ``top``, from the child of the SOAP body or header."""
    names = []
    while target is not top and target.getparent() is not None and (top is not None or below_entry(target)):
        names.append(step_name(target))
        target = target.getparent()
    names.append(etree.QName(target).localname[:200])
    return "/".join(reversed(names))


def below_entry(element: etree._Element) -> bool:
    """Whether the element is deeper than a body entry or header block, which are the third level of an envelope."""
    return len(list(itertools.islice(element.iterancestors(), 3))) == 3


def step_name(element: etree._Element) -> str:
    """The local name, with a position when a neighbour has the same name."""
    name = etree.QName(element).localname[:200]
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    alone = not before and next(element.itersiblings(element.tag), None) is None
    return name if alone else f"{name}[{before + 1}]"
