"""How does an import of a thousand records become dataclasses? By hand: five times cheaper than Spyne's objects.

The element has passed the schema by then, so names, order and the forms of booleans and enums are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.domain.records import ADD_OR_UPDATE, KEEP, ImportOptions, Problem, SubscriberRecord
from gateway.soap.types.base import NAMESPACE

XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
TRUE_WORDS = frozenset({"true", "1"})


def qualified(name: str) -> str:
    """A name of the contract as lxml writes it."""
    return f"{{{NAMESPACE}}}{name}"


RECORD, FIELD = qualified("record"), qualified("field")
REMOTE_ID, EMAIL, DO_NOT_EMAIL = qualified("remoteId"), qualified("email"), qualified("doNotEmail")
ADD_INTEREST = qualified("addInterest")


@dataclass(frozen=True, slots=True)
class ImportCall:
    """A decoded ImportSubscribers request."""

    clientRequestId: str | None  # the contract's word: every write is asked for this member
    options: ImportOptions
    records: list[SubscriberRecord]


def read_import(entry: Any) -> ImportCall:
    """The options and records of an ImportSubscribers element."""
    given: dict[str, Any] = {}
    interests: list[str] = []
    records: list[SubscriberRecord] = []
    for child in entry:
        if child.tag == RECORD:
            records.append(read_record(child))
            continue
        name = child.tag.rpartition("}")[2]
        if name == "interest":
            interests.append(child.text or "")
        else:
            given[name] = child.text or ""
    options = ImportOptions(
        mode=given.get("mode", ADD_OR_UPDATE), empty_value=given.get("emptyValue", KEEP), interests=tuple(interests),
        dry_run=is_true(given.get("dryRun", "false")), detail=given.get("detail", "All"),
        label=given.get("source", ""), integration=given.get("integration"))
    return ImportCall(given.get("clientRequestId"), options, records)


def read_record(element: Any) -> SubscriberRecord:
    """One record as it was sent. A field given twice is the record's own problem (SOAP-34)."""
    remote_id = email = do_not_email = problem = None
    values: dict[str, str | None] = {}
    add: list[str] = []
    remove: list[str] = []
    for child in element:
        tag = child.tag
        if tag == FIELD:
            name, value = child
            key = name.text or ""
            if key in values:
                problem = Problem("INVALID_VALUE", "The field is given twice; send it once.", key)
            values[key] = None if value.attrib and is_true(value.get(XSI_NIL, "")) else value.text or ""
        elif tag == EMAIL:
            email = child.text or ""
        elif tag == REMOTE_ID:
            remote_id = child.text or ""
        elif tag == DO_NOT_EMAIL:
            do_not_email = is_true(child.text)
        else:
            (add if tag == ADD_INTEREST else remove).append(child.text or "")
    return SubscriberRecord(remote_id, email, values, tuple(add), tuple(remove), do_not_email, problem)


def is_true(text: str) -> bool:
    """An xs:boolean, outer blanks allowed (SOAP-30)."""
    return text.strip() in TRUE_WORDS
