"""What is kept of a mail that came back, and what may have become of it? (SEND-53)"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

NEW, DONE, IGNORED, QUARANTINED = "new", "done", "ignored", "quarantined"
STATES = (NEW, DONE, IGNORED, QUARANTINED)
LMTP, SMTP, MAILDIR, IMAP = "lmtp", "smtp", "maildir", "imap"

KEPT_BYTES = 1024 * 1024
"""Of a mail so much is kept: a report stands before the mail that it returns."""

IGNORE_AUTO_REPLIES = "ignoreAutoReplies"
"""A choice of a brand: whether automatic answers are ignored, or kept for a person to read."""

ROLES = frozenset({"postmaster", "abuse", "fbl"})
"""Local parts of the bounce domain that are ours besides tokens: RFC 2142, and where feedback loops report to."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A stored mail; ``tries`` is how often it was looked at."""

    mail_id: int
    received_at: dt.datetime
    came_by: str
    envelope_from: str | None
    envelope_to: str | None
    state: str
    tries: int
    data: bytes


@dataclass(frozen=True, slots=True)
class MailView:
    """A stored mail as an operator sees it in a list."""

    mail_id: int
    brand_id: int | None
    received_at: dt.datetime
    came_by: str
    envelope_to: str | None
    state: str
    kind: str | None
    reason: str | None
    tries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MailContent:
    """What an operator reads of one mail: its view, a few headers and the beginning of its words."""

    view: MailView
    headers: dict[str, str]
    text: str


def once_key(recipient: str, size_bytes: int, kept: bytes) -> str:
    """The key under which the same bytes for the same recipient are one mail, however often they are handed over."""
    return hashlib.sha256(b"%s\n%d\n%s" % (recipient.lower().encode("utf-8", "replace"), size_bytes, kept)).hexdigest()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a mail: its state, the sort of mail it was, why in a few words, and of which delivery it spoke."""

    state: str
    kind: str
    reason: str
    delivery_id: int | None = None
