"""How do records that came one by one in a request wait in a file until a worker has time? (SOAP-41)

One record a line, with nothing lost: what was not given, what is cleared and what is empty stay apart, and a record
that could not be read keeps its place and its problem. The format is ours alone and no door takes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.domain.records import Problem, SubscriberRecord
from gateway.formats.encoding import MAX_LINE, TooLong

MEDIA_TYPE = "application/vnd.gateway.records"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TOO_LONG = Problem("FIELD_TOO_LONG", f"The record is longer than {MAX_LINE} characters.")


def write(record: SubscriberRecord) -> bytes:
    """The line of a record as a SOAP request gives it: without groups, which no such request has."""
    line: dict[str, Any] = {}
    if record.remote_id is not None:
        line["remoteId"] = record.remote_id
    if record.email is not None:
        line["email"] = record.email
    if record.values:
        line["values"] = dict(record.values)
    if record.add_interests:
        line["add"] = record.add_interests
    if record.remove_interests:
        line["remove"] = record.remove_interests
    if record.do_not_email is not None:
        line["doNotEmail"] = record.do_not_email
    if record.problem is not None:
        line["problem"] = [record.problem.code, record.problem.message, record.problem.field]
    return _encode(line).encode() + b"\n"


def read(lines: Iterable[str]) -> Iterator[SubscriberRecord]:
    """The records of lines that :func:`write` wrote; one that is too long is a record with a problem."""
    for line in lines:
        yield SubscriberRecord(problem=_TOO_LONG) if type(line) is TooLong else _record(json.loads(line))


def _record(line: dict[str, Any]) -> SubscriberRecord:
    problem = line.get("problem")
    return SubscriberRecord(
        line.get("remoteId"), line.get("email"), line.get("values", {}), tuple(line.get("add", ())),
        tuple(line.get("remove", ())), line.get("doNotEmail"), None if problem is None else Problem(*problem))
