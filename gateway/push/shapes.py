"""How do the dataclasses of the services look as JSON? What is not known is absent, never null (PUSH-27, PUSH-48)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from gateway import clock
from gateway.domain.events import EventView
from gateway.domain.mailing import InstanceView, MailingView, Preview, TestCopy
from gateway.domain.metrics import HitCounts, Report
from gateway.domain.paging import Page
from gateway.domain.records import STATUSES, BatchReport, Counters, InterestView, Outcome, Problem, SubscriberView
from gateway.domain.refusals import ErrorView
from gateway.domain.upload import JobView, RowError
from gateway.domain.writeback import ERROR, WritebackView
from gateway.push.answers import BASE
from gateway.services.audience import AudienceCount

T = TypeVar("T")
Json = dict[str, Any]

DRAFT_MEMBERS = {
    "name": "name", "subject": "subject", "fromName": "from_name", "fromAddress": "from_address", "replyTo": "reply_to",
    "html": "html", "text": "text", "interests": "interests", "excludeInterests": "exclude_interests",
    "includeOrphans": "include_orphans", "trackOpens": "track_opens", "trackClicks": "track_clicks", "folder": "folder",
    "writeActivity": "writes_activity",
}
"""Members of a mailing in JSON and in ``MailingDraft`` (SOAP-54; lists in the plural as everywhere in JSON)."""


def known(**members: Any) -> Json:
    """The members that have a value; instants in the form of PUSH-7."""
    return {name: clock.instant(value) if isinstance(value, dt.datetime) else value
            for name, value in members.items() if value is not None}


def page(given: Page[T], item: Callable[[T], Json]) -> Json:
    """A feed or list (PUSH-48): the end is the absence of ``next``."""
    return known(items=[item(each) for each in given.items], next=given.next_token, asOf=given.as_of)


def problems(given: Iterable[Problem]) -> list[Json]:
    """Warnings."""
    return [known(code=each.code, field=each.field, message=each.message) for each in given]


def batch(report: BatchReport) -> Json:
    """The answer to a synchronous batch (PUSH-27); ``errorMessage`` names the first failure."""
    counters = report.counters
    return {"success": counters.failed == 0, "count": counters.received - counters.failed,
            "errorMessage": _error_message(counters, report.outcomes), "requestId": report.request_id,
            "replayed": report.replayed, "dryRun": report.dry_run, **_counts(counters),
            "results": [outcome(each) for each in report.outcomes]}


def outcome(given: Outcome) -> Json:
    """One record's result."""
    problem = given.problem or Problem("", "")
    return known(
        index=given.index, remoteId=given.remote_id, email=given.email, status=given.status,
        subscriberId=_id(given.subscriber_id), rule=given.rule, matchedBy=given.matched_by, code=problem.code or None,
        field=problem.field, message=problem.message or None, warnings=problems(given.warnings))


def writeback(view: WritebackView) -> Json:
    """A writeback for the system that fetches it."""
    return known(
        id=str(view.writeback_id), kind=view.kind, state=view.state, subscriberId=str(view.subscriber_id),
        remoteId=view.remote_id, email=view.email, occurredAt=view.occurred_at, recordedAt=view.created_at,
        origin=view.fact("origin"), reason=view.fact("reason"), code=view.fact("code"),
        bounceClass=view.fact("bounce_class"), interest=view.fact("interest"), field=view.fact("field"),
        value=view.fact("value"), instanceId=view.fact("instance_id"), mailing=view.fact("mailing"),
        link=view.fact("link"), tries=view.tries,
        nextAt=view.next_at if view.state == ERROR else None, finishedAt=view.finished_at, message=view.message)


def acknowledged(report: BatchReport, ids: Sequence[str | None]) -> Json:
    """The answer to acknowledgements, each result with the id that was sent."""
    answer = batch(report)
    del answer["dryRun"]
    answer["results"] = [known(id=ids[each["index"]], **{name: value for name, value in each.items()
                                                         if name not in ("warnings", "rule")})
                         for each in answer["results"]]
    return answer


def _error_message(counters: Counters, outcomes: Iterable[Outcome]) -> str:
    if not counters.failed:
        return ""
    text = f"{counters.failed} of {counters.received} records failed"
    first = next((each for each in outcomes if each.status == "failed" and each.problem), None)
    if first is None:
        return text
    return f"{text}; the first is record {first.index}: {first.problem.code}. {first.problem.message}"


def _counts(counters: Counters) -> Json:
    return {"received": counters.received, **{status: getattr(counters, status) for status in STATUSES}}


def job(view: JobView) -> Json:
    """A bulk import (push.md section 5)."""
    name = job_id(view)
    return known(
        jobId=name, state=view.state, mode=view.options.mode, dryRun=view.options.dry_run, **_counts(view.counters),
        byCode=view.counters.by_code, warnings=view.counters.warnings, rowsDone=view.rows_done,
        bytesDone=view.bytes_done, bytesTotal=view.size_bytes, queuedAt=view.queued_at, startedAt=view.started_at,
        finishedAt=view.finished_at, message=view.message, errorsUrl=f"{BASE}/imports/{name}/errors",
        rejectsUrl=f"{BASE}/imports/{name}/rejects" if view.has_rejects else None, replayed=view.replayed)


def job_id(view: JobView) -> str:
    """The id of a job as callers know it."""
    return f"j-{view.upload_id}"


