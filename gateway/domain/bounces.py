"""What does a refusal say about the address? (sending.md section 7, the table of classes)"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class BounceClass(StrEnum):
    """Hard and soft count towards the thresholds of SEND-55; block and other never do."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    OTHER = "other"


HARD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"})
SOFT_CODES = frozenset({"5.2.2", "5.2.3"})

GENERIC = frozenset({"5.0.0", "4.0.0"})
"""Says no more than that it failed: the diagnostic's own code says more (RFC 3463, 2)."""

_DIAGNOSED = re.compile(r"(?<![\d.])([245]\d\d)(?:[- ](?:#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d))?|$)")
_ENHANCED = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_AT_MESSAGE = re.compile(r"in reply to end of DATA|end of data|after DATA|message (?:body|content)", re.I)
_ADDRESS = re.compile(r"<[^>]*>|\S+@\S+|https?://\S+")
_POLICY = re.compile(r"\b(?:spam|policy|policies|reputation|blacklist\w*|blocklist\w*|blocked|dmarc|dkim|spf)\b", re.I)


def classify(code: int | None, enhanced: str | None = None, text: str = "", *, stage: str = "rcpt") -> BounceClass:
    """The class of a final reply to RCPT, DATA or the message (``stage`` as in an SMTP outcome, SEND-54).

    The enhanced status code decides where the table names it. Then a text that names policy, spam or reputation,
    because that is about us and must not count against the person; addresses inside the text are not read. Then
    the reply code, but only when the enhanced code is absent or says nothing (``5.x.0``): a 550 with a code of
    its own that the table does not name is ``other``. A temporary code that has become final is ``soft``.
    """
    named = _by_enhanced(enhanced)
    if named is not None:
        return named
    if code is not None and 400 <= code <= 499:
        return BounceClass.SOFT
    if _POLICY.search(_ADDRESS.sub(" ", text)):
        return BounceClass.BLOCK
    if enhanced is not None and not enhanced.endswith(".0"):
        return BounceClass.OTHER
    return _by_reply(code, stage)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a report's failure comes to: its class, the code that is shown for it, and the reply code that it names."""

    bounce_class: BounceClass
    code: str | None
    reply: int | None = None


def diagnose(status: str | None, diagnostic: str) -> Diagnosis:
    """The class of a recipient that a delivery status says has failed (SEND-54).

    The status decides; one that says nothing (``5.0.0``) gives way to the code in the diagnostic. A reply code is
    taken for one to RCPT, unless the text says that the message was refused.
    """
    reply = _DIAGNOSED.search(diagnostic)
    code = int(reply[1]) if reply else None
    named = reply[2] if reply and reply[2] else None
    if named is None:
        found = _ENHANCED.search(diagnostic)
        named = found[1] if found else None
    enhanced = named if named and (status is None or status in GENERIC) else status
    stage = "message" if _AT_MESSAGE.search(diagnostic) else "rcpt"
    bounce_class = classify(code, enhanced, diagnostic, stage=stage)
    return Diagnosis(bounce_class, enhanced or (str(code) if code else None), code)


def _by_enhanced(enhanced: str | None) -> BounceClass | None:
    if enhanced is None:
        return None
    if enhanced in HARD_CODES:
        return BounceClass.HARD
    if enhanced in SOFT_CODES or enhanced.startswith(("4.", "5.3.", "5.4.")):
        return BounceClass.SOFT
    return BounceClass.BLOCK if enhanced.startswith("5.7.") else None


def _by_reply(code: int | None, stage: str) -> BounceClass:
    if code == 552:
        return BounceClass.SOFT
    if code == 554 or (code == 550 and stage != "rcpt"):
        return BounceClass.BLOCK
    if code in (550, 551, 553) and stage == "rcpt":
        return BounceClass.HARD
    return BounceClass.OTHER
