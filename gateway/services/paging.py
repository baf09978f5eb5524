"""Which rows may this page hold, and with what token does the next one come? (SOAP-68..70, PUSH-48)"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from gateway.clock import UTC, instant
from gateway.db.queries import feeds
from gateway.db.unit import Unit
from gateway.domain.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, TOKEN_DAYS, Page, PageRequest, Window
from gateway.domain.tokens import seal, unseal
from gateway.errors import GatewayError

T = TypeVar("T")
PURPOSE = "page"


def open_window(unit: Unit, operation: str, wanted: Any, request: PageRequest) -> Window:
    """The window of this page. ``wanted`` is the filter dataclass with ``since`` and ``until``.

    The first page fixes the upper bound; later ones take it from the token. Raises ``INVALID_TOKEN``
    for a token that is damaged, expired or of another query, ``INVALID_VALUE`` for a bad page size.
    """
    size = DEFAULT_PAGE_SIZE if request.size is None else request.size
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise GatewayError("INVALID_VALUE", f"A page has 1 to {MAX_PAGE_SIZE} rows.", field="pageSize")
    since, until = getattr(wanted, "since", None), getattr(wanted, "until", None)
    if request.token:
        payload = unseal(unit.keys, PURPOSE, request.token, unit.now)
        if payload is None or payload.get("q") != _query_hash(unit, operation, wanted):
            raise GatewayError("INVALID_TOKEN", "The page token is damaged, expired or belongs to another query. "
                                                "Start again without a token.", field="pageToken")
        return Window(size, since, _moment(payload["u"]), (_moment(payload["t"]), int(payload["i"])))
    upper = feeds.upper_bound(unit.connection, unit.now)
    return Window(size, since, upper if until is None else min(until, upper), None)


def close_page(unit: Unit, operation: str, wanted: Any, window: Window, rows: Sequence[T],
               key: Callable[[T], tuple[dt.datetime, int]]) -> Page[T]:
    """The page of ``rows`` (at most ``window.size + 1``; the extra one only says that there are more)."""
    items = tuple(rows[:window.size])
    token = None
    if len(rows) > window.size:
        at, row_id = key(items[-1])
        payload = {"q": _query_hash(unit, operation, wanted), "u": instant(window.upper), "t": instant(at),
                   "i": row_id}
        token = seal(unit.keys, PURPOSE, payload, unit.now + dt.timedelta(days=TOKEN_DAYS))
    return Page(items, token, window.upper)


def _query_hash(unit: Unit, operation: str, wanted: Any) -> str:
    text = json.dumps([unit.brand_id, operation, asdict(wanted)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(UTC)
