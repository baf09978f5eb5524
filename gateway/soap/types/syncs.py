"""Which messages has the sync of a foreign system? (ID-66..72)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional


class StartSyncRequest(Record):
    """What is to be synced, and how."""

    clientRequestId = base.client_request_id()
    integration = mandatory(Unicode, "The integration whose system is read; it must be one that we can call.")
    full = optional(Boolean, "Read everybody, not only what changed; false if left out. A system that cannot tell what "
                             "changed is always read whole.")
    preview = optional(Boolean, "Only answer what a run would do now, with some people as examples; nothing is stored. "
                                "The answer comes when the system is read.")
    release = optional(Boolean, "Lets go of the brake that holds a mass change; only an administrator may.")


class GetSyncRunRequest(Record):
    """Which run."""

    runId = mandatory(Unicode, "The run's id.")


class FindSyncRunsRequest(Record):
    """Which runs."""

    integration = optional(Unicode, "Only those of this integration.")
    state = optional(Unicode, "Only those in one state: requested, running, success, partial, skipped, held or failed.")
    since = base.since("runs started")
    until = base.until("runs started")
    pageSize = base.page_size()
    pageToken = base.page_token()


class SyncCount(Record):
    """One count of a run."""

    name = mandatory(Unicode, "read is the sum of new, changed, adopted, revived, unchanged, ended, conflicting and "
                              "rejected; flagged, overwritten, orphaned, swept and held happened beside; new words may "
                              "come.")
    count = mandatory(Integer32, "How many.")
    extra = V1.extra()


class SyncSample(Record):
    """One person as an example of a count."""

    name = mandatory(Unicode, "The count.")
    remoteId = optional(Unicode, "The person's id there.")
    email = optional(Unicode, "The address.")
    detail = optional(Unicode, "What is to be said of this one.")
    extra = V1.extra()


class SyncRun(Record):
    """A sync of one integration."""

    runId = optional(Unicode, "Its id; a preview has none.")
    integration = mandatory(Unicode, "Whose system was read.")
    state = mandatory(Unicode, "requested (a worker will take it), running, success, partial, skipped, held (by the "
                               "brake: nothing was applied) or failed; new words may come.")
    trigger = optional(Unicode, "schedule, hand, mailing or folder; new words may come.")
    full = mandatory(Boolean, "Everybody was read, not only what changed.")
    requestedBy = optional(Unicode, "Who asked for it.")
    releasedBy = optional(Unicode, "Who let go of the brake.")
    instanceId = optional(Unicode, "The mailing instance before which it ran.")
    startedAt = mandatory(DateTime, "When it began, or was asked for.")
    finishedAt = optional(DateTime, "When it ended.")
    message = optional(Unicode, "Why it ended so, for a person.")
    count = list_of(SyncCount, "What was counted; none before it ends.")
    sample = list_of(SyncSample, "Of a preview, and of a run that is held till the next one ends.")
    requestId = base.request_id()
    extra = V1.extra()


class SyncRunSummary(Record):
    """A run in a list; GetSyncRun tells all of it."""

    runId = mandatory(Unicode, "Its id.")
    integration = mandatory(Unicode, "Whose system was read.")
    state = mandatory(Unicode, "As in SyncRun; new words may come.")
    trigger = optional(Unicode, "As in SyncRun; new words may come.")
    full = mandatory(Boolean, "Everybody was read, not only what changed.")
    startedAt = mandatory(DateTime, "When it began, or was asked for.")
    finishedAt = optional(DateTime, "When it ended.")
    message = optional(Unicode, "Why it ended so, for a person.")
    count = list_of(SyncCount, "What was counted; none before it ends.")
    extra = V1.extra()


class SyncRunPage(Record):
    """One page of runs, oldest first."""

    item = list_of(SyncRunSummary, "A run.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
