"""What can be read of an envelope that was refused, also of a broken one? (``/diagnose``)"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

_DECLARATION = re.compile(r"\A\ufeff?\s*<\?xml[^>]*\?>")
MAX_DEPTH = 100


class Outlined(NamedTuple):
    """An element or attribute: its line, its path of local names, and its own text without blanks around it."""

    line: int
    path: str
    value: str


def outline(text: str, most: int = 300, value_chars: int = 200) -> tuple[list[Outlined], tuple[int, str] | None]:
    """The elements and attributes of ``text`` in order, at most ``most``; and where it is not well-formed: the line
    and what the parser says. A text that is itself a document, as in the AAPI, is outlined below its element.

    Entities are not resolved and nothing is fetched. Never raises.
    """
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    declared = _DECLARATION.match(text)
    begins = declared[0].count("\n") if declared else 0
    content = "\n" * begins + (text[declared.end():] if declared else text)
    try:
        root = etree.fromstring(content.lstrip("\ufeff").encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    first = next(iter(parser.error_log), None)
    broken = (first.line, first.message) if first is not None else None
    found: list[Outlined] = []
    if root is not None:
        for each in _walk(root, _local(root.tag), value_chars, 0):
            if len(found) == most:
                break
            found.append(each)
    return found, broken


def _walk(node: etree._Element, path: str, value_chars: int, depth: int) -> Iterator[Outlined]:
    text = (node.text or "").strip()
    inner = _inner(text)
    yield Outlined(node.sourceline or 0, path, "(a document, see below)" if inner is not None else text[:value_chars])
    for name, value in node.attrib.items():
        yield Outlined(node.sourceline or 0, f"{path}/@{_local(name)}", value[:value_chars])
    if depth == MAX_DEPTH:
        return
    if inner is not None:
        for each in inner:
            yield Outlined((node.sourceline or 1) + each.line - 1, f"{path}/{each.path}", each.value)
    children = [child for child in node if isinstance(child.tag, str)]
    counts = Counter(_local(child.tag) for child in children)
    met: Counter[str] = Counter()
    for child in children:
        name = _local(child.tag)
        met[name] += 1
        step = f"{name}[{met[name]}]" if counts[name] > 1 else name
        yield from _walk(child, f"{path}/{step}", value_chars, depth + 1)


def _local(name: str) -> str:
    """Without its namespace, or the prefix of one that is not declared."""
    return name.rpartition("}")[2].rpartition(":")[2]


def _inner(text: str) -> list[Outlined] | None:
    return outline(text)[0] if text.lstrip("\ufeff").startswith("<") else None
