"""How much does a foreign schema come to, when all that it is made of is written out?

Groups are made of groups, types extend types, and zeep writes them out one into the other: a page of text may come to
billions of elements.
"""

from __future__ import annotations

from collections import Counter

from lxml import etree

from gateway.bridges.port import Refused
from gateway.bridges.soap.reading import local

MAX_WHOLE = 500_000
MAX_CHAIN = 100
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_SCHEMA = f"{_XSD}schema"
_USED = {f"{_XSD}group": "ref", f"{_XSD}attributeGroup": "ref", f"{_XSD}extension": "base",
         f"{_XSD}restriction": "base"}
_TYPES = ("complexType", "simpleType", "extension", "restriction")

Part = tuple[str, str | None, str]
"""``group``, ``attributeGroup`` or ``type``; namespace; name."""


class Expansion:
    """What the schemas that were seen so far come to."""

    def __init__(self) -> None:
        self._own: Counter[Part] = Counter()
        self._used: dict[Part, Counter[Part]] = {}
        self._unnamed = 0

    def add(self, body: bytes) -> None:
        """Looks at the schemas of a document that has no document type. Raises :class:`Refused` for too much."""
        root = etree.XML(body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False,
                                               remove_comments=True, remove_pis=True))
        for schema in root.iter(_SCHEMA):
            for piece in schema:
                self._see(piece, schema.get("targetNamespace"))
        whole: dict[Part, int] = {}
        if sum(self._weight(part, whole, ()) for part in self._own) > MAX_WHOLE:
            raise Refused(f"The WSDL's schemas come to more than {MAX_WHOLE} elements, written out.")

    def _see(self, piece: etree._Element, namespace: str | None) -> None:
        self._unnamed += 1
        part = (_kind(piece), namespace, piece.get("name") or f" {self._unnamed}")
        used = self._used.setdefault(part, Counter())
        for each in piece.iter():
            self._own[part] += 1
            name = each.get(_USED[each.tag]) if each.tag in _USED else None
            if name is not None:
                prefix, _, name = name.strip().rpartition(":")
                used[(_kind(each), each.nsmap.get(prefix or None), name)] += 1

    def _weight(self, part: Part, whole: dict[Part, int], above: tuple[Part, ...]) -> int:
        if part not in self._own:  # one that was included takes the namespace of whoever includes it
            part = (part[0], None, part[2])
        if part in above or len(above) > MAX_CHAIN:
            raise Refused("The WSDL's schemas have groups or types that are made of each other without an end.")
        found = whole.get(part)
        if found is None:
            found = self._own.get(part, 0) + sum(times * self._weight(each, whole, (*above, part))
                                                 for each, times in self._used.get(part, {}).items())
            whole[part] = found
        return found


def _kind(piece: etree._Element) -> str:
    name = local(str(piece.tag))
    return "type" if name in _TYPES else name
