"""Bulk imports as they are told (push.md section 5)."""

from __future__ import annotations

from gateway.domain.records import MODES, STATUS_MODES
from gateway.domain.upload import STATES
from gateway.push.schemas.common import CODE, COUNTS, page_of
from gateway.push.schemas.kinds import Flag, Id, Instant, Named, Number, Text, Thing, Word

JOB_PREFIX = "j-"
JOB = Thing(
    "Job",
    {"jobId": Id(prefix=JOB_PREFIX), "state": Word(STATES, "see PUSH-65..71"), "mode": Word((*MODES, *STATUS_MODES)),
     "dryRun": Flag(), **COUNTS, "byCode": Named(Number(), "failed and skipped rows by code"),
     "warnings": Named(Number(), "warnings by code"), "rowsDone": Number(),
     "bytesDone": Number("bytes of the file that are done"), "bytesTotal": Number("bytes of the file, as it was sent"),
     "queuedAt": Instant(), "errorsUrl": Text(), "replayed": Flag()},
    {"startedAt": Instant(), "finishedAt": Instant("there when the job has ended"),
     "message": Text("why it was rejected, held or failed; who released it"),
     "rejectsUrl": Text("where the failed rows can be fetched as a file, once the job has ended")},
    "A bulk import.")
JOB_PAGE = page_of(JOB)

ROW_ERROR = Thing(
    "RowError", {"row": Number("counts records, from 1"), "code": CODE, "message": Text()},
    {"line": Number("counts lines of the file, from 1"), "remoteId": Text(), "email": Text(), "field": Text()},
    "One failed row (PUSH-72).")
ROW_ERROR_PAGE = page_of(ROW_ERROR)
