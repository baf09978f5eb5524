"""zeep's objects to dataclasses, and records to elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree

from gateway_client.models import (
    BatchResult,
    Clear,
    Event,
    Instance,
    Interest,
    Mailing,
    Preview,
    Record,
    RecordResult,
    Report,
    Subscriber,
    Warned,
)

_T = "{urn:gateway:v1}"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
COUNTERS = ("received", "created", "adopted", "updated", "unchanged", "skipped", "suppressed", "failed")


def record_element(record: Record) -> etree._Element:
    """The ``record`` element of the contract; raises ``ValueError`` for text that XML cannot hold."""
    element = etree.Element(_T + "record")
    if record.remote_id is not None:
        etree.SubElement(element, _T + "remoteId").text = record.remote_id
    if record.email is not None:
        etree.SubElement(element, _T + "email").text = record.email
    for name, value in record.fields.items():
        field = etree.SubElement(element, _T + "field")
        etree.SubElement(field, _T + "name").text = name
        cell = etree.SubElement(field, _T + "value")
        if isinstance(value, Clear):
            cell.set(_NIL, "true")
        else:
            cell.text = value
    for tag, names in (("addInterest", record.add_interests), ("removeInterest", record.remove_interests)):
        for name in names:
            etree.SubElement(element, _T + tag).text = name
    if record.do_not_email is not None:
        etree.SubElement(element, _T + "doNotEmail").text = "true" if record.do_not_email else "false"
    return element


def warned(items: Any) -> tuple[Warned, ...]:
    """Warnings of an answer."""
    return tuple(Warned(item.code, item.message, item.field) for item in items or ())


def batch(answer: Any, offset: int = 0) -> BatchResult:
    """One call's result; ``offset`` is the position of its first record among all."""
    results = tuple(RecordResult(
        index=r.index + offset, status=r.status, subscriber_id=r.subscriberId, remote_id=r.remoteId, email=r.email,
        rule=r.rule, code=r.code, field=r.field, message=r.message, warnings=warned(r.warning))
        for r in answer.result or ())
    return BatchResult(*(getattr(answer, name) for name in COUNTERS), results)


def total(parts: Sequence[BatchResult]) -> BatchResult:
    """The sum of several calls' results."""
    sums = [sum(getattr(part, name) for part in parts) for name in COUNTERS]
    return BatchResult(*sums, tuple(result for part in parts for result in part.results))


def subscriber(item: Any) -> Subscriber:
    """A person; of several sources' values of a field the first listed is the one that counts."""
    fields: dict[str, str] = {}
    for field in item.field or ():
        if field.value is not None:
            fields.setdefault(field.name, field.value)
    return Subscriber(
        subscriber_id=item.subscriberId, email=item.email, remote_id=item.remoteId, status=item.status,
        sendable=item.sendable, blocked_by=tuple(item.blockedBy or ()), source=item.source,
        first_source=item.firstSource, fields=fields, changed_at=item.changedAt,
        interests=tuple(i.name for i in item.interest or () if i.until is None))


def interest(item: Any) -> Interest:
    """An interest."""
    return Interest(item.interestId, item.name, item.members, item.sendable)


def instance(item: Any) -> Instance:
    """A mailing instance."""
    return Instance(item.instanceId, item.state, item.sendAt, warned(item.warning))


def mailing(item: Any) -> Mailing:
    """A mailing."""
    return Mailing(item.mailingId, item.name, item.subject, item.state,
                   tuple(map(instance, item.instance or ())), warned(item.warning))


def preview(item: Any) -> Preview:
    """A preview."""
    return Preview(item.subject, item.html, item.text, item.recipients, _reasons(item.leftOut))


def report(item: Any) -> Report:
    """The figures: every whole number of the answer by its name."""
    counts = {name: value for name in dir(item)
              if isinstance(value := item[name], int) and not isinstance(value, bool)}
    return Report(counts, _reasons(item.leftOut), item.settled, tuple(item.note or ()))


def event(item: Any) -> Event:
    """An event."""
    return Event(item.eventId, item.type, item.occurredAt, item.recordedAt, item.mailingId, item.instanceId,
                 item.subscriberId, item.remoteId, item.email, item.url, item.reason, item.code, item.automated)


def _reasons(items: Any) -> dict[str, int]:
    return {item.reason: item.count for item in items or ()}
