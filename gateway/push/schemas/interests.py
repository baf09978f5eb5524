"""Interests as they are asked for and told (PUSH-37)."""

from __future__ import annotations

from gateway.domain.records import ADD, MAX_INTEREST, REMOVE, REPLACE_ALL
from gateway.push.schemas.common import page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Number, Text, Texts, Thing, Word

NAME = Text("unique in the brand, in any case", MAX_INTEREST)
PUBLIC = Flag("whether people may see and choose it themselves")

INTEREST_DRAFT = Thing(
    "InterestDraft", {"name": NAME},
    {"description": Text(max_length=1000), "public": PUBLIC,
     "groupId": Text("the id of a group of a foreign system, which is asked who is in it before each mailing"),
     "integration": Text("whose group, if not of the key's own")})

INTEREST_CHANGES = Thing("InterestChanges", {}, {"name": NAME, "description": Text(max_length=1000), "public": PUBLIC},
                         "What is not named, or null, is kept.")
MEMBER_CHANGES = Thing(
    "MemberChanges",
    {"mode": Word((ADD, REMOVE, REPLACE_ALL), "ReplaceAll makes the members of this integration exactly these")},
    {"remoteIds": Texts("people by your own ids"), "emails": Texts("people by their addresses")},
    "People must be known; at most 1,000 of them a call.")

INTEREST = Thing(
    "Interest",
    {"interestId": Id(), "name": Text(), "public": Flag(), "members": Number("open memberships"),
     "sendable": Number("those of them that mail would reach"), "createdAt": Instant()},
    {"description": Text(), "integration": Text("the foreign system that it belongs to"),
     "groupId": Text("the group of that system that defines who is in it"),
     "resolvedAt": Instant("when the system was last asked; the counts are of then")},
    "A list that people join.")
INTEREST_PAGE = page_of(INTEREST)
