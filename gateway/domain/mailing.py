"""What is a mailing, and which steps may it and its instances take? (sending.md sections 1 and 2)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.records import Problem


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
