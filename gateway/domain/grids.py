"""What may a grid be asked? Its elements, the tests on them, the order and the page (aapi.md section 7)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_ROWS = 1000
"""Rows of a page at most, and of one whose size is not named."""

COUNT = "count"
"""The element that every grid has: how many rows there are in all."""

RECENT = dt.timedelta(days=100)
"""So old are the publishings of the recent grids at most; the others have the older ones."""

FORWARDED = "forwarded"
"""The type of an event of somebody who sent a message on to a friend: ``raw`` has ``friend`` and ``message``."""

ALIASES = {"emailaddress": "email"}
"""Other names of elements, folded."""


class Kind(StrEnum):
    """How values of an element are read and compared. ``ADDRESS``: text that is stored in lower case."""

    NUMBER = "i"
    BIT = "b"
    TEXT = "t"
    ADDRESS = "a"
    REMOTE = "r"
    DATE = "d"


class Operator(StrEnum):
    """How an element is compared. EQ and NEQ take any number of values, as sets; BETWEEN takes two, both included."""

    EQ = "EQ"
    NEQ = "NEQ"
    GT = "GT"
    GTE = "GTE"
    LT = "LT"
    LTE = "LTE"
    BETWEEN = "BETWEEN"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a grid. ``conditional``: the vendor does not say that it cannot be filtered by; ``ours``: the
    vendor's table does not have it."""

    name: str
    kind: Kind
    conditional: bool = True
    ours: bool = False
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """A grid as its callers know it. ``key``: folded names of what tells rows apart; ``elements`` by folded name."""

    token: str
    key: tuple[str, ...]
    elements: Mapping[str, Element] = field(default_factory=dict)

    def find(self, name: str) -> Element | None:
        """The element of this name in any spelling; None when the grid has none."""
        folded = fold(name)
        return self.elements.get(folded) or self.elements.get(ALIASES.get(folded, folded))


@dataclass(frozen=True, slots=True)
class Test:
    """One condition; ``element`` is a folded name. A value is what its kind reads, None is NULL."""

    __test__ = False  # not a test class, whatever its name

    element: str
    kind: Kind
    operator: Operator
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """The first order of the rows; the key breaks ties."""

    element: str
    kind: Kind
    descending: bool = False


@dataclass(frozen=True, slots=True)
class GridQuery:
    """One question to one grid. ``elements``: folded names, those that the grid has, each once.

    ``start`` is the ordinal of the first row, from 1.
    """

    grid: str
    elements: tuple[str, ...]
    key: tuple[tuple[str, Kind], ...] = ()
    tests: tuple[Test, ...] = ()
    sort: Sort | None = None
    start: int = 1
    size: int = MAX_ROWS

    @property
    def only_count(self) -> bool:
        """Whether nothing but the number of rows is wanted."""
        return self.elements == (COUNT,)


@dataclass(frozen=True, slots=True)
class GridAnswer:
    """Rows of values in the order of the query's elements; of one that only counts, the number alone in ``total``."""

    rows: Sequence[Sequence[Any]] = ()
    total: int | None = None


def fold(name: str) -> str:
    """The form in which names of grids and elements are compared: without case and underscores."""
    return name.strip().replace("_", "").lower()
