"""Records of people: what comes, what became of each, how a stored person looks (PUSH-27, PUSH-35, 36, 49)."""

from __future__ import annotations

from gateway.domain.records import MAX_SYNC_RECORDS
from gateway.push.schemas.common import CODE, COUNTS, STATUS, WARNING, page_of, records_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Named, Number, Text, Texts, Thing, Word

REMOTE_ID = Text("your own id of the person; keeps its digits")
EMAIL = Text("the address")

RECORD_INTERESTS = Thing("RecordInterests", {}, {"add": Texts("joined"), "remove": Texts("left")}, lenient=True)
RECORD = Thing(
    "Record", {},
    {"remoteId": REMOTE_ID, "email": EMAIL,
     "fields": Named(Text(), "values by name of the field; null clears, what is not named is kept"),
     "interests": RECORD_INTERESTS,
     "doNotEmail": Flag("the sender's own word that the person gets no mail; silence keeps what is known")},
    "One person; remoteId or email is needed. Unknown members are a warning, never an error (PUSH-10).", lenient=True)
"""Read by ``domain.mapping.record_of``, as what is wrong with one record fails that record alone (PUSH-11)."""

RECORDS = records_of(RECORD, "Records", MAX_SYNC_RECORDS)

ENTRY = Thing(
    "StatusEntry", {},
    {"subscriberId": Id("our id of the person"), "remoteId": REMOTE_ID, "email": EMAIL,
     "reason": Text("kept with the act; resubscribe needs it")},
    "Whom the act is about; one identifier is needed (PUSH-35).", lenient=True)
"""Read by ``domain.mapping.entry_of``: a wish to get no more mail must not fail over an unknown member."""

ENTRIES = records_of(ENTRY, "StatusEntries", MAX_SYNC_RECORDS)

OPT_OUT = Thing(
    "OptOut", {},
    {"subscriberId": Id("our id of the person"), "remoteId": REMOTE_ID, "email": EMAIL,
     "reason": Text("kept with the act; rejoin needs it"),
     "interests": Texts("the interests that this is about; not needed with ?interest=")},
    "Who leaves which interests, or comes back; one identifier is needed (PUSH-35).", lenient=True)
OPT_OUTS = records_of(OPT_OUT, "OptOuts", MAX_SYNC_RECORDS)

OUTCOME = Thing(
    "Outcome",
    {"index": Number("place in the request, from 0"), "status": STATUS, "warnings": Many(WARNING)},
    {"remoteId": Text(), "email": Text(), "subscriberId": Id(), "rule": Text("the rule that decided, such as ID-13"),
     "matchedBy": Word(("remoteId", "email"), "how a stored person was found"), "code": CODE,
     "field": Text("the member at fault"), "message": Text("reason and remedy")},
    "What became of one record.")

BATCH = Thing(
    "BatchReport",
    {"success": Flag("no record failed"), "count": Number("records that did not fail"),
     "errorMessage": Text('"" on success; otherwise names the first failure'), "requestId": Text(), "replayed": Flag(),
     "dryRun": Flag("nothing was stored"), **COUNTS, "results": Many(OUTCOME, "in the order sent, as `detail` says")},
    about="The answer to a synchronous batch (PUSH-27): HTTP 200 says that it was understood; read `success`.")

LINK = Thing("Link", {"integration": Text(), "remoteId": Text()}, about="A foreign system's id of the person.")
FIELD_VALUE = Thing("FieldValue", {"name": Text(), "source": Text(), "changedAt": Instant()}, {"value": Text()},
                    "A value and where it came from.")
MEMBERSHIP = Thing("Membership", {"name": Text(), "source": Text(), "since": Instant()}, {"until": Instant()},
                   "A membership of an interest.")
SUBSCRIBER = Thing(
    "Subscriber",
    {"subscriberId": Id(), "links": Many(LINK), "status": Word(("active", "unsubscribed", "bad_email")),
     "sendable": Flag("whether mail would reach the person"), "blockedBy": Texts("the facts that block mail"),
     "source": Text(), "firstSource": Text(), "orphan": Flag(), "fields": Many(FIELD_VALUE),
     "interests": Many(MEMBERSHIP), "createdAt": Instant(), "changedAt": Instant()},
    {"email": Text(), "remoteId": Text("this integration's id of the person"), "mergedInto": Id()},
    "A person, with values and memberships by source.")
SUBSCRIBER_PAGE = page_of(SUBSCRIBER)
