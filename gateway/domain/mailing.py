"""What is a mailing, and which steps may it and its instances take? (sending.md sections 1 and 2)"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.addresses import holds_forbidden
from gateway.domain.records import Problem
from gateway.errors import GatewayError


@dataclass(frozen=True, slots=True)
class MailingDraft:
    """What CreateMailing takes (SOAP-54). ``interests`` are names; those included are joined by "or"."""

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
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One publication of a mailing, with counts of its deliveries by state (SEND-10)."""

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


@dataclass(frozen=True, slots=True)
class MailingView:
    """A mailing as every door shows it; ``instances`` are the newest 100, newest first."""

    mailing_id: int
    draft: MailingDraft
    state: str
    created_by: str
    created_at: dt.datetime
    changed_at: dt.datetime
    instances: tuple[InstanceView, ...] = ()
    warnings: tuple[Problem, ...] = ()


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

DRAFT, RELEASED = "draft", "released"
SCHEDULED, PREPARING, SENDING, SENT, CANCELLED = "scheduled", "preparing", "sending", "sent", "cancelled"

LATE = "late"
"""Reason of an instance that was cancelled because its ``not_after`` passed (SEND-5)."""

MAILING_STEPS: dict[tuple[str, str], str] = {
    (DRAFT, "change"): DRAFT,
    (DRAFT, "release"): RELEASED,
    (RELEASED, "release"): RELEASED,  # sent again on purpose: the caller checked ``again`` (SEND-4)
    (RELEASED, "withdraw"): DRAFT,  # its instances were cancelled before they sent anything
}

INSTANCE_STEPS: dict[tuple[str, str], str] = {
    (SCHEDULED, "time_reached"): PREPARING,
    (SCHEDULED, "cancel"): CANCELLED,
    (SCHEDULED, "too_late"): CANCELLED,
    (PREPARING, "audience_committed"): SENDING,  # the delivery rows are in the same transaction (SEND-7)
    (PREPARING, "cancel"): CANCELLED,
    (PREPARING, "too_late"): CANCELLED,
    (SENDING, "all_settled"): SENT,
    (SENDING, "cancel"): CANCELLED,  # what is out is out: its rows keep their outcome (SEND-38)
    (SENDING, "too_late"): CANCELLED,
    (CANCELLED, "cancel"): CANCELLED,  # idempotent (SEND-38); ``sent`` has no row: it is final
}


def next_state(steps: Mapping[tuple[str, str], str], what: str, state: str, event: str) -> str:
    """The state after ``event``. An unlisted pair raises ``STATE_CONFLICT`` naming the state (SEND-3)."""
    try:
        return steps[state, event]
    except KeyError:
        raise GatewayError("STATE_CONFLICT", f"The {what} is in state '{state}', which does not allow "
                                             f"'{event}'. Read its state and act on that.") from None


# --- limits of the content --------------------------------------------------------------------------------------

MAX_CHARS: dict[str, int] = {
    "name": 255, "subject": 998, "from_name": 255, "from_address": 254, "reply_to": 254, "html": 4 * 1024 * 1024,
    "text": 4 * 1024 * 1024, "folder": 255,
}
REQUIRED = ("name", "subject", "from_address", "html")
DOOR_NAMES = {"from_address": "fromAddress", "from_name": "fromName", "reply_to": "replyTo", "interests": "interest",
              "exclude_interests": "excludeInterest", "include_orphans": "includeOrphans", "track_opens": "trackOpens",
              "track_clicks": "trackClicks"}
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
