"""What does a foreign XML document hold, and how does none of them hang us or fill the memory?

Answers are read here and not by zeep: it goes round for ever where a schema repeats a sequence that an element does not
fit, and takes time by the square of an answer with choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree

from gateway.bridges.port import Outage, Refused

MAX_DEPTH = 60
MAX_ELEMENTS = 500_000
"""Elements and attributes of one document."""

ATTRIBUTE = "@"
"""Before the name of an attribute among the children of an element."""

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_NIL = _XSI + "nil"


@dataclass(slots=True)
class Node:
    """An element, by its name without the namespace. ``children``: name -> those of this name, in order."""

    name: str
    text: str = ""
    children: dict[str, list[Node]] = field(default_factory=dict)
    is_nil: bool = False

    def is_leaf(self) -> bool:
        """Whether it has no elements within; attributes may be there."""
        return all(name.startswith(ATTRIBUTE) for name in self.children)

    def is_empty(self) -> bool:
        """Whether it says nothing at all."""
        return self.is_nil or (not self.children and not self.text.strip())

    def first(self, *names: str) -> Node | None:
        """The first element down this way."""
        node: Node | None = self
        for name in names:
            node = None if node is None else next(iter(node.children.get(name, ())), None)
        return node


class Limits:
    """What a parser tells of a document, in flat memory: no document type, neither too deep nor too much."""

    def __init__(self) -> None:
        self.elements = 0
        self._depth = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self.elements += 1 + len(attributes)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Refused(f"What the system sends is nested more than {MAX_DEPTH} levels deep.")
        if self.elements > MAX_ELEMENTS:
            raise Refused(f"What the system sends has more than {MAX_ELEMENTS} elements. Ask for smaller pages.")

    def end(self, tag: str) -> None:
        """An element ends."""
        self._depth -= 1

    def data(self, text: str) -> None:
        """Text within an element."""

    def doctype(self, *_names: object) -> None:
        """A document type: entities, and addresses to fetch. No SOAP message may have one."""
        raise Outage("The system sends XML with a document type, which is not read.")

    def close(self) -> object:
        """The document is over."""
        return None


class _Tree(Limits):
    """Makes the nodes of a document."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[tuple[Node, list[str]]] = []
        self._root: tuple[str, Node] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        super().start(tag, attributes)
        node = Node(local(tag), is_nil=attributes.get(_NIL, "").strip() in ("true", "1") if attributes else False)
        for name, value in attributes.items():
            if not name.startswith(_XSI):
                named = ATTRIBUTE + local(name)
                node.children[named] = [Node(named, value)]
        if self._open:
            self._open[-1][0].children.setdefault(node.name, []).append(node)
        else:
            self._root = (tag, node)
        self._open.append((node, []))

    def end(self, tag: str) -> None:
        super().end(tag)
        node, pieces = self._open.pop()
        node.text = "".join(pieces)

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def close(self) -> tuple[str, Node] | None:
        return self._root


def read_tree(body: bytes) -> tuple[str, Node]:
    """The root's whole name and the root of a document.

    Raises :class:`Outage` for what is no XML to its end or has a document type, :class:`Refused` for what is too much.
    """
    root = _parsed(body, _Tree())
    if root is None:
        raise Outage("What the system sends is not XML.")
    return root


def count(body: bytes) -> int:
    """How many elements and attributes a document has, read in flat memory. Raises as :func:`read_tree` does."""
    limits = Limits()
    _parsed(body, limits)
    return limits.elements


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _parsed(body: bytes, target: Limits) -> object:
    parser = etree.XMLParser(target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
                             remove_comments=True, remove_pis=True)
    try:
        return etree.XML(body, parser)
    except (etree.LxmlError, ValueError, LookupError):  # LookupError: an encoding that nobody knows
        raise Outage("What the system sends is not XML, or not to its end.") from None
