"""Groups of foreign systems, orphans and comparisons as they are asked for and told."""

from __future__ import annotations

from gateway.domain.orphans import REASONS
from gateway.domain.reconcile import EVERYBODY, GROUP, KINDS, LISTED, MEANT, PERSON, SYNC, WRITEBACK
from gateway.domain.sync import ENDED
from gateway.push.schemas.common import page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Number, Text, Thing, Word

REMOTE_GROUP = Thing(
    "RemoteGroup", {"groupId": Text("the system's own id"), "name": Text()},
    {"size": Number("how many are in it, if the system says so"), "interestId": Id("it is this interest already"),
     "interest": Text("that interest's name"), "resolvedAt": Instant("when it was last asked who is in it"),
     "gone": Flag("the system does not offer it any more; its name is the interest's then"),
     "lastState": Text("how the last reading ended, such as success, failed or held, or running; new words may come"),
     "lastMessage": Text("why, for a person"), "lastReadAt": Instant("when that was begun")},
    "A group, list or saved search of a foreign system.")
REMOTE_GROUPS = Thing("RemoteGroups", {"items": Many(REMOTE_GROUP, "in the system's order")})

RESOLVING = Thing("Resolving", {}, {"release": Flag("lets go of the brake; an administrator's act")})
RESOLUTION = Thing(
    "GroupResolution",
    {"interestId": Id(), "interest": Text(),
     "state": Word(ENDED, "partial: the system broke off, and nobody was taken out; held: by the brake"),
     "members": Number("people of the group who are in the interest"), "joined": Number("who were not before"),
     "left": Number("who were in it and are not any more"),
     "optedOut": Number("who left the interest by their own act and stay out"),
     "rejected": Number("who were not taken, for example for a bad address")},
    {"message": Text("why, for a person")}, "How the reading of a group ended.")

REMEDY = Thing("OrphanRemedy",
               {"remedy": Text("join, comes_back, other_record, include or erase; new words may come"),
                "message": Text()}, {"operation": Text("what does it")})
ORPHAN = Thing(
    "Orphan",
    {"subscriberId": Id(), "reason": Word(tuple(REASONS), "how the last link ended"), "message": Text("as a sentence"),
     "remedies": Many(REMEDY, "what can be done, the likeliest first")},
    {"email": Text("the last address"), "integration": Text("the system of the last link"),
     "remoteId": Text("the id there"), "endedAt": Instant("when the link ended")},
    "A person whose last link ended: kept, and not mailed unless a mailing includes orphans.")
ORPHAN_PAGE = page_of(ORPHAN)

COUNT = Thing("DifferenceCount", {"kind": Word(KINDS), "reason": Text("new words may come"), "count": Number()})
COMPARED = Thing(
    "ComparedList",
    {"name": Text("the interest, or members for everybody"), "subject": Word((EVERYBODY, LISTED, GROUP)),
     "agrees": Flag("nothing differs"), "there": Number("people in it there"),
     "here": Number("people in it here, through this system"),
     "others": Number("people in it here through others only"), "differences": Many(COUNT)},
    {"note": Text("what to know of it")}, "How one list compares.")
DIFFERENCE = Thing(
    "Difference",
    {"list": Text("in which list"), "kind": Word(KINDS), "reason": Text("new words may come"),
     "mendedBy": Word((SYNC, WRITEBACK, PERSON, MEANT), "the next sync, a writeback that waits, somebody's decision; "
                                                        "or it is meant so"), "message": Text("for a person")},
    {"remoteId": Text(), "subscriberId": Id(), "there": Text("what the system says"), "here": Text("what is stored")},
    "A person of whom both sides do not say the same.")
RECONCILIATION = Thing(
    "Reconciliation",
    {"integration": Text(), "state": Word(("agrees", "differs")), "lists": Many(COMPARED),
     "people": Many(DIFFERENCE, "if names were asked for"), "complete": Flag("everybody who differs is named"),
     "startedAt": Instant(), "finishedAt": Instant()}, about="How a foreign system compares with what is stored.")
