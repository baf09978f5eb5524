"""What does a mail that came back say? Bytes from anybody in, a :class:`Returned` out (SEND-53, SEND-54, SEND-61)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.domain.returned import STANDARD, Returned, Sort, Verdict
from gateway.mail import returned_fields as fields
from gateway.mail import returned_oddities as oddities
from gateway.mail import returned_parts as parts
from gateway.mail.returned_parts import Part

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK = "message/feedback-report"
_RECEIPT = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
_HEADERS = frozenset({"text/rfc822-headers", "message/rfc822-headers", "message/global-headers"})
_ORIGINAL = frozenset({"message/rfc822", "message/global", *_HEADERS})

_SENT_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "To", "Cc")
_MARK = re.compile(r"(?<![A-Za-z0-9._-])([bumBUM]-[A-Za-z2-7]{16,62})@")
_MAX_MARKS = 50
_JUNK_REPORT = re.compile(r"complaint about message from", re.I)
_TEXT_CHARS = 64 * 1024
_SHOWN = ("Date", "From", "To", "Subject", "Content-Type", "Auto-Submitted")
_SHOWN_CHARS = 4000


def understand(data: bytes, envelope_to: str = "") -> Returned:
    """What the mail says. ``data`` may be cut off, broken or hostile: it is read with bounded time and memory.

    The outermost report counts; what lies in a returned mail says nothing but of which delivery it was. Without a
    report: the library of vendors' oddities, then words, and only in a mail that a machine wrote; then the headers by
    which automatic answers are known.
    """
    found = parts.read(data)
    top = found[0]
    leaves = found[1:]
    report = min((part for part in leaves if part.kind in _STATUS or part.kind == _FEEDBACK or part.kind in _RECEIPT),
                 key=lambda part: part.depth, default=None)
    returned = _original(leaves, report)
    recipient_marks = _marks([envelope_to, *(value for name in _SENT_TO for value in top.all_headers(name))])
    marks = _marks(_inside(top, leaves, report, returned))
    sort, verdicts, feedback, how = _meaning(data, top, leaves, report)
    source = report.content() if report is not None else top.body
    return Returned(sort, parts.digest(source), recipient_marks, marks, verdicts, feedback, how,
                    oddities.is_an_answer(top))


def excerpt(data: bytes) -> tuple[dict[str, str], str]:
    """A few headers of a mail and the beginning of its words, for a person to read: without control characters."""
    found = parts.read(data)
    headers = {name: _printable(found[0].header(name)) for name in _SHOWN if found[0].header(name)}
    return headers, _printable(_texts(found[1:])[:_SHOWN_CHARS])


def _meaning(data: bytes, top: Part, leaves: list[Part],
             report: Part | None) -> tuple[Sort, tuple[Verdict, ...], str, str]:
    """What sort it is, its verdicts, the type of feedback, and how that was understood."""
    if report is not None and report.kind in _RECEIPT:
        return Sort.AUTO_REPLY, (), "", STANDARD
    if report is not None and report.kind == _FEEDBACK:
        kind = fields.feedback_type(report.text())
        return (Sort.COMPLAINT if kind == "abuse" else Sort.FEEDBACK), (), kind, STANDARD
    verdicts = fields.verdicts(report.text()) if report is not None else ()
    if verdicts:
        return Sort.REPORT, verdicts, "", STANDARD
    if _JUNK_REPORT.match(top.header("Subject")) and any(part.kind in _ORIGINAL for part in leaves):
        return Sort.COMPLAINT, (), "abuse", STANDARD  # a large provider's loop that is older than RFC 5965
    automatic = oddities.is_automatic(top)
    if report is not None or oddities.is_by_a_mail_server(top) or not automatic:
        verdict, how = oddities.verdict(data, top, _texts(leaves))
        if verdict is not None:
            return Sort.REPORT, (verdict,), "", how
    return (Sort.AUTO_REPLY if automatic else Sort.OTHER), (), "", ""


def _original(leaves: list[Part], report: Part | None) -> Part | None:
    """The headers of the mail that came back: the part behind the report, else the first that can be one."""
    depth = report.depth if report is not None else 0
    candidates = [part for part in leaves if part.kind in _ORIGINAL and part.depth >= depth]
    if report is not None:
        at = leaves.index(report)
        candidates = [part for part in candidates if leaves.index(part) > at] or candidates
    return parts.head_of(candidates[0].content()) if candidates else None


def _inside(top: Part, leaves: list[Part], report: Part | None, returned: Part | None) -> Iterator[str]:
    """Where our tokens stand in a mail, the best first (SEND-53): the returned Message-ID, then what else is signed."""
    if returned is not None:
        for name in ("Message-ID", "Return-Path", "List-Unsubscribe"):
            yield from returned.all_headers(name)
    if report is not None:
        yield report.text()[:_TEXT_CHARS]  # Original-Mail-From, Original-Envelope-Id and vendors' own fields
    for name in ("In-Reply-To", "References", "X-Failed-Message-Id"):
        yield from top.all_headers(name)
    yield _texts(leaves)


def _texts(leaves: Iterable[Part]) -> str:
    """What a person would read, cut."""
    texts = [part.text() for part in leaves if part.kind.startswith("text/") and part.kind not in _HEADERS]
    return "\n".join(texts)[:_TEXT_CHARS]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def _marks(texts: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in texts:
        for mark in _MARK.finditer(text):
            if len(found) >= _MAX_MARKS:
                return tuple(found)
            found[mark[1].lower()] = None
    return tuple(found)
