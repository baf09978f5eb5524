"""Lines of the spool: what was written is read back, anything else is damage (SEND-47, SEND-50)."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import hitlog
from gateway.domain.hits import Hit
from gateway.domain.tokens import MAX_NUMBER, Kind, Token

NOW = dt.datetime(2026, 1, 15, 12, 0, 0, 123000, tzinfo=dt.UTC)
numbers = st.integers(0, MAX_NUMBER)
tokens = st.builds(Token, st.sampled_from([Kind.OPEN, Kind.CLICK, Kind.INSTANCE_OPEN, Kind.INSTANCE_CLICK]), numbers,
                   numbers, st.integers(0, 65535), numbers)
hits = st.builds(Hit, st.sampled_from(["GET", "HEAD"]), st.text(max_size=400), st.just("203.0.113.0/24"), st.booleans())


@given(token=tokens, hit=hits)
def test_a_hit_is_read_back(token, hit):
    """SEND-47: whatever a client calls itself; control characters become blanks, long names are cut."""
    data = hitlog.line(token, hit, NOW)
    assert data.count(b"\n") == 1 and len(data) < 1600
    [(end, record)] = hitlog.records(data, 1000)
    assert end == 1000 + len(data) and record.position == 1000
    assert (record.token, record.at, record.hit.method, record.hit.prefetch) == (token, NOW, hit.method, hit.prefetch)
    cut = hit.agent[:hitlog.MAX_AGENT]
    assert record.hit.agent == "".join(c if c.isprintable() else " " for c in cut)


@given(token=tokens, at=st.integers(0, 60), byte=st.integers(0, 255))
def test_a_changed_byte_is_damage_and_costs_no_neighbour(token, at, byte):
    """SEND-50: a checksum a line."""
    line = hitlog.line(token, Hit("GET", "agent", ""), NOW)
    at %= len(line) - 1
    changed = line[:at] + bytes((byte,)) + line[at + 1:]
    found = [record for _, record in hitlog.records(line + changed + line, 0)]
    assert found[0].token == found[-1].token == token
    assert changed == line or byte == 10 or found[1] is None


def test_a_line_that_is_not_finished_is_not_there():
    """SEND-47: it was answered to nobody."""
    line = hitlog.line(Token(Kind.OPEN, 1, 2), Hit("GET", "agent", ""), NOW)
    for cut in range(len(line)):
        assert len(list(hitlog.records(line + line[:cut], 0))) == 1
    assert list(hitlog.records(b"", 0)) == []


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(data):
    """Whatever a broken disk gives back."""
    assert all(record is None for _, record in hitlog.records(data, 0))
