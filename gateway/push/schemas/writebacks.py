"""Writebacks that a foreign system fetches, and what it says of them (PUSH-43)."""

from __future__ import annotations

from gateway.domain.records import FAILED, MAX_SYNC_RECORDS, UNCHANGED, UPDATED
from gateway.domain.writeback import STATES, TO_BE_WRITTEN
from gateway.push.schemas.common import CODE, COUNTS, page_of, records_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Many, Number, Text, Thing, Word

DONE, FAILED_THERE = "done", "failed"

STATE = Word((TO_BE_WRITTEN, *STATES), "`open`, the default: what is to be written now; or one state")
WRITEBACK = Thing(
    "Writeback",
    {"id": Id("stable, never used again"),
     "kind": Text("unsubscribe, resubscribe, bad_email, corrected_address, interest_left, interest_joined, "
                  "field_changed, sent, opened, clicked or bounced; new words may come"),
     "state": Word(STATES, "error: refused, tried again; failed: a person decides"), "subscriberId": Id(),
     "remoteId": Text("your own id of the person; empty if the person was erased"),
     "occurredAt": Instant("when it happened"), "recordedAt": Instant("the pages are in this order"),
     "tries": Number("how often it was refused")},
    {"email": Text("the address that the fact is about; for corrected_address the right one"),
     "origin": Text("link, one_click, form, complaint, admin, api, ...; new words may come"),
     "reason": Text("the reason given, at most 250 characters"),
     "code": Text("bad_email, bounced: the bounce's status code"),
     "bounceClass": Text("bad_email, bounced: hard, soft, block or other"), "interest": Text("the interest's name"),
     "field": Text("field_changed: the field's name"),
     "value": Text("field_changed: what it is now; absent when it was cleared, and when the writeback is settled"),
     "instanceId": Text("sent, opened, clicked, bounced: the mailing instance"), "mailing": Text("its mailing's name"),
     "link": Text("clicked: where the link leads"),
     "nextAt": Instant("of a refused one: when it is offered again"),
     "finishedAt": Instant("when it was settled, expired or closed"), "message": Text("why it was refused last")},
    "A fact that your system should know. Set its value; the same may come again.")
WRITEBACK_PAGE = page_of(WRITEBACK)

ACK = Thing(
    "WritebackAck", {"id": Id("of the writeback"),
                     "status": Word((DONE, FAILED_THERE), "failed: offered again after 5 and 30 minutes, then a person "
                                                          "decides")},
    {"message": Text("why it failed; at most 1000 characters are kept")}, "What became of a writeback in your system.",
    also={"writebackId": "id"})
"""Read one by one, as what is wrong with one fails that one alone (PUSH-11)."""

ACKS = records_of(ACK, "WritebackAcks", MAX_SYNC_RECORDS)

ACK_RESULT = Thing(
    "WritebackAckResult",
    {"index": Number("place in the request, from 0"), "status": Word((UPDATED, UNCHANGED, FAILED), "of this call: "
                                                                     "unchanged is what was said before")},
    {"id": Text("as it was sent"), "remoteId": Text(), "email": Text(), "subscriberId": Id(), "code": CODE,
     "field": Text("the member at fault"), "message": Text("reason and remedy")},
    "What an acknowledgement changed.")
ACK_REPORT = Thing(
    "WritebackAckReport",
    {"success": Flag("no acknowledgement failed"), "count": Number("acknowledgements that did not fail"),
     "errorMessage": Text('"" on success; otherwise names the first failure'), "requestId": Text(), "replayed": Flag(),
     **COUNTS, "results": Many(ACK_RESULT, "in the order sent")})
