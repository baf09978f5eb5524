"""Mailings, their reports and the events that came of them, as they are asked for and told (PUSH-38..42)."""

from __future__ import annotations

from gateway.domain.events import TYPES
from gateway.domain.mailing import CANCELLED, DRAFT, PREPARING, RELEASED, SCHEDULED, SENDING, SENT
from gateway.push.schemas.common import CODE, WARNING, page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Named, Number, Text, Texts, Thing, Word

MAX_TEST_ADDRESSES = 20
_AS_IN_SOAP = {"interest": "interests", "excludeInterest": "excludeInterests", "address": "addresses"}
_CONTENT = {"name": Text("for yourself"), "subject": Text("may hold merge tags"), "fromAddress": Text(),
            "html": Text("the message; may hold merge tags")}
_CHOICES = {
    "fromName": Text(), "replyTo": Text(), "text": Text("made from the HTML when it is not given"),
    "interests": Texts("whose members get it"), "excludeInterests": Texts("whose members do not"),
    "includeOrphans": Flag(), "trackOpens": Flag(), "trackClicks": Flag(), "folder": Text(),
}
_WHO = {"subscriberId": Id(), "remoteId": Text(), "email": Text()}

MAILING_DRAFT = Thing("MailingDraft", _CONTENT, _CHOICES, also=_AS_IN_SOAP)
MAILING_CHANGES = Thing("MailingChanges", {}, {**_CONTENT, **_CHOICES},
                        "What is not named is kept; null clears fromName, replyTo, text and folder.", also=_AS_IN_SOAP)
PERSON = Thing("Person", {}, _WHO, "The person as whom the message is looked at.", also=_AS_IN_SOAP)
TEST_REQUEST = Thing("TestRequest", {"addresses": Texts(least=1, most=MAX_TEST_ADDRESSES)}, _WHO, also=_AS_IN_SOAP)
_AGAIN = {"notAfter": Instant("later than this it is not sent any more"),
          "again": Flag("on purpose once more: the mailing has an instance already")}
SCHEDULE = Thing("Schedule", {}, {"sendAt": Instant("when; needed here or in the URL"), **_AGAIN})
SEND = Thing("Send", {}, _AGAIN)
WHICH = Thing("WhichInstance", {}, {"instance": Id("the instance, where several have not ended")})

INSTANCE = Thing(
    "Instance",
    {"instanceId": Id(), "mailingId": Id(), "state": Word((SCHEDULED, PREPARING, SENDING, SENT, CANCELLED)),
     "sendAt": Instant(), "createdAt": Instant(), "counts": Named(Number(), "deliveries by state"),
     "warnings": Many(WARNING)},
    {"reason": Text(), "notAfter": Instant(), "finishedAt": Instant()},
    "One publication of a mailing.")
MAILING = Thing(
    "Mailing",
    {"mailingId": Id(), "state": Word((DRAFT, RELEASED)), **_CONTENT, "interests": Texts(),
     "excludeInterests": Texts(), "includeOrphans": Flag(), "trackOpens": Flag(), "trackClicks": Flag(),
     "createdBy": Text(), "createdAt": Instant(), "changedAt": Instant(),
     "instances": Many(INSTANCE, "the newest 100, newest first"), "warnings": Many(WARNING)},
    {"fromName": Text(), "replyTo": Text(), "text": Text(), "folder": Text()},
    "A mailing.")
MAILING_PAGE = page_of(MAILING)

PREVIEW = Thing(
    "Preview", {"subject": Text(), "html": Text(), "text": Text(), "sizeBytes": Number(), "recipients": Number(),
                "leftOut": Named(Number(), "people who would not get it, by reason"), "warnings": Many(WARNING)},
    about="The message as one person would get it, and the audience as of now.")
TEST_COPY = Thing("TestCopy", {"address": Text(), "status": Word(("accepted", "refused", "deferred", "failed"))},
                  {"code": CODE, "message": Text()})
TEST_RESULTS = Thing("TestResults", {"results": Many(TEST_COPY)})

_FIGURES = ("targeted", "leftOut", "sent", "pending", "inDoubt", "cancelled", "bouncedHard", "bouncedSoft",
            "bouncedBlock", "bouncedOther", "delivered", "opens", "uniqueOpens", "opensAutomated",
            "uniqueOpensAutomated", "clicks", "uniqueClicks", "clicksAutomated", "uniqueClicksAutomated",
            "unsubscribed", "complaints", "optedOut")
REPORT = Thing(
    "Report",
    {"mailingId": Id(), "instanceIds": Many(Id()), "asOf": Instant(), "settled": Flag("no late figures are to come"),
     **{figure: Number() for figure in _FIGURES}, "leftOutByReason": Named(Number()),
     "rates": Named(Many(Number(), most=2), "each rate as its two counts"), "notes": Texts()},
    {"firstOpenAt": Instant(), "firstClickAt": Instant()},
    "The figures of an instance, or of all instances of a mailing.")

EVENT = Thing(
    "Event",
    {"eventId": Id(), "type": Word(TYPES), "occurredAt": Instant(), "recordedAt": Instant(),
     "automated": Flag("a program did it, not a person")},
    {"mailingId": Id(), "instanceId": Id(), "deliveryId": Id(), "subscriberId": Id(), "remoteId": Text(),
     "email": Text(), "url": Text(), "origin": Text(), "reason": Text(), "code": Text()},
    "Something that happened to somebody.")
EVENT_PAGE = page_of(EVENT)
