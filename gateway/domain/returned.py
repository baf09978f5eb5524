"""What does a mail that came back say, and of which delivery does it speak? (SEND-53, SEND-54)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token


class Sort(StrEnum):
    """What sort of mail it is."""

    REPORT = "report"  # a delivery status: RFC 3464, RFC 6533, or one of those that keep to no standard
    COMPLAINT = "complaint"  # RFC 5965, type abuse
    FEEDBACK = "feedback"  # RFC 5965, any other type: it accuses nobody of spam
    AUTO_REPLY = "auto_reply"  # vacation, receipt, challenge: a machine's answer about nothing that we ask
    UNSUBSCRIBE = "unsubscribe"  # to the mailto address of List-Unsubscribe (RFC 2369)
    OTHER = "other"


FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED = "failed", "delayed", "delivered", "relayed", "expanded"
ACTIONS = (FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED)
"""What may have become of a recipient (RFC 3464, 2.3.3)."""

STANDARD, LIBRARY, TEXT = "standard", "library", "text"
"""How it was understood: by per-recipient fields, by the library of vendors' oddities, by words (SEND-53)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report says of one recipient. ``addresses`` as they stand there, the original one first."""

    action: str
    addresses: tuple[str, ...] = ()
    status: str | None = None
    diagnostic: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a mail says.

    ``recipient_marks`` and ``marks`` are local parts that may be tokens of ours: those it was sent to, and those inside
    it, the best first. ``digest``: SHA-256 of what reports, the same for the same report however it came (SEND-50).
    ``feedback``: the type of an RFC 5965 report. ``answers``: a machine wrote it in answer to a mail.
    """

    sort: Sort
    digest: str
    recipient_marks: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    feedback: str = ""
    understood_by: str = ""
    answers: bool = False


def whose(keys: Keys, marks: Iterable[str]) -> Token | None:
    """The first mark that is a token of ours."""
    return next((token for mark in marks if (token := tokens.read_local_part(keys, mark)) is not None), None)


def wants_out(keys: Keys, returned: Returned) -> bool:
    """Whether it asks to be unsubscribed: whatever it says, it came to the address for that (RFC 2369, 3.2).

    A report or the answer of a machine does not; a mail program's own message, which may say ``auto-generated``, does.
    """
    token = whose(keys, returned.recipient_marks)
    return (token is not None and token.kind is Kind.UNSUBSCRIBE and not returned.answers
            and returned.sort in (Sort.OTHER, Sort.AUTO_REPLY))


def verdict_about(verdicts: Iterable[Verdict], email: str | None) -> Verdict | None:
    """Which verdict is about the delivery to ``email``, of the report that is known to be about that delivery.

    The one that names the address. Else it was handed on, to one or to many: it failed when somebody failed and nobody
    got it. None: the report has no verdict.
    """
    verdicts = tuple(verdicts)
    for verdict in verdicts:
        if email is not None and email.lower() in (address.lower() for address in verdict.addresses):
            return verdict
    by_weight = (DELIVERED, EXPANDED, RELAYED, FAILED, DELAYED)
    return min(verdicts, key=lambda verdict: by_weight.index(verdict.action), default=None)
