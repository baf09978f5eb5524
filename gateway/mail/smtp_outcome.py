"""What can come of handing one message to a mail server? (SEND-26..32)"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.mail.wire import DataForm

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")


class Verdict(StrEnum):
    """What one attempt means for the delivery (SEND-27..32)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"
    NOT_TRIED = "not_tried"


class Outcome(NamedTuple):  # made for every message, and cheaper than a frozen dataclass
    """The end of one attempt.

    ``code`` is the SMTP reply code, None when there was no reply, or none that is one; ``enhanced`` as ``5.1.1``;
    ``text`` is printable and at most 500 characters; ``stage`` is the step that decided: connect, greeting, ehlo,
    starttls, auth, mail, rcpt, data, message.
    """

    kind: Verdict
    code: int | None
    enhanced: str | None
    text: str
    stage: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take, in seconds (SEND-26)."""

    greeting_s: float = 30.0
    command_s: float = 60.0
    message_s: float = 600.0


class Outgoing(NamedTuple):
    """One message on its way to one recipient (SEND-26)."""

    delivery_id: int
    attempt: int
    envelope_from: str
    envelope_to: str
    form: DataForm


def makes_sense(stage: str, code: int) -> bool:
    """Whether a reply may stand where it stands; any other means that we and the server have lost each other."""
    return 400 <= code <= 599 or (stage == "message" and 200 <= code <= 299)


def judge(stage: str, code: int, text: str) -> Outcome:
    """The outcome of a reply that decides (SEND-27..32): one that is not the 2xx or 354 that lets us go on.

    A refusal of MAIL speaks of us, not of the recipient; a reply without sense bounces nobody.
    """
    if stage == "message" and 200 <= code <= 299:
        verdict = Verdict.ACCEPTED
    elif stage not in ("rcpt", "data", "message"):
        verdict = Verdict.NOT_TRIED
    elif not makes_sense(stage, code):
        verdict = Verdict.IN_DOUBT if stage == "message" else Verdict.DEFERRED
    else:
        verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
    found = _ENHANCED.match(text)
    return Outcome(verdict, code or None, found[1] if found else None, text, stage)
