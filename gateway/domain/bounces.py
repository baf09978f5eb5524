"""What does a refusal say about the address? (sending.md section 7, the table of classes)"""

from __future__ import annotations

import re
from enum import StrEnum


class BounceClass(StrEnum):
    """Hard and soft count towards the thresholds of SEND-55; block and other never do."""

    HARD = "hard"
    SOFT = "soft"
    BLOCK = "block"
    OTHER = "other"


HARD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.4"})
SOFT_CODES = frozenset({"5.2.2", "5.2.3"})

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
