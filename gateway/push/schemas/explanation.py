"""How does an explanation of a person look? (PUSH-36, ID-79)"""

from __future__ import annotations

from gateway.domain import explanation as words
from gateway.domain.sync import ROW_CLASSES
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Named, Number, Text, Texts, Thing, Word

_SENTENCE = Text("the same for a person to read")

CHANGE = Thing("Change", {"name": Text()}, {"old": Text("absent where there was nothing"),
                                            "new": Text("absent where nothing is left")}, "One thing that changed.")

DECISION = Thing(
    "Decision",
    {"decisionId": Id(), "recordedAt": Instant(), "door": Text(), "actor": Text(), "status": Text(),
     "changes": Many(CHANGE), "warnings": Texts("codes")},
    {"uploadId": Id(), "row": Number("of the upload, from 1"), "line": Number("of its file"), "subscriberId": Id(),
     "remoteId": Text(), "email": Text(), "rule": Text("the rule that decided"), "meaning": Text("of the rule"),
     "code": Text(), "field": Text(), "message": Text()},
    "A stored decision about the person (ID-78).")

BLOCKER = Thing(
    "Blocker",
    {"fact": Text("opt_out, remote_flag, bad_email, orphan, invalid_address, duplicate_address, excluded_interest, "
                  "not_targeted, merged, erased; new ones may come"),
     "on": Word((words.ON_ADDRESS, words.ON_RECORD, words.ON_KEY, words.ON_NEIGHBOUR, words.ON_MAILING)),
     "sentence": _SENTENCE, "undo": Text("where it can be undone")},
    {"since": Instant(), "origin": Text("who set it"), "reason": Text(),
     "subscriberId": Id("the neighbour, or who gets the copy"), "integration": Text(), "remoteId": Text()},
    "One fact that keeps mail from the person (ID-46, ID-52).")

VERDICT = Thing(
    "Verdict",
    {"question": Word((words.SENDABLE, words.MAILING, words.INSTANCE)), "sentence": _SENTENCE,
     "blockers": Many(BLOCKER, "every fact against it now, the deciding one first")},
    {"reaches": Flag("absent while it is not decided"), "mailingId": Id(), "instanceId": Id(),
     "state": Text("of the stored delivery"), "reason": Text("why it is left out"), "code": Text(), "at": Instant()},
    "Would, or did, a mailing reach the person?")

SOURCE_VALUE = Thing("SourceValue", {"source": Text(), "value": Text(), "changedAt": Instant(), "effective": Flag()},
                     about="What one source says of a field.")
FIELD_ANSWER = Thing(
    "FieldAnswer",
    {"name": Text(), "value": Text("the one that counts"),
     "why": Word((words.ONLY_SOURCE, words.PRIORITY, words.NEWEST, words.WRITEBACK)), "sentence": _SENTENCE,
     "values": Many(SOURCE_VALUE)}, about="A field with every source's value (ID-36).")
MEMBERSHIP_FACT = Thing(
    "MembershipFact",
    {"interest": Text(), "source": Text(), "channel": Text(),
     "state": Word((words.OPEN, words.RESTING, words.ENDED, words.LEFT)), "since": Instant(), "detail": Named(Text())},
    {"until": Instant(), "beginsAt": Instant(), "endsAt": Instant()}, "A membership, ended ones too (ID-38).")
LEFT_INTEREST = Thing("LeftInterest", {"interest": Text(), "leftAt": Instant(), "origin": Text()},
                      about="An interest that the person has left (ID-39).")
LINK_FACT = Thing(
    "LinkFact", {"integration": Text(), "label": Text("what the id is called"), "remoteId": Text(),
                 "since": Instant(), "doNotEmail": Flag()}, {"endedAt": Instant(), "flaggedAt": Instant()},
    "A foreign system's id of the person, ended ones too.")
OPEN_WRITEBACK = Thing(
    "OpenWriteback", {"writebackId": Id(), "integration": Text(), "remoteId": Text(), "kind": Text(), "state": Text(),
                      "occurredAt": Instant()}, {"message": Text()}, "A fact on its way to a foreign system.")
FORECAST = Thing(
    "Forecast",
    {"integration": Text(), "remoteId": Text(), "sentence": _SENTENCE, "wouldBeOrphan": Flag(),
     "asked": Word((words.ASKED, words.DOWN, words.CALLS_US, words.NO_LOOKUP, words.BUSY)),
     "changes": Many(CHANGE), "warnings": Texts("codes")},
    {"outcome": Word((*ROW_CLASSES, words.GONE)), "rule": Text()},
    "What the next sync would make of a remote id.")

PERSON = Thing(
    "PersonAnswer",
    {"subscriberId": Id(), "mode": Word((words.REMOTE_ID, words.EMAIL_ONLY, words.IMIS_ID, words.ONE_TO_MANY)),
     "modeSentence": _SENTENCE, "status": Word(("active", "unsubscribed", "bad_email")), "sendable": Flag(),
     "source": Text(), "firstSource": Text(), "orphan": Flag(), "merged": Many(Id(), "records merged into this one"),
     "createdAt": Instant(), "changedAt": Instant(), "links": Many(LINK_FACT), "fields": Many(FIELD_ANSWER),
     "memberships": Many(MEMBERSHIP_FACT), "left": Many(LEFT_INTEREST),
     "decisions": Many(DECISION, "newest first, at most 100"), "moreDecisions": Flag("there are older ones"),
     "verdict": VERDICT, "writebacks": Many(OPEN_WRITEBACK), "nextSync": Many(FORECAST)},
    {"email": Text(), "mergedInto": Id(), "erasedAt": Instant()}, "One record, whole.")

ADDRESS = Thing(
    "AddressAnswer", {"email": Text(), "records": Number("that have it"), "erased": Flag(), "sentence": _SENTENCE},
    {"optedOutAt": Instant(), "optOutOrigin": Text(), "optOutReason": Text(), "bouncedAt": Instant(),
     "bounceCode": Text()}, "What is known of the address by itself.")
NEXT_RECORD = Thing(
    "NextRecord", {"status": Text(), "sentence": _SENTENCE},
    {"rule": Text(), "meaning": Text(), "code": Text(), "message": Text()},
    "What would become of a record that came now with these identifiers.")
ASKED = Thing("AskedIdentifier", {}, {"subscriberId": Id(), "remoteId": Text(), "email": Text()},
              "The identifiers as they were sent.")
EXPLANATION = Thing(
    "Explanation",
    {"asked": ASKED, "asOf": Instant(), "people": Many(PERSON, "everybody meant; empty when it is nobody"),
     "unmatched": Many(DECISION, "about records that came to nobody"), "moreUnmatched": Flag(), "sentence": _SENTENCE},
    {"address": ADDRESS, "nextRecord": NEXT_RECORD},
    "Who somebody is, whence each value came, which rules decided, what stands against mail, what comes next (ID-79).")
