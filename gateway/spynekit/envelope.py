"""Which header blocks and which one body entry does an envelope hold?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from lxml import etree

from gateway.errors import GatewayError
from gateway.spynekit.faults import VERSIONS, SoapError, SoapVersion
from gateway.spynekit.limits import Limits
from gateway.spynekit.reader import malformed

XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
TRUE_WORDS = frozenset({"1", "true"})


@dataclass(frozen=True, slots=True)
class Parts:
    """An envelope taken apart."""

    headers: tuple[etree._Element, ...]
    entry: etree._Element
    """The one body entry, which names the operation."""


def take_apart(root: etree._Element, version: SoapVersion, limits: Limits) -> Parts:
    """The parts of the envelope ``root``; header and body may come in any order (xsdata sends the body first).

    Raises VersionMismatch for the other version's envelope (SOAP-7), MALFORMED_REQUEST for another document or too
    many header blocks (SOAP-77), INVALID_REQUEST unless the body holds exactly one element and no text (SOAP-8).
    """
    refuse_other_envelope(root, version)
    headers = root.findall(f"{{{version.envelope}}}Header")
    bodies = root.findall(f"{{{version.envelope}}}Body")
    if len(headers) > 1 or len(bodies) != 1:
        raise malformed("The SOAP envelope must have one Body and at most one Header.")
    blocks = tuple(headers[0][:limits.header_blocks + 1]) if headers else ()
    if len(blocks) > limits.header_blocks:
        raise malformed(f"The SOAP header has more than {limits.header_blocks} blocks.")
    return Parts(blocks, one_entry(bodies[0]))


def refuse_other_envelope(root: etree._Element, version: SoapVersion) -> None:
    """Raises unless ``root`` is the envelope of ``version``."""
    if root.tag == f"{{{version.envelope}}}Envelope":
        return
    if etree.QName(root).localname != "Envelope":
        raise malformed("The root element is not a SOAP Envelope.")
    other = next((each.name for each in VERSIONS if root.tag == f"{{{each.envelope}}}Envelope"), None)
    found = f"a SOAP {other} envelope" if other else "an envelope of an unknown namespace"
    raise SoapError("VersionMismatch", f"The content type announces SOAP {version.name} but the request is {found}.")


def one_entry(body: etree._Element) -> etree._Element:
    """The body's one child. Raises INVALID_REQUEST (SOAP-8)."""
    if len(body) != 1:
        raise GatewayError("INVALID_REQUEST", "The SOAP body must hold exactly one element, the operation.")
    entry = body[0]
    if (body.text or "").strip() or (entry.tail or "").strip():
        raise GatewayError("INVALID_REQUEST", "The SOAP body must hold one element and no text.")
    return entry


def refuse_unknown_headers(headers: Collection[etree._Element], version: SoapVersion, known: Collection[str]) -> None:
    """Raises MustUnderstand if a block that must be understood is not among ``known`` (SOAP-9).

    Actor and role are not looked at: whoever sends here means us.
    """
    attribute = f"{{{version.envelope}}}mustUnderstand"
    unknown = [block.tag for block in headers
               if block.get(attribute, "").strip() in TRUE_WORDS and block.tag not in known]
    if unknown:
        raise SoapError("MustUnderstand", "A header block that must be understood is not known here.",
                        not_understood=unknown)


def refuse_long_lists(entry: etree._Element, limits: Limits) -> None:
    """Raises TOO_MANY_RECORDS for a member that is repeated too often, before anything reads them all (SOAP-75)."""
    if len(entry) <= limits.items:
        return
    seen: Counter[str] = Counter()
    for child in entry:
        seen[child.tag] += 1
        if seen[child.tag] > limits.items:
            name = etree.QName(child).localname
            raise GatewayError("TOO_MANY_RECORDS", f"Send at most {limits.items:,} of {name} a call; "
                                                   f"{limits.bulk_path}.", field=name)


def tolerate_empty(entry: etree._Element) -> None:
    """Makes ``<Ping> </Ping>`` and ``<Ping xsi:nil="true"/>`` the empty call they mean (interop.md 3.9).

    PySimpleSOAP sends the first and SOAP::Lite the second; the schema takes neither. Changes ``entry``.
    """
    if len(entry):
        return
    entry.attrib.pop(XSI_NIL, None)
    if not (entry.text or "").strip():
        entry.text = None
