"""What is a mailing, and which steps may it and its instances take? (sending.md sections 1 and 2)"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.addresses import holds_forbidden
from gateway.domain.files import FileView, MailingFile
from gateway.domain.records import Problem
from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class MailingDraft:
    """What CreateMailing takes (SOAP-54). ``interests`` are names; those included are joined by "or".

    ``writes_activity``: what becomes of it, person by person, is told to the systems that take that (ID-57).
    """

    name: str
    subject: str
    from_address: str
    html: str
    from_name: str | None = None
    reply_to: str | None = None
    text: str | None = None
    interests: tuple[str, ...] = ()
    exclude_interests: tuple[str, ...] = ()
    include_orphans: bool = False
    track_opens: bool = True
    track_clicks: bool = True
    writes_activity: bool = False
    folder: str | None = None
    files: tuple[MailingFile, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One publication of a mailing, with counts of its deliveries by state (SEND-10).

    ``paused_from`` is where a paused one goes back to; ``audience`` one of :data:`AUDIENCES`, None for everybody;
    ``recipients`` how many were frozen to be mailed; ``opens_at`` when it goes on, while the brand's send window is
    closed.
    """

    instance_id: int
    mailing_id: int
    state: str
    reason: str | None
    send_at: dt.datetime
    not_after: dt.datetime | None
    created_at: dt.datetime
    finished_at: dt.datetime | None
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()
    paused_from: str | None = None
    audience: str | None = None
    spread_s: int | None = None
    recipients: int | None = None
    opens_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenInstance:
    """An instance that is being sent now. ``recipients`` were frozen to be mailed at ``frozen_at``; ``spread_s``: they
    are distributed over so long, None: as fast as it goes."""

    brand_id: int
    instance_id: int
    mailing_id: int
    recipients: int
    spread_s: int | None
    frozen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class MailingView:
    """A mailing as every door shows it; ``instances`` are the newest 100, newest first. ``reviewed_by`` approved or
    rejected it last, with ``review_note``."""

    mailing_id: int
    draft: MailingDraft
    state: str
    created_by: str
    created_at: dt.datetime
    changed_at: dt.datetime
    instances: tuple[InstanceView, ...] = ()
    warnings: tuple[Problem, ...] = ()
    reviewed_by: str | None = None
    review_note: str | None = None
    files: tuple[FileView, ...] = ()


@dataclass(frozen=True, slots=True)
class FrequencyCap:
    """A brand's limit (SEND-8): an address gets at most so many mailings in so many days."""

    mailings: int
    days: int


@dataclass(frozen=True, slots=True)
class MailingFilter:
    """FindMailings (SOAP-56); ``since`` and ``until`` compare the time of creation."""

    state: str | None = None
    name: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """PreviewMailing (SOAP-57): the message as one person would get it, and the audience as of now."""

    subject: str
    html: str
    text: str
    size_bytes: int
    recipients: int
    left_out: Mapping[str, int]
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class TestCopy:
    """What became of one address of SendTestMailing: ``accepted``, ``refused``, ``deferred``, ``failed``."""

    __test__ = False  # not a test class, whatever its name

    address: str
    status: str
    problem: Problem | None = None


# --- states (SEND-2, SEND-3) ---------------------------------------------------------------------------------

DRAFT, IN_REVIEW, APPROVED, RELEASED = "draft", "in_review", "approved", "released"
STATES = (DRAFT, IN_REVIEW, APPROVED, RELEASED)
SCHEDULED, PREPARING, SENDING, PAUSED, SENT, CANCELLED = (
    "scheduled", "preparing", "sending", "paused", "sent", "cancelled")
INSTANCE_STATES = (SCHEDULED, PREPARING, SENDING, PAUSED, SENT, CANCELLED)
UNFINISHED = (SCHEDULED, PREPARING, SENDING, PAUSED)

LATE, SYNC_FAILED, TRANSPORT, RESTORED = "late", "sync_failed", "transport", "restored"
"""Reasons: its ``not_after`` passed (SEND-5); the sync before it failed (ID-67); the mail server refused us (SEND-36);
it came out of a backup, which cannot know what was mailed since (SEND-25)."""

NEVER_RECEIVED, NOT_OPENED, FAILED = "never_received", "not_opened", "failed"
AUDIENCES = (NEVER_RECEIVED, NOT_OPENED, FAILED)
"""Whom a mailing that is sent again goes to, of all whom its interests reach (SEND-4)."""

