"""What do the lines of a journal say? (SEND-14..17, SEND-21)"""

import datetime as dt
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.journal import (
    IN_DOUBT,
    KNOWN,
    MAX_TEXT,
    QUEUED,
    Result,
    begin_line,
    fates,
    header,
    parse,
    plan_line,
    result_line,
)

NOW = dt.datetime(2026, 1, 15, 12, 0, 0, 123457, tzinfo=dt.UTC)
HEADER = header("s1", "boot-1")


def result(delivery_id=1, attempt=1, verdict="accepted", **changes):
    return Result(**{"delivery_id": delivery_id, "attempt": attempt, "at": NOW, "verdict": verdict, "code": 250,
                     "enhanced": "2.0.0", "stage": "message", "text": "2.0.0 taken as 4711", **changes})


def fates_of(*lines, boot="boot-1", head=HEADER):
    return fates([parse(head + b"".join(lines))], boot)


def what(*lines, attempt=1, **how):
    return fates_of(*lines, **how).of(1, attempt).what


P, D, R = plan_line(1, 1), begin_line(1, 1), result_line(result())
NOT_TRIED = result_line(result(verdict="not_tried", code=None))


@pytest.mark.parametrize("lines, same_boot, other_boot", [
    ((), QUEUED, QUEUED),
    ((P,), QUEUED, IN_DOUBT),
    ((P, D), IN_DOUBT, IN_DOUBT),
    ((P, D, R), KNOWN, KNOWN),
    ((P, D, P), IN_DOUBT, IN_DOUBT),
    ((P, R), KNOWN, KNOWN),
    ((P, NOT_TRIED), KNOWN, KNOWN),
    ((P, NOT_TRIED, P), QUEUED, IN_DOUBT),
    ((P, NOT_TRIED, P, D), IN_DOUBT, IN_DOUBT),
    ((P, D, R, P), KNOWN, KNOWN),
], ids=lambda lines: "".join(chr(line[0]) for line in lines) if isinstance(lines, tuple) else lines)
def test_fate_of_a_row(lines, same_boot, other_boot):
    """SEND-21, and SEND-32: an attempt that never reached the server is made again under its number."""
    assert what(*lines) == same_boot
    assert what(*lines, boot="boot-2") == other_boot


def test_each_attempt_has_a_fate_of_its_own():
    """SEND-21: only the attempt that the database says is claimed counts."""
    found = fates_of(P, D, result_line(result(verdict="deferred")), plan_line(1, 2), begin_line(1, 2))
    assert found.of(1, 2).what == IN_DOUBT and found.of(1, 3).what == QUEUED
    assert found.of(1, 1).what == IN_DOUBT, "a database older than its journal knows less than it"
    assert found.of(2, 1).what == QUEUED, "no line"
    late = fates_of(plan_line(1, 2), R)
    assert late.of(1, 2).what == QUEUED, "a line of an older attempt changes nothing"


def test_fates_run_over_segments():
    """SEND-20, SEND-21: a D may stand in another segment than its P, and its R in a third."""
    segments = [parse(HEADER + line) for line in (P, D, R)]
    assert [fates(segments[:n], "boot-1").of(1, 1).what for n in (1, 2, 3)] == [QUEUED, IN_DOUBT, KNOWN]
    assert fates([parse(header("s1", "boot-0") + P), parse(HEADER)], "boot-1").of(1, 1).what == IN_DOUBT


@given(st.text(), st.sampled_from([None, 250, 421, 599]), st.sampled_from([None, "5.1.1"]),
       st.datetimes(timezones=st.just(dt.UTC)), st.integers(1, 2**63), st.integers(1, 10**6))
def test_a_result_comes_back(text, code, enhanced, at, delivery_id, attempt):
    """SEND-17: everything a fold needs, on one line whatever the server said."""
    written = Result(delivery_id, attempt, at, "refused", code, enhanced, "rcpt", text)
    line = result_line(written)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and len(line) < 4 * MAX_TEXT + 200
    segment = parse(HEADER + line)
    assert not segment.damaged
    read = segment.lines[0].result
    assert read.text.isprintable() and len(read.text) == len(text[:MAX_TEXT])
    shown = "".join(c if c.isprintable() else " " for c in text)[:MAX_TEXT]
    assert read == Result(delivery_id, attempt, at, "refused", code, enhanced, "rcpt", shown)


@given(st.integers(0, 400))
def test_a_torn_last_line_was_not_written(cut):
    """SEND-21: whatever the length that a kill or a full disk left, the lines before the cut are what they were."""
    whole = HEADER + P + D + R + plan_line(2, 1)
    segment = parse(whole[:cut])
    assert not segment.damaged
    assert list(segment.lines) == list(parse(whole).lines[:max(0, whole[:cut].count(b"\n") - 1)])
    assert parse(whole[:cut] + bytes(100)).lines == segment.lines, "an unsynced tail may come back as zeros"


@given(st.data())
def test_one_wrong_byte_never_frees_a_row(data):
    """SEND-21: with a bad checksum anywhere, a row without R is in doubt, with a line left or not; and it is shown."""
    whole = HEADER + P + D + R + plan_line(2, 1) + plan_line(3, 1) + begin_line(3, 1) + plan_line(4, 1)
    place = data.draw(st.integers(0, len(whole) - 2))
    wrong = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    found = fates_of(head=whole[:place] + bytes([wrong]) + whole[place + 1:])
    assert found.damaged
    assert all(found.of(row, 1).what == IN_DOUBT for row in (2, 3, 4, 5))
    assert found.of(1, 1).what in (KNOWN, IN_DOUBT)


def test_a_damaged_journal_keeps_what_it_knows():
    """SEND-21: rows with an R keep their outcome; but one that was not tried may have begun again in a lost line."""
    bad = b"D 9 1 00000000\n"
    assert what(P, D, R, bad) == KNOWN
    assert what(P, NOT_TRIED, bad) == IN_DOUBT
    assert what(P, D, result_line(result(verdict="deferred")), bad, attempt=2) == IN_DOUBT


@pytest.mark.parametrize("head", [b"H 2 s1 boot-1 00000000\n", P, b"\n", header("s1", "boot 1")],
                         ids=["later format", "none", "empty", "words"])
def test_a_segment_without_its_header_is_damaged(head):
    """SEND-14: what another version wrote is not guessed at."""
    assert parse(head + P).damaged == [1]
    assert what(plan_line(1, 1), head=head) == IN_DOUBT


@pytest.mark.parametrize("body", [b"X 1 1", b"P 1", b"P 1 1 1", b"P one 1", b"R 1 1 2", b"D 1 1.5", b"", b"P  1"])
def test_a_right_checksum_is_not_enough(body):
    """SEND-21: a line must be one of ours."""
    assert parse(HEADER + b"%b %08x\n" % (body, crc32(body))).damaged == [2]


def test_an_empty_file_says_nothing():
    """SEND-14: a kill between the making of a segment and its header."""
    assert parse(b"") == parse(HEADER[:7])
    assert not parse(b"").lines and not parse(b"").damaged