def row_error(given: RowError) -> Json:
    """One failed row (PUSH-72)."""
    return known(row=given.row, line=given.line, remoteId=given.remote_id, email=given.email, code=given.code,
                 field=given.field, message=given.message)


def subscriber(view: SubscriberView) -> Json:
    """A person, with values and memberships by source."""
    return known(
        subscriberId=str(view.subscriber_id), email=view.email, remoteId=view.remote_id,
        links=[{"integration": integration, "remoteId": remote_id} for integration, remote_id in view.links],
        status=view.status, sendable=view.sendable, blockedBy=list(view.blocked_by), source=view.source,
        firstSource=view.first_source, orphan=view.orphan, mergedInto=_id(view.merged_into),
        fields=[known(name=each.name, value=each.value, source=each.source, changedAt=each.changed_at)
                for each in view.fields],
        interests=[known(name=each.name, source=each.source, since=each.since, until=each.until)
                   for each in view.interests],
        createdAt=view.created_at, changedAt=view.changed_at)


def interest(view: InterestView) -> Json:
    """An interest."""
    return known(interestId=str(view.interest_id), name=view.name, description=view.description, public=view.public,
                 integration=view.integration, members=view.members, sendable=view.sendable, createdAt=view.created_at,
                 groupId=view.group, resolvedAt=view.resolved_at)


def mailing(view: MailingView) -> Json:
    """A mailing with its newest instances."""
    draft = {name: getattr(view.draft, ours) for name, ours in DRAFT_MEMBERS.items()}
    return known(mailingId=str(view.mailing_id), state=view.state, **draft, createdBy=view.created_by,
                 createdAt=view.created_at, changedAt=view.changed_at,
                 instances=[instance(each) for each in view.instances], warnings=problems(view.warnings),
                 reviewedBy=view.reviewed_by, reviewNote=view.review_note,
                 files=[known(name=each.name, contentType=each.content_type, contentId=each.content_id,
                              sizeBytes=each.size_bytes) for each in view.files] or None)


def instance(view: InstanceView) -> Json:
    """One publication of a mailing; ``counts`` are its deliveries by state."""
    return known(instanceId=str(view.instance_id), mailingId=str(view.mailing_id), state=view.state,
                 reason=view.reason, sendAt=view.send_at, notAfter=view.not_after, createdAt=view.created_at,
                 finishedAt=view.finished_at, counts=dict(view.counts), warnings=problems(view.warnings),
                 pausedFrom=view.paused_from, audience=view.audience, spreadOver=view.spread_s,
                 recipients=view.recipients, opensAt=view.opens_at)


def audience(given: AudienceCount) -> Json:
    """Whom a mailing would reach."""
    return {"recipients": given.recipients, "leftOut": dict(given.left_out)}


def preview(given: Preview) -> Json:
    """A message and its audience as of now."""
    return known(subject=given.subject, html=given.html, text=given.text, sizeBytes=given.size_bytes,
                 recipients=given.recipients, leftOut=dict(given.left_out), warnings=problems(given.warnings))


def test_copy(given: TestCopy) -> Json:
    """What became of one test copy."""
    problem = given.problem or Problem("", "")
    return known(address=given.address, status=given.status, code=problem.code or None,
                 message=problem.message or None)


def event(view: EventView) -> Json:
    """One event of the feed."""
    return known(
        eventId=str(view.event_id), type=view.type, occurredAt=view.occurred_at, recordedAt=view.recorded_at,
        mailingId=_id(view.mailing_id), instanceId=_id(view.instance_id), deliveryId=_id(view.delivery_id),
        subscriberId=_id(view.subscriber_id), remoteId=view.remote_id, email=view.address, url=view.url,
        origin=view.origin, reason=view.reason, code=view.code, automated=view.automated)


def logged_error(view: ErrorView) -> Json:
    """A line of the error log (PUSH-14)."""
    return known(
        errorId=str(view.error_id), kind=view.kind, recordedAt=view.recorded_at, actor=view.actor, door=view.door,
        code=view.code, message=view.message, operation=view.operation, requestId=view.request_id,
        jobId=None if view.upload_id is None else f"j-{view.upload_id}", row=view.row, line=view.line,
        remoteId=view.remote_id, email=view.email, field=view.field)


def report(given: Report) -> Json:
    """The figures of an instance, or of all instances of a mailing; rates as their two counts."""
    return known(
        mailingId=str(given.mailing_id), instanceIds=[str(each) for each in given.instance_ids], asOf=given.as_of,
        settled=given.settled, **given.figures(), leftOutByReason=dict(given.left_out),
        personalisation=dict(given.personalisation) or None, firstOpenAt=_first(given.opens),
        firstClickAt=_first(given.clicks),
        rates={name: list(counts) for name, counts in given.rates().items()}, notes=list(given.notes))


def report_rows(given: Report) -> list[tuple[str, int, int | None]]:
    """The report as a table of figure, number and, for rates, of how many; for spreadsheets."""
    return [*((name, count, None) for name, count in given.figures().items()),
            *((f"leftOut:{reason}", count, None) for reason, count in given.left_out.items()),
            *((f"personalisation:{tiers}", count, None) for tiers, count in given.personalisation.items()),
            *((f"rate:{name}", count, whole) for name, (count, whole) in given.rates().items())]


def _first(hits: HitCounts) -> dt.datetime | None:
    return hits.first_at


def _id(number: int | None) -> str | None:
    return None if number is None else str(number)
