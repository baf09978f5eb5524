"""How do the services' dataclasses look in the words of the contract, and the other way round?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway import clock
from gateway.domain.description import Description
from gateway.domain.events import EventView
from gateway.domain.files import MailingFile
from gateway.domain.interests import InterestChange
from gateway.domain.mailing import InstanceView, MailingDraft, MailingView, Preview, TestCopy
from gateway.domain.metrics import Report
from gateway.domain.paging import Page, PageRequest
from gateway.domain.recipients import DeliveryView
from gateway.domain.records import (
    STATUSES,
    BatchReport,
    Identifier,
    InterestView,
    Outcome,
    Problem,
    StatusEntry,
    SubscriberView,
)
from gateway.domain.upload import JobView, RowError
from gateway.domain.writeback import ERROR, Acknowledgement, WritebackView
from gateway.services.audience import AudienceCount
from gateway.soap import faults

Values = dict[str, Any]
MAX_ID = 2**63 - 1
NOBODY = 0
"""An id that no row has."""

JOB = "j-"
"""What the id of a bulk import begins with."""

# requests


def row_id(text: str | None, field: str) -> int:
    """The number of one of our ids (SOAP-28). Raises ``NOT_FOUND`` for a text that is none."""
    number = as_number(text)
    if number is None:
        raise faults.not_found(field)
    return number


def optional_id(text: str | None, field: str) -> int | None:
    """As :func:`row_id`, None for an id that was not given."""
    return None if text is None else row_id(text, field)


def as_number(text: str | None) -> int | None:
    """The number in ``text`` if it can be one of our ids."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def job_id(text: str | None) -> int:
    """The number of a bulk import. Raises ``NOT_FOUND`` for a text that is no id of one."""
    return row_id((text or "").strip().removeprefix(JOB) if (text or "").strip().startswith(JOB) else None, "jobId")


