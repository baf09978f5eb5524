"""Mailings, their reports and the events that came of them, as they are asked for and told (PUSH-38..42)."""

from __future__ import annotations

from gateway.domain.events import TYPES
from gateway.domain.mailing import AUDIENCES, DECISIONS, INSTANCE_STATES, STATES
from gateway.push.schemas.common import CODE, WARNING, page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Named, Number, Text, Texts, Thing, Word

MAX_TEST_ADDRESSES = 20
_AS_IN_SOAP = {"interest": "interests", "excludeInterest": "excludeInterests", "address": "addresses"}
FILE = Thing("MailingFile", {"name": Text("such as agenda.pdf"), "data": Text("its bytes in base64")},
             {"contentType": Text("application/octet-stream when it is not given"),
              "contentId": Text("of an image within the HTML, which shows it as cid:NAME; else it is an attachment")},
             "A file that a mailing carries.")
FILE_FACTS = Thing("FileFacts", {"name": Text(), "contentType": Text(), "sizeBytes": Number()}, {"contentId": Text()},
                   "What is told of a file of a mailing.")
_CONTENT = {"name": Text("for yourself"), "subject": Text("may hold merge tags"), "fromAddress": Text(),
            "html": Text("the message; may hold merge tags")}
_CHOICES = {
    "fromName": Text(), "replyTo": Text(), "text": Text("made from the HTML when it is not given"),
    "interests": Texts("whose members get it"), "excludeInterests": Texts("whose members do not"),
    "includeOrphans": Flag(), "trackOpens": Flag(), "trackClicks": Flag(), "folder": Text(),
    "writeActivity": Flag("systems that take it are told who got, opened and clicked it and whose copy came back"),
    "files": Many(FILE, "all of them, in their order; together up to 10 MiB as they are mailed", most=20),
}
_WHO = {"subscriberId": Id(), "remoteId": Text(), "email": Text()}

MAILING_DRAFT = Thing("MailingDraft", _CONTENT, _CHOICES, also=_AS_IN_SOAP)
MAILING_CHANGES = Thing("MailingChanges", {}, {**_CONTENT, **_CHOICES},
                        "What is not named is kept; null clears fromName, replyTo, text and folder.", also=_AS_IN_SOAP)
PERSON = Thing("Person", {}, _WHO, "The person as whom the message is looked at.", also=_AS_IN_SOAP)
TEST_REQUEST = Thing("TestRequest", {"addresses": Texts(least=1, most=MAX_TEST_ADDRESSES)}, _WHO, also=_AS_IN_SOAP)
_AGAIN = {"notAfter": Instant("later than this it is not sent any more"),
          "again": Flag("on purpose once more: the mailing has an instance already"),
          "audience": Word(AUDIENCES, "with again: whom it goes to; everybody when it is not given"),
          "spreadOver": Text("distribute it over so long: seconds, or a duration such as PT4H; a minute to 14 days")}
SCHEDULE = Thing("Schedule", {}, {
    "sendAt": Instant("when; this or sendAtLocal is needed, here or in the URL"),
    "sendAtLocal": Text("a time on the wall such as 2026-05-01T09:00"),
    "timeZone": Text("of sendAtLocal, such as Europe/Berlin; the brand's when it is not given"), **_AGAIN})
SEND = Thing("Send", {}, _AGAIN)
WHICH = Thing("WhichInstance", {}, {"instance": Id("the instance, where several have not ended")})
DECISION = Thing(
    "InDoubtDecision", {"decision": Word(DECISIONS, "resend: it may arrive twice")},
    {"deliveries": Many(Id(), "those in doubt that are decided", most=5000),
     "all": Flag("all of the instance that are in doubt"), **WHICH.optional},
    "What becomes of messages of unknown outcome. Name deliveries, or say all.")

INSTANCE = Thing(
    "Instance",
    {"instanceId": Id(), "mailingId": Id(), "state": Word(INSTANCE_STATES),
     "sendAt": Instant(), "createdAt": Instant(), "counts": Named(Number(), "deliveries by state"),
     "warnings": Many(WARNING)},
    {"reason": Text("why it is paused or cancelled"), "notAfter": Instant(), "finishedAt": Instant(),
     "pausedFrom": Text("where it goes on"), "audience": Word(AUDIENCES, "whom it goes to; absent: everybody"),
     "spreadOver": Number("seconds over which it is distributed"), "recipients": Number("how many were to be mailed"),
     "opensAt": Instant("when it goes on, while the send window is closed")},
    "One publication of a mailing.")
MAILING = Thing(
    "Mailing",
    {"mailingId": Id(), "state": Word(STATES), **_CONTENT, "interests": Texts(),
     "excludeInterests": Texts(), "includeOrphans": Flag(), "trackOpens": Flag(), "trackClicks": Flag(),
     "writeActivity": Flag(), "createdBy": Text(), "createdAt": Instant(), "changedAt": Instant(),
     "instances": Many(INSTANCE, "the newest 100, newest first"), "warnings": Many(WARNING)},
    {"fromName": Text(), "replyTo": Text(), "text": Text(), "folder": Text(),
     "reviewedBy": Text("who approved or rejected it last"), "reviewNote": Text(),
     "files": Many(FILE_FACTS)},
    "A mailing.")
MAILING_PAGE = page_of(MAILING)

PREVIEW = Thing(
    "Preview", {"subject": Text(), "html": Text(), "text": Text(), "sizeBytes": Number(), "recipients": Number(),
                "leftOut": Named(Number(), "people who would not get it, by reason"), "warnings": Many(WARNING)},
    about="The message as one person would get it, and the audience as of now.")
AUDIENCE = Thing("AudienceCount", {"recipients": Number("people who would get it now"),
                                   "leftOut": Named(Number(), "people who would not, by reason")})
DECIDED = Thing("Decided", {"decided": Number("so many were in doubt, and are no more"), "instance": INSTANCE})
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
    {"firstOpenAt": Instant(), "firstClickAt": Instant(),
     "personalisation": Named(Number(), "how many had their live fields from where, such as live:City;default:Title")},
    "The figures of an instance, or of all instances of a mailing.")

EVENT = Thing(
    "Event",
    {"eventId": Id(), "type": Word(TYPES), "occurredAt": Instant(), "recordedAt": Instant(),
     "automated": Flag("a program did it, not a person")},
    {"mailingId": Id(), "instanceId": Id(), "deliveryId": Id(), "subscriberId": Id(), "remoteId": Text(),
     "email": Text(), "url": Text(), "origin": Text(), "reason": Text(), "code": Text()},
    "Something that happened to somebody.")
EVENT_PAGE = page_of(EVENT)