SEND_NOW, SEND_LATER, ON_HOLD = 1, 2, 4
"""How a mailing that was published stands, in the numbers of the document API (aapi.md section 5.6)."""

MAILING_STEPS: dict[tuple[str, str], str] = {
    (DRAFT, "change"): DRAFT,
    (DRAFT, "submit"): IN_REVIEW,
    (DRAFT, "release"): RELEASED,  # where the brand reviews nothing: the caller checked that
    (IN_REVIEW, "submit"): IN_REVIEW,
    (IN_REVIEW, "change"): DRAFT,  # what is looked at must not change under the reader
    (IN_REVIEW, "approve"): APPROVED,
    (IN_REVIEW, "reject"): DRAFT,
    (APPROVED, "approve"): APPROVED,
    (APPROVED, "change"): DRAFT,
    (APPROVED, "reject"): DRAFT,  # the approval is taken back
    (APPROVED, "release"): RELEASED,
    (RELEASED, "release"): RELEASED,  # sent again on purpose: the caller checked ``again`` (SEND-4)
    (RELEASED, "withdraw"): DRAFT,  # its instances were cancelled before they sent anything
}

INSTANCE_STEPS: dict[tuple[str, str], str] = {
    (SCHEDULED, "time_reached"): PREPARING,
    (SCHEDULED, "pause"): PAUSED,
    (SCHEDULED, "restore"): PAUSED,
    (SCHEDULED, "resume"): SCHEDULED,  # repeated: all three steps are idempotent (SEND-38)
    (SCHEDULED, "cancel"): CANCELLED,
    (SCHEDULED, "too_late"): CANCELLED,
    (PREPARING, "audience_committed"): SENDING,  # the delivery rows are in the same transaction (SEND-7)
    (PREPARING, "sync_failed"): PAUSED,
    (PREPARING, "pause"): PAUSED,
    (PREPARING, "restore"): PAUSED,
    (PREPARING, "resume"): PREPARING,
    (PREPARING, "cancel"): CANCELLED,
    (PREPARING, "too_late"): CANCELLED,
    (SENDING, "all_settled"): SENT,
    (SENDING, "pause"): PAUSED,
    (SENDING, "transport_refused"): PAUSED,
    (SENDING, "restore"): PAUSED,
    (SENDING, "resume"): SENDING,
    (SENDING, "resend"): SENDING,
    (SENDING, "cancel"): CANCELLED,  # what is out is out: its rows keep their outcome (SEND-38)
    (SENDING, "too_late"): CANCELLED,
    (PAUSED, "pause"): PAUSED,
    (PAUSED, "restore"): PAUSED,
    (PAUSED, "resume_scheduled"): SCHEDULED,  # the state it came from
    (PAUSED, "resume_preparing"): PREPARING,
    (PAUSED, "resume_sending"): SENDING,
    (PAUSED, "resend"): PAUSED,  # goes out when it is resumed
    (PAUSED, "cancel"): CANCELLED,
    (PAUSED, "too_late"): CANCELLED,
    (SENT, "resend"): SENDING,  # somebody in doubt gets it after all, because a person says so (SEND-24)
    (CANCELLED, "cancel"): CANCELLED,
}


REVIEW = "review"
"""The brand's choice: whether its mailings are approved before they are released (SEND-2)."""


def reviews(settings: Mapping[str, object]) -> bool:
    """Whether a brand with these settings reviews its mailings."""
    return settings.get(REVIEW) is True


IN_DOUBT = "inDoubt"
HOLD, RESEND, COUNT_AS_SENT = "hold", "resend", "count_as_sent"
DECISIONS, PRESETS = (RESEND, COUNT_AS_SENT), (HOLD, RESEND, COUNT_AS_SENT)
"""The brand's choice of what becomes of messages of unknown outcome, and what a person may decide (SEND-24)."""

NOTIFY = "notifyAddress"
MAX_NOTIFIED = 5
"""The brand's choice: who is told when a mailing stops by itself (SEND-36)."""

FROM_ADDRESS, FROM_NAME, REPLY_TO = "fromAddress", "fromName", "replyTo"
"""The brand's own sender, for mailings that name none (aapi.md section 5.5)."""

FREQUENCY_CAP = "frequencyCap"
"""The brand's choice, such as ``3/7``: three mailings in seven days; empty: no limit."""

_CAP = re.compile(r"(?P<mailings>[1-9]\d{0,2})/(?P<days>[1-9]\d{0,2})", re.ASCII)


