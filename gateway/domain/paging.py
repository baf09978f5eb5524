"""How are long lists cut into pages? By key and a fixed upper bound, never by offset (SOAP-68..70)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_PAGE_SIZE, DEFAULT_PAGE_SIZE = 5000, 500
TOKEN_DAYS = 7


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What the caller asked: ``size`` 1-5,000 (None: 500) and the token of the page before."""

    size: int | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a page may hold: time in [``since``, ``upper``), key after ``after``, at most ``size``."""

    size: int
    since: dt.datetime | None
    upper: dt.datetime
    after: tuple[dt.datetime, int] | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page. ``next_token`` is None at the end; ``as_of`` is the safe next ``since``."""

    items: tuple[T, ...]
    next_token: str | None
    as_of: dt.datetime
