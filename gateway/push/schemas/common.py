"""What stands in every answer: errors, warnings, pages, request ids (PUSH-12, PUSH-27, PUSH-30, PUSH-48)."""

from __future__ import annotations

from gateway.domain.records import STATUSES
from gateway.errors import CATALOGUE
from gateway.push.schemas.kinds import Either, Fixed, Flag, Instant, Kind, Many, Number, Text, Thing, Word

CODE = Word(tuple(CATALOGUE), "a code of the catalogue; never renamed, but new ones may come")
STATUS = Word(STATUSES, "what became of the record (PUSH-29)")
COUNTS = {"received": Number("the sum of the seven that follow"), **{word: Number() for word in STATUSES}}
REQUEST_ID = Text("equals the header X-Request-Id; quote it when you ask for help")

ERROR = Thing(
    "Error",
    {"success": Fixed(False), "count": Fixed(0), "errorMessage": Text("reason and remedy, for a person"),
     "code": CODE, "retryable": Flag("whether the same request may succeed later"), "requestId": REQUEST_ID},
    {"field": Text("the member, parameter or header at fault")},
    "A request that was refused as a whole: nothing of it was stored (PUSH-30).")

WARNING = Thing("Warning", {"code": CODE, "message": Text()}, {"field": Text()},
                "The record was stored, but its sender should look at this.")

READ = Thing("Read", {"requestId": REQUEST_ID}, about="What every answer has.")
WRITTEN = Thing("Written", {"requestId": REQUEST_ID,
                            "replayed": Flag("the stored answer to an earlier request with this Idempotency-Key")},
                about="What every answer to a write has.")


def page_of(item: Thing) -> Thing:
    """A page of a list or feed; the end is the absence of ``next`` (PUSH-48)."""
    return Thing(f"{item.name}Page",
                 {"items": Many(item), "asOf": Instant("the upper bound of all pages; the `since` of the next run")},
                 {"next": Text("the `after` of the next page; absent on the last one")})


def records_of(item: Kind, name: str, most: int) -> Either:
    """A batch: a bare array, or an object with the array in ``records``."""
    array = Many(item, most=most)
    return Either((array, Thing(name, {"records": array})))
