"""Interests as they are asked for and told (PUSH-37)."""

from __future__ import annotations

from gateway.domain.records import MAX_INTEREST
from gateway.push.schemas.common import page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Number, Text, Thing

NAME = Text("unique in the brand, in any case", MAX_INTEREST)
PUBLIC = Flag("whether people may see and choose it themselves")

INTEREST_DRAFT = Thing("InterestDraft", {"name": NAME}, {"description": Text(max_length=1000), "public": PUBLIC})

INTEREST = Thing(
    "Interest",
    {"interestId": Id(), "name": Text(), "public": Flag(), "members": Number("open memberships"),
     "sendable": Number("those of them that mail would reach"), "createdAt": Instant()},
    {"description": Text(), "integration": Text("the foreign system that it belongs to")},
    "A list that people join.")
INTEREST_PAGE = page_of(INTEREST)