def instant_of(moment: dt.datetime | None, field: str) -> dt.datetime | None:
    """An instant in UTC, None if it was not given. Raises ``INVALID_DATE`` for one without offset (SOAP-29)."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise faults.no_offset(field)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        raise faults.out_of_range(field) from None


def page_request(request: Any) -> PageRequest:
    """The page members of a Find request (SOAP-68)."""
    return PageRequest(request.pageSize, request.pageToken)


def identifier(given: Any | None) -> Identifier | None:
    """The person meant, None if nobody was named. Raises ``INVALID_REQUEST`` for an empty identifier."""
    if given is None:
        return None
    if not (given.subscriberId or given.remoteId or given.email):
        raise faults.empty_identifier()
    return Identifier(optional_id(given.subscriberId or None, "subscriberId"), given.remoteId or None,
                      given.email or None)


def status_entry(given: Any) -> StatusEntry:
    """One line of Unsubscribe or Resubscribe; what is wrong with it is its own problem (SOAP-34)."""
    number = as_number(given.subscriberId)
    problem = None
    if given.subscriberId and number is None:
        problem = Problem("NOT_FOUND", "There is no subscriber of this id in this brand.", "subscriberId")
    return StatusEntry(Identifier(number, given.remoteId or None, given.email or None), given.reason, problem)


def member(given: Any) -> Identifier:
    """One member of an interest; an id that cannot be one of ours is one that nobody has."""
    number = as_number(given.subscriberId)
    return Identifier(NOBODY if given.subscriberId and number is None else number, given.remoteId or None,
                      given.email or None)


def acknowledgement(given: Any) -> Acknowledgement:
    """What became of one writeback; an id that cannot be one of ours is one that nobody has."""
    return Acknowledgement(as_number(given.writebackId), given.status, given.message)


DRAFT_MEMBERS = {
    "name": "name", "subject": "subject", "fromName": "from_name", "fromAddress": "from_address", "replyTo": "reply_to",
    "html": "html", "text": "text", "interest": "interests", "excludeInterest": "exclude_interests",
    "includeOrphans": "include_orphans", "trackOpens": "track_opens", "trackClicks": "track_clicks", "folder": "folder"}
"""Members of a mailing in the contract and in :class:`MailingDraft`."""

CLEARED_BY_EMPTY = frozenset({"fromName", "replyTo", "text", "folder"})
LISTS = frozenset({"interest", "excludeInterest"})


def draft(request: Any) -> MailingDraft:
    """The draft that CreateMailing asks for; what is left out takes the defaults of :class:`MailingDraft`."""
    return MailingDraft(**draft_changes(request))


def mailing_files(given: Iterable[Any]) -> tuple[MailingFile, ...]:
    """Files with their bytes."""
    return tuple(MailingFile(each.name or "", each.contentType or "", b"".join(each.data or ()), each.contentId or None)
                 for each in given)


def draft_changes(request: Any) -> dict[str, object]:
    """The members of :class:`MailingDraft` that a request gives. An empty text clears what may be absent."""
    changes: dict[str, object] = {}
    for name, ours in DRAFT_MEMBERS.items():
        value = getattr(request, name)
        if value is None:
            continue
        if name in LISTS:
            value = tuple(each for each in value if each)
        changes[ours] = None if name in CLEARED_BY_EMPTY and value == "" else value
    return changes


# answers


def warnings(problems: Iterable[Problem]) -> list[Values]:
    """Warnings of a record or a mailing."""
    return [{"code": each.code, "field": each.field, "message": each.message} for each in problems]


def outcome(given: Outcome) -> Values:
    """One result of a batch."""
    values: Values = {
        "index": given.index, "status": given.status, "subscriberId": _text(given.subscriber_id),
        "remoteId": given.remote_id, "email": given.email, "matchedBy": given.matched_by, "rule": given.rule}
    if given.problem is not None:
        values.update(code=given.problem.code, field=given.problem.field, message=given.problem.message)
    if given.warnings:
        values["warning"] = warnings(given.warnings)
    return values


def batch(report: BatchReport) -> Values:
    """The answer to a batch; ``overall`` is Failed if every record failed (SOAP-34)."""
    counters = report.counters
    overall = "OK" if not counters.failed else "Failed" if counters.failed == counters.received else "Partial"
    return {
        "overall": overall, "requestId": report.request_id, "replayed": report.replayed, "asOf": report.as_of,
        "received": counters.received, "created": counters.created, "adopted": counters.adopted,
        "updated": counters.updated, "unchanged": counters.unchanged, "skipped": counters.skipped,
        "suppressed": counters.suppressed, "failed": counters.failed, "result": map(outcome, report.outcomes)}


def job(view: JobView) -> Values:
    """A bulk import. What has no member of its own in the contract is in ``extra``."""
    counters = view.counters
    facts = {"mode": view.options.mode, "dryRun": _word(view.options.dry_run),
             **{f"warning.{code}": str(count) for code, count in sorted(counters.warnings.items())}}
    if view.replayed:
        facts["replayed"] = _word(True)
    return {
        "jobId": f"{JOB}{view.upload_id}", "state": view.state, "received": counters.received,
        **{status: getattr(counters, status) for status in STATUSES},
        "codeCount": counts(dict(sorted(counters.by_code.items())), "code"), "rowsDone": view.rows_done,
        "bytesDone": view.bytes_done, "queuedAt": view.queued_at, "startedAt": view.started_at,
        "finishedAt": view.finished_at,
        "message": None if view.message is None else faults.told(view.message),
        "extra": [{"name": name, "value": value} for name, value in facts.items()]}


def row_error(given: RowError) -> Values:
    """A failed row of a bulk import (PUSH-72)."""
    return {"row": given.row, "line": given.line, "remoteId": given.remote_id, "email": given.email,
            "code": given.code, "field": given.field, "message": given.message}


def page(given: Page[Any], item: Callable[[Any], Values], request_id: str) -> Values:
    """A page of anything."""
    return {"item": [item(each) for each in given.items], "nextToken": given.next_token, "asOf": given.as_of,
            "requestId": request_id}


def subscriber(view: SubscriberView) -> Values:
    """A person."""
    return {
        "subscriberId": str(view.subscriber_id), "email": view.email, "remoteId": view.remote_id,
        "link": [{"integration": integration, "remoteId": remote_id} for integration, remote_id in view.links],
        "status": view.status, "sendable": view.sendable, "blockedBy": view.blocked_by, "source": view.source,
        "firstSource": view.first_source, "orphan": view.orphan, "mergedInto": _text(view.merged_into),
        "field": [{"name": each.name, "value": each.value, "source": each.source, "changedAt": each.changed_at}
                  for each in view.fields],
        "interest": [{"name": each.name, "source": each.source, "since": each.since, "until": each.until}
                     for each in view.interests],
        "createdAt": view.created_at, "changedAt": view.changed_at}


def interest(view: InterestView) -> Values:
    """An interest."""
    return {"interestId": str(view.interest_id), "name": view.name, "description": view.description,
            "public": view.public, "integration": view.integration, "members": view.members,
            "sendable": view.sendable, "createdAt": view.created_at, "extra": extra(
                groupId=view.group, resolvedAt=view.resolved_at and clock.instant(view.resolved_at))}


def mailing(view: MailingView) -> Values:
    """A mailing with its instances."""
    values: Values = {name: getattr(view.draft, ours) for name, ours in DRAFT_MEMBERS.items()}
    values.update(
        mailingId=str(view.mailing_id), state=view.state, createdBy=view.created_by, createdAt=view.created_at,
        changedAt=view.changed_at, instance=[instance(each) for each in view.instances],
        warning=warnings(view.warnings), extra=[
            *extra(reviewedBy=view.reviewed_by, reviewNote=view.review_note,
                   writeActivity="true" if view.draft.writes_activity else None),
            *({"name": "file", "value": each.name} for each in view.files)])
    return values


def files(view: MailingView) -> Values:
    """What is told of a mailing's files."""
    return {"mailingId": str(view.mailing_id), "warning": warnings(view.warnings), "file": [
        {"name": each.name, "contentType": each.content_type, "contentId": each.content_id,
         "sizeBytes": each.size_bytes} for each in view.files]}


