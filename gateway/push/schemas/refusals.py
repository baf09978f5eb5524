"""The error log as it is told (PUSH-14, PUSH-44)."""

from __future__ import annotations

from gateway.domain.refusals import KINDS
from gateway.push.schemas.common import CODE, page_of
from gateway.push.schemas.jobs import JOB_PREFIX
from gateway.push.schemas.kinds import Id, Instant, Number, Text, Thing, Word

LOGGED_ERROR = Thing(
    "LoggedError",
    {"errorId": Id(), "kind": Word(KINDS, "a request that was refused as a whole, or a record that failed"),
     "recordedAt": Instant(), "actor": Text("the credentials, such as key:12"),
     "door": Text("where it came in: push, v2, soap, ..."), "code": CODE, "message": Text("reason and remedy")},
    {"operation": Text("of a request: method and path, or the SOAP operation"),
     "requestId": Text("of the request that was refused, or brought the record"),
     "jobId": Id("of a record of a bulk import", JOB_PREFIX), "row": Number("of a record: its place, from 1"),
     "line": Number("of the file, from 1"), "remoteId": Text(), "email": Text(), "field": Text()},
    "A line of the error log. Bodies are not kept.")
LOGGED_ERROR_PAGE = page_of(LOGGED_ERROR)
