"""What do the lines of a sender's journal say about each row it had in hand? (SEND-14..17, SEND-21)

One segment of a journal is a header and then lines, each with a checksum and a newline:

    H 1 <sender> <boot id>                                         who writes, on which start of the machine
    P <delivery> <attempt>                                         this attempt may be started
    D <delivery> <attempt>                                         its body leaves now: from here the outcome is unknown
    R <delivery> <attempt> <at> <verdict> <code> <enhanced> <stage> <text>    the reply that decided
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

FORMAT = 1
MAX_TEXT = 500
QUEUED, IN_DOUBT, KNOWN = "queued", "in_doubt", "known"
NOT_TRIED = "not_tried"
"""The one verdict after which the same attempt may begin again (SEND-32)."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Result(NamedTuple):
    """The outcome of one attempt, with all that a fold needs; ``attempt`` counts from 1.

    ``verdict``, ``stage`` and ``enhanced`` are single words; ``text`` is printable, of at most 500 characters.
    """

    delivery_id: int
    attempt: int
    at: dt.datetime
    verdict: str
    code: int | None
    enhanced: str | None
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One P, D or R line (``kind``); ``result`` only of an R."""

    kind: str
    delivery_id: int
    attempt: int
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """What one file of a journal says.

    ``boot_id`` is None when the header is missing. ``damaged`` are the numbers, from 1, of lines that can not be
    believed; a torn last line is not among them, for it counts as not written.
    """

    boot_id: str | None
    lines: Sequence[Line]
    damaged: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to become of one claimed row: its ``result`` when that is KNOWN, else it is IN_DOUBT or QUEUED again."""

    attempt: int
    what: str
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Fates:
    """The fates of all rows of one journal; ``damaged``: it has lines that can not be believed, which is an alarm."""

    rows: Mapping[int, Fate]
    damaged: bool = False

    def of(self, delivery_id: int, attempt: int) -> Fate:
        """The fate of a row that the database says is claimed, by the journal's sender, for this attempt (SEND-21).

        A row without a line waits again; but a line of it may have stood where the journal is damaged. An attempt
        that the database does not know of yet is in doubt: the database is older than the journal.
        """
        fate = self.rows.get(delivery_id)
        if fate is not None and fate.attempt == attempt:
            return fate
        older = fate is not None and fate.attempt > attempt
        return Fate(attempt, IN_DOUBT if self.damaged or older else QUEUED)


def header(sender: str, boot_id: str) -> bytes:
    """The first line of a segment; both are single words."""
    return _line(f"H {FORMAT} {sender} {boot_id}".encode())


def plan_line(delivery_id: int, attempt: int) -> bytes:
    """SEND-15."""
    return _line(b"P %d %d" % (delivery_id, attempt))


def begin_line(delivery_id: int, attempt: int) -> bytes:
    """SEND-16."""
    return _line(b"D %d %d" % (delivery_id, attempt))


def result_line(result: Result) -> bytes:
    """SEND-17. The text is made printable and cut, so that the line stays one line."""
    delivery_id, attempt, moment, verdict, code, enhanced, stage, text = result
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    since = moment - _EPOCH
    at = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return _line(f"R {delivery_id} {attempt} {at} {verdict} {code or '-'} {enhanced or '-'} {stage} "
                 f"{text[:MAX_TEXT]}".encode())


def parse(data: bytes) -> Segment:
    """Reads one segment as it lies on the disk. What follows the last newline was not written whole."""
    *whole, _torn = data.split(b"\n")
    boot_id: str | None = None
    lines: list[Line] = []
    damaged: list[int] = []
    for number, raw in enumerate(whole, start=1):
        words = _checked(raw)
        try:
            if number == 1:
                boot_id = _boot_id(words)
            else:
                lines.append(_read(words))
        except ValueError:
            damaged.append(number)
    return Segment(boot_id, lines, damaged)


def fates(segments: Iterable[Segment], boot_id: str) -> Fates:
    """What becomes of each row that a dead sender's segments name; they come in the order they were written.

    ``boot_id`` is that of the machine now: after another start of it a D may have been lost with the memory of the
    kernel, so a row that was only planned is in doubt.
    """
    rows: dict[int, Fate] = {}
    damaged = False
    for segment in segments:
        damaged = damaged or bool(segment.damaged)
        planned = QUEUED if segment.boot_id == boot_id else IN_DOUBT
        for line in segment.lines:
            before = rows.get(line.delivery_id)
            if before is None or line.attempt > before.attempt or (line.attempt == before.attempt
                                                                   and _follows(line, before)):
                what = {"P": planned, "D": IN_DOUBT, "R": KNOWN}[line.kind]
                rows[line.delivery_id] = Fate(line.attempt, what, line.result)
    if damaged:
        rows = {delivery_id: fate if _decided(fate) else Fate(fate.attempt, IN_DOUBT)
                for delivery_id, fate in rows.items()}
    return Fates(rows, damaged)


def _follows(line: Line, before: Fate) -> bool:
    """Whether a later line of the same attempt changes its fate: nothing undoes a D but its R, and nothing an R but
    that the attempt, which never reached the recipient's server, is made again."""
    if before.result is not None:
        return not _decided(before)
    return line.kind != "P"


def _decided(fate: Fate) -> bool:
    return fate.result is not None and fate.result.verdict != NOT_TRIED


def _line(body: bytes) -> bytes:
    return b"%b %08x\n" % (body, crc32(body))


def _checked(raw: bytes) -> list[bytes]:
    """The words of a line whose checksum is right (the text of an R is one of them), else none."""
    body, _, checksum = raw.rpartition(b" ")
    return body.split(b" ", 8) if checksum == b"%08x" % crc32(body) else []


def _boot_id(words: list[bytes]) -> str:
    if len(words) != 4 or words[:2] != [b"H", b"%d" % FORMAT]:
        raise ValueError("not a header of this format")
    return words[3].decode()


def _read(words: list[bytes]) -> Line:
    """One line; raises ``ValueError`` for anything that is not one."""
    if len(words) == 3 and words[0] in (b"P", b"D"):
        return Line(words[0].decode(), int(words[1]), int(words[2]))
    if len(words) != 9 or words[0] != b"R":
        raise ValueError("not a line of a journal")
    delivery_id, attempt = int(words[1]), int(words[2])
    code, enhanced = (None if word == b"-" else word.decode() for word in words[5:7])
    return Line("R", delivery_id, attempt, Result(
        delivery_id, attempt, _EPOCH + int(words[3]) * _MICROSECOND, words[4].decode(),
        None if code is None else int(code), enhanced, words[7].decode(), words[8].decode()))
