"""Syncs of foreign systems as they are asked for and told (ID-66..72)."""

from __future__ import annotations

from gateway.domain.sync import STATES
from gateway.push.schemas.common import page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Named, Number, Text, Thing, Word

STATE = Word(STATES, "held: by the brake, nothing was applied; requested: a worker will take it")
WISH = Thing(
    "SyncWish", {},
    {"full": Flag("read everybody, not only what changed; default false"),
     "preview": Flag("answer what a run would do now, with some people as examples, and store nothing"),
     "release": Flag("lets go of the brake; an administrator's act")}, "How to sync.")
SAMPLE = Thing("SyncSample", {}, {"remoteId": Text("the id there"), "email": Text(), "detail": Text()},
               "One person as an example of a count.")
RUN = Thing(
    "SyncRun",
    {"integration": Text(), "state": STATE, "full": Flag("everybody was read, not only what changed"),
     "startedAt": Instant("when it began, or was asked for"),
     "counts": Named(Number(), "read is the sum of new, changed, adopted, revived, unchanged, ended, conflicting and "
                               "rejected; the others happened beside; none before it ends")},
    {"runId": Id("a preview has none"), "trigger": Text("schedule, hand, mailing or folder; new words may come"),
     "requestedBy": Text("who asked for it"), "releasedBy": Text("who let go of the brake"),
     "instanceId": Id("the mailing instance before which it ran"), "finishedAt": Instant(),
     "message": Text("why it ended so, for a person"),
     "samples": Named(Many(SAMPLE), "of a preview, and of a held run till the next one ends: people by count"),
     "statusUrl": Text("where to ask how it goes")},
    "A sync of one integration.")
RUN_PAGE = page_of(RUN)
