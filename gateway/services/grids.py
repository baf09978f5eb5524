"""What does a grid answer to a caller? Its rights, its brand, and pages that may lie far behind (aapi.md section 7)"""

from __future__ import annotations

import json
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.db.queries import batches
from gateway.db.queries.grids import engine
from gateway.db.queries.grids.engine import Boundary
from gateway.db.unit import Unit
from gateway.domain.grids import COUNT, RECENT, GridAnswer, GridQuery
from gateway.services.subscribers import brand_rank

DEEP = 5_000
"""From so many rows on, a page is found by where the one before it ended; nearer ones are counted anew each time."""

KEPT_FOR = timedelta(minutes=2)
"""Short, for the walk that goes on here may have begun anew in another process, with other rows before it."""

MOST_QUERIES, MOST_PLACES = 200, 50
VALUES = ("subscriberpersonalinformation", "subscriberdemographics")
DEFINITIONS = "personalinformation"


@dataclass(slots=True)
class Boundaries:
    """Where pages of questions that were asked lately ended, in this process alone.

    Who pages on behind :data:`DEEP` rows gets what follows the last row that he saw, even if rows came or went before
    it. One of the first pages begins anew, and a page that is asked for after :data:`KEPT_FOR` is counted to. Of a
    question the latest :data:`MOST_PLACES` are kept, room for many who page at a time.
    """

    known: OrderedDict[Hashable, dict[int, tuple[datetime, Boundary]]] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, question: Hashable, skip: int, now: datetime) -> Boundary | None:
        """Where the page ended that this one follows. From no nearer one is counted on: another process may have served
        those between, after rows came in, and rows would be left out that a count from the first row only repeats."""
        with self.lock:
            if skip < DEEP:
                self.known.pop(question, None)
                return None
            seen, place = self.known.get(question, {}).get(skip, (now, None))
            return place if now - seen <= KEPT_FOR else None

    def note(self, question: Hashable, rows: int, last: Boundary | None, now: datetime) -> None:
        """Remembers that so many rows end at this place."""
        if last is None or rows < DEEP:
            return
        with self.lock:
            places = self.known.setdefault(question, {})
            places.pop(rows, None)
            places[rows] = (now, last)
            if len(places) > MOST_PLACES:
                del places[next(iter(places))]
            self.known.move_to_end(question)
            while len(self.known) > MOST_QUERIES:
                self.known.popitem(last=False)


_BOUNDARIES: weakref.WeakKeyDictionary[Any, Boundaries] = weakref.WeakKeyDictionary()


def answer(unit: Unit, query: GridQuery) -> GridAnswer:
    """The rows of the brand that the query asks for, at most ``query.size``; beside ``Count`` their total. Reads only.

    Raises ``NOT_ALLOWED`` without the right ``report``.
    """
    unit.actor.require("report")
    query = _definitions_or_values(query)
    if not engine.is_served(unit.connection, query):
        return GridAnswer(total=0)
    parameters = _parameters(unit, query)
    if query.only_count:
        return GridAnswer(total=engine.count(unit.connection, query, parameters))
    boundaries = _BOUNDARIES.setdefault(unit.connection.engine, Boundaries())
    question = (unit.brand_id, unit.actor.integration_id, replace(query, elements=(), start=1))
    skip = query.start - 1
    boundary = boundaries.before(question, skip, unit.now)
    ahead = int(skip >= DEEP and boundary is None)  # the row before the page, so that it is found at once next time
    found = engine.rows(unit.connection, replace(query, size=query.size + ahead), parameters,
                        skip=0 if boundary is not None else skip - ahead, after=boundary)
    if ahead:
        boundaries.note(question, skip, found.first, unit.now)
    values = found.values[ahead:]
    if len(values) == query.size:  # behind a shorter one there is nothing yet; what comes in may belong before its end
        boundaries.note(question, skip + len(values), found.last, unit.now)
    return GridAnswer(values)


def _parameters(unit: Unit, query: GridQuery) -> dict[str, Any]:
    return {
        "grid_brand": unit.brand_id, "grid_now": unit.now,
        "grid_integration": unit.actor.integration_id or 0, "grid_recent_since": unit.now - RECENT,
        "grid_ranks": _ranks(unit) if query.grid in VALUES else "{}",
    }


def _ranks(unit: Unit) -> str:
    """Source id -> its place in the brand's order, equal for those that it does not tell apart (ID-36)."""
    sources = batches.sources(unit.connection, unit.brand_id)
    rank = brand_rank(unit, sources)
    places = {place: at for at, place in enumerate(sorted({rank(each) for each in sources}))}
    return json.dumps({str(each): places[rank(each)] for each in sources})


def _definitions_or_values(query: GridQuery) -> GridQuery:
    """subscriber_personal_information: the fields themselves, where nothing of a value is asked for."""
    if query.grid != VALUES[0]:
        return query
    named = {*query.elements, *(test.element for test in query.tests)} - {COUNT}
    if query.sort is not None:
        named.add(query.sort.element)
    if not named or named & OF_VALUES:
        return query
    return replace(query, grid=DEFINITIONS, key=tuple(
        ("personalinformationid", kind) for name, kind in query.key))


OF_VALUES = frozenset((
    "email", "subscriberpersonalinformationid", "subscriberid", "cancellationtypeid", "cancellationtypedescription",
    "personalinformationname", "personalinformationvalue", "userid"))
"""Elements of subscriber_personal_information that a field alone does not have."""
