"""Which grids are there, and what does each of them have? The facts are in ``catalogue.txt`` beside this file."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources

from gateway.domain.grids import Element, Kind, Shape, fold

_ELEMENT = re.compile(r"(\w+):([ibtard])([-+]?)(?:=([\w,]+))?", re.ASCII)


@functools.cache
def shapes() -> Mapping[str, Shape]:
    """Every grid by its folded token. Each has ``Count``, whether or not the vendor's table lists it."""
    text = resources.files(__package__).joinpath("catalogue.txt").read_text(encoding="utf-8")
    read = [_shape(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {fold(shape.token): shape for shape in read}


def find(token: str) -> Shape | None:
    """The grid of this token, written in any case and with or without underscores."""
    return shapes().get(fold(token))


def _shape(line: str) -> Shape:
    token, key, written = (part.strip() for part in line.split("|"))
    elements = [_element(word) for word in written.split()]
    by_name = {fold(element.name): element for element in elements}
    by_name.setdefault("count", Element("Count", Kind.NUMBER, conditional=False, ours=True))
    return Shape(token, tuple(fold(name) for name in key.split()), by_name)


def _element(word: str) -> Element:
    found = _ELEMENT.fullmatch(word)
    if found is None:
        raise ValueError(f"catalogue.txt: {word!r} is no element")
    name, kind, mark, spellings = found.groups()
    return Element(name, Kind(kind), mark != "-", mark == "+", tuple((spellings or "").split(",") if spellings else ()))