def frequency_cap(settings: Mapping[str, object]) -> FrequencyCap | None:
    """The limit of a brand with these settings; None: there is none."""
    found = _CAP.fullmatch(str(settings.get(FREQUENCY_CAP, "")))
    return None if found is None else FrequencyCap(int(found["mailings"]), int(found["days"]))


def resume_event(state: str, paused_from: str | None) -> str:
    """The event of :data:`INSTANCE_STEPS` that takes a paused instance back to where it was."""
    return f"resume_{paused_from}" if state == PAUSED else "resume"


def next_state(steps: Mapping[tuple[str, str], str], what: str, state: str, event: str) -> str:
    """The state after ``event``. An unlisted pair raises ``STATE_CONFLICT`` naming the state (SEND-3)."""
    try:
        return steps[state, event]
    except KeyError:
        raise GatewayError("STATE_CONFLICT", f"The {what} is in state '{state}', which does not allow "
                                             f"'{event}'. Read its state and act on that.") from None


# --- limits of the order

SHORTEST_SPREAD_S, LONGEST_SPREAD_S = 60, 14 * 24 * 3600
_DURATION = re.compile(r"P(?:(?P<days>\d{1,3})D)?(?:T(?=\d)(?:(?P<hours>\d{1,3})H)?(?:(?P<minutes>\d{1,5})M)?"
                       r"(?:(?P<seconds>\d{1,7})S)?)?", re.ASCII)


def check_spread(spread_s: int | None) -> None:
    """Raises ``INVALID_VALUE`` for a time over which no mailing is distributed."""
    if spread_s is not None and not SHORTEST_SPREAD_S <= spread_s <= LONGEST_SPREAD_S:
        raise GatewayError("INVALID_VALUE", "A mailing is distributed over a minute to 14 days.", field="spreadOver")


def duration_s(text: str, field_name: str) -> int:
    """Seconds of ``3600`` or of an ISO 8601 duration of days to seconds such as ``PT1H30M``; else ``INVALID_VALUE``."""
    if re.fullmatch(r"\d{1,8}", text, re.ASCII):
        return int(text)
    found = _DURATION.fullmatch(text)
    if found is None or text == "P":
        raise GatewayError("INVALID_VALUE", "Say a number of seconds, or a duration such as PT4H or P1DT12H.",
                           field=field_name)
    part = {name: int(value or 0) for name, value in found.groupdict().items()}
    return ((part["days"] * 24 + part["hours"]) * 60 + part["minutes"]) * 60 + part["seconds"]


# --- limits of the content --------------------------------------------------------------------------------------

MAX_CHARS: dict[str, int] = {
    "name": 255, "subject": 998, "from_name": 255, "from_address": 254, "reply_to": 254, "html": 4 * 1024 * 1024,
    "text": 4 * 1024 * 1024, "folder": 255,
}
REQUIRED = ("name", "subject", "from_address", "html")
DOOR_NAMES = {"from_address": "fromAddress", "from_name": "fromName", "reply_to": "replyTo", "interests": "interest",
              "exclude_interests": "excludeInterest", "include_orphans": "includeOrphans", "track_opens": "trackOpens",
              "track_clicks": "trackClicks", "writes_activity": "writeActivity"}
"""What the doors call a member of the draft, where it is not the same word (SOAP-54)."""

_ONE_LINE = frozenset({"name", "subject", "from_name", "from_address", "reply_to", "folder"})
_LINE_END = re.compile("[\r\n]")


def check_texts(draft: MailingDraft) -> None:
    """Raises for the first text that is missing (``INVALID_REQUEST``), too long (``FIELD_TOO_LONG``) or holds a
    character that cannot be stored (``INVALID_CHARACTER``, PUSH-6); a line end in a header is one."""
    for member, limit in MAX_CHARS.items():
        text, field_name = getattr(draft, member), DOOR_NAMES.get(member, member)
        if text is None or not text.strip():
            if member in REQUIRED:
                raise GatewayError("INVALID_REQUEST", f"A mailing needs '{field_name}'; it is missing or empty.",
                                   field=field_name)
            continue
        if len(text) > limit:
            raise GatewayError("FIELD_TOO_LONG", f"'{field_name}' has {len(text)} characters; at most {limit} are "
                                                 "taken. Shorten it.", field=field_name)
        if holds_forbidden(text) or (member in _ONE_LINE and _LINE_END.search(text)):
            raise GatewayError("INVALID_CHARACTER", f"'{field_name}' holds a control character or, where one line is "
                                                    "meant, a line end. Remove it.", field=field_name)