def instance(view: InstanceView) -> Values:
    """An instance of a mailing. What has no member of its own in the contract is in ``extra``."""
    return {"instanceId": str(view.instance_id), "mailingId": str(view.mailing_id), "state": view.state,
            "reason": view.reason, "sendAt": view.send_at, "notAfter": view.not_after, "createdAt": view.created_at,
            "finishedAt": view.finished_at, "stateCount": counts(view.counts, "state"),
            "warning": warnings(view.warnings), "extra": extra(
                pausedFrom=view.paused_from, audience=view.audience, spreadOver=_text(view.spread_s),
                recipients=_text(view.recipients), opensAt=view.opens_at and clock.instant(view.opens_at))}


def audience(given: AudienceCount) -> Values:
    """Whom a mailing would reach."""
    return {"recipients": given.recipients, "leftOut": counts(given.left_out, "reason")}


def preview(given: Preview) -> Values:
    """A preview."""
    return {"subject": given.subject, "html": given.html, "text": given.text, "sizeBytes": given.size_bytes,
            "recipients": given.recipients, "leftOut": counts(given.left_out, "reason"),
            "warning": warnings(given.warnings)}


def test_copy(given: TestCopy) -> Values:
    """What became of one test copy."""
    values: Values = {"address": given.address, "status": given.status}
    if given.problem is not None:
        values.update(code=given.problem.code, message=given.problem.message)
    return values


def report(given: Report) -> Values:
    """The figures of instances. Sending on and tiers of personal data are not measured yet: absent, not 0."""
    figures = given.figures()
    del figures["leftOut"]
    return {
        **figures, "mailingId": str(given.mailing_id), "instanceId": [str(each) for each in given.instance_ids],
        "settled": given.settled, "asOf": given.as_of, "leftOut": counts(given.left_out, "reason"),
        "firstOpenAt": given.opens.first_at, "firstClickAt": given.clicks.first_at, "note": given.notes,
        "extra": extra(**{f"rate:{name}": f"{count}/{whole}" for name, (count, whole) in given.rates().items()})}


def event(view: EventView) -> Values:
    """An event."""
    return {
        "eventId": str(view.event_id), "type": view.type, "occurredAt": view.occurred_at,
        "recordedAt": view.recorded_at, "mailingId": _text(view.mailing_id), "instanceId": _text(view.instance_id),
        "deliveryId": _text(view.delivery_id), "subscriberId": _text(view.subscriber_id), "remoteId": view.remote_id,
        "email": view.address, "url": view.url, "origin": view.origin, "reason": view.reason, "code": view.code,
        "automated": view.automated}


def writeback(view: WritebackView, integration: str) -> Values:
    """A writeback of this integration."""
    fact = view.fact
    return {
        "writebackId": str(view.writeback_id), "integration": integration, "kind": view.kind, "state": view.state,
        "subscriberId": str(view.subscriber_id), "remoteId": view.remote_id, "email": view.email,
        "occurredAt": view.occurred_at, "recordedAt": view.created_at, "origin": fact("origin"),
        "reason": fact("reason"), "code": fact("code"), "bounceClass": fact("bounce_class"),
        "interest": fact("interest"), "tries": view.tries, "nextAt": view.next_at if view.state == ERROR else None,
        "finishedAt": view.finished_at, "message": view.message, "extra": extra(
            field=fact("field"), value=fact("value"), instanceId=fact("instance_id"), mailing=fact("mailing"),
            link=fact("link"))}


def interest_change(given: InterestChange) -> Values:
    """Somebody joined or left an interest."""
    return {"change": given.change, "at": given.at, "interestId": str(given.interest_id), "interest": given.interest,
            "subscriberId": str(given.subscriber_id), "email": given.email, "source": given.source,
            "origin": given.origin}


def delivery(view: DeliveryView) -> Values:
    """What became of one person."""
    return {"deliveryId": str(view.delivery_id), "mailingId": str(view.mailing_id),
            "instanceId": str(view.instance_id), "subscriberId": str(view.subscriber_id), "email": view.email,
            "remoteId": view.remote_id, "state": view.state, "reason": view.reason, "attempts": view.attempt,
            "code": view.code, "statusText": view.status_text, "bounceClass": view.bounce_class,
            "firstTriedAt": view.first_tried_at, "nextAt": view.next_at, "acceptedAt": view.accepted_at,
            "changedAt": view.changed_at}


def description(given: Description) -> Values:
    """What records may hold."""
    return {"integration": given.integration, "unknownField": given.unknown_field, "limit": [
        {"name": name, "value": value} for name, value in given.limits.items()], "field": [
        {"name": each.name, "label": each.label, "type": each.kind, "maxLength": each.max_length,
         "required": each.required, "pickList": each.pick_list, "source": each.source, "editable": each.editable,
         "storage": each.storage} for each in given.fields]}


def counts(given: Mapping[str, int], word: str) -> list[Values]:
    """A list of counts by state, reason or tier."""
    return [{word: name, "count": count} for name, count in given.items()]


def extra(**facts: str | None) -> list[Values]:
    """The facts that are known, by name."""
    return [{"name": name, "value": value} for name, value in facts.items() if value is not None]


def _word(fact: bool) -> str:
    return "true" if fact else "false"


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
