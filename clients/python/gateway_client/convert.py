"""zeep's objects to dataclasses, and records to elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree

from gateway_client.models import (
    Audience,
    BatchResult,
    Blocker,
    Clear,
    DecisionMade,
    Delivery,
    Description,
    Event,
    ExplainedPerson,
    Explanation,
    FailedRow,
    FieldDescription,
    Happening,
    Instance,
    Interest,
    InterestChange,
    Job,
    Mailing,
    Preview,
    Record,
    RecordResult,
    Report,
    Subscriber,
    Warned,
    Writeback,
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


def result(r: Any, offset: int = 0) -> RecordResult:
    """What became of one record."""
    return RecordResult(
        index=r.index + offset, status=r.status, subscriber_id=r.subscriberId, remote_id=r.remoteId, email=r.email,
        rule=r.rule, code=r.code, field=r.field, message=r.message, warnings=warned(r.warning))


def batch(answer: Any, offset: int = 0) -> BatchResult:
    """One call's result; ``offset`` is the position of its first record among all."""
    results = tuple(result(each, offset) for each in answer.result or ())
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
    return Instance(item.instanceId, item.state, item.sendAt, warned(item.warning), item.mailingId, item.reason,
                    item.notAfter, item.finishedAt, {each.state: each.count for each in item.stateCount or ()},
                    {each.name: each.value for each in item.extra or ()})


def mailing(item: Any) -> Mailing:
    """A mailing."""
    return Mailing(item.mailingId, item.name, item.subject, item.state,
                   tuple(map(instance, item.instance or ())), warned(item.warning))


def preview(item: Any) -> Preview:
    """A preview."""
    return Preview(item.subject, item.html, item.text, item.recipients, _reasons(item.leftOut))


def audience(item: Any) -> Audience:
    """Whom a mailing would reach."""
    return Audience(item.recipients, _reasons(item.leftOut))


def report(item: Any) -> Report:
    """The figures: every whole number of the answer by its name."""
    counts = {name: value for name in dir(item)
              if isinstance(value := item[name], int) and not isinstance(value, bool)}
    return Report(counts, _reasons(item.leftOut), item.settled, tuple(item.note or ()))


def event(item: Any) -> Event:
    """An event."""
    return Event(item.eventId, item.type, item.occurredAt, item.recordedAt, item.mailingId, item.instanceId,
                 item.subscriberId, item.remoteId, item.email, item.url, item.reason, item.code, item.automated)


def job(item: Any) -> Job:
    """A bulk import."""
    return Job(
        item.jobId, item.state, *(getattr(item, name) for name in COUNTERS),
        codes={each.code: each.count for each in item.codeCount or ()}, rows_done=item.rowsDone,
        queued_at=item.queuedAt, started_at=item.startedAt, finished_at=item.finishedAt, message=item.message,
        facts={each.name: each.value for each in item.extra or ()})


def failed_row(item: Any) -> FailedRow:
    """A failed row."""
    return FailedRow(item.row, item.code, item.message, item.field, item.remoteId, item.email, item.line)


def interest_change(item: Any) -> InterestChange:
    """Somebody came or went."""
    return InterestChange(item.change, item.at, item.interest, item.subscriberId, item.email, item.source, item.origin)


def description(answer: Any) -> Description:
    """What records may hold."""
    return Description(
        answer.integration, tuple(FieldDescription(
            each.name, each.label, each.type, each.maxLength, each.editable, tuple(each.pickList or ()))
            for each in answer.field or ()),
        {each.name: each.value for each in answer.limit or ()}, answer.unknownField)


def delivery(item: Any) -> Delivery:
    """A delivery."""
    return Delivery(item.deliveryId, item.subscriberId, item.email, item.remoteId, item.state, item.reason,
                    item.attempts, item.code, item.bounceClass, item.acceptedAt, item.changedAt)


def happening(item: Any) -> Happening:
    """One thing of a history."""
    return Happening(item.kind, item.what, item.recordedAt, item.occurredAt, item.sentence, item.rule, item.code,
                     item.interest, item.mailingId, item.instanceId)


def explanation(answer: Any) -> Explanation:
    """An explanation, in short."""
    return Explanation(answer.sentence, tuple(_explained(each) for each in answer.person or ()), answer)


def writeback(item: Any) -> Writeback:
    """A writeback."""
    return Writeback(item.writebackId, item.kind, item.state, item.remoteId or "", item.email, item.occurredAt,
                     item.origin, item.reason, item.code, item.interest, item.tries, item.message)


def _explained(item: Any) -> ExplainedPerson:
    return ExplainedPerson(
        item.subscriberId, item.email, item.status, item.mode, item.verdict.reaches, item.verdict.sentence,
        tuple(Blocker(each.fact, each.sentence, each.undo) for each in item.verdict.blocker or ()),
        {each.name: each.value for each in item.field or ()},
        {each.integration: each.remoteId for each in item.link or () if each.endedAt is None},
        tuple(DecisionMade(each.recordedAt, each.status, each.rule, each.meaning, each.code)
              for each in item.decision or ()))


def _reasons(items: Any) -> dict[str, int]:
    return {item.reason: item.count for item in items or ()}
