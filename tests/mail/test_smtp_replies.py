"""Replies out of a stream of bytes, however it is cut (RFC 5321 section 4.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.smtp_replies import MAX_LINE_BYTES, MAX_REPLY_BYTES, Replies
from gateway.mail.wire import data_form


def read(*chunks):
    replies, found = Replies(), []
    for chunk in chunks:
        replies.feed(chunk)
        while (reply := replies.next()) is not None:
            found.append((reply.code, reply.text))
    return found, replies.pending


@pytest.mark.parametrize(("stream", "expected"), [
    (b"250 ok\r\n", [(250, "ok")]),
    (b"250\r\n", [(250, "")]),
    (b"250-a\r\n250-b\r\n250 c\r\n354 go\n", [(250, "a b c"), (354, "go")]),
    (b"250-a\r\n550 b\r\n", [(0, "a 550 b")]),
    (b"hello\r\n", [(0, "hello")]),
    (b"25 ok\r\n2500 ok\r\n250ok\r\n\r\n", [(0, "25 ok"), (0, "2500 ok"), (0, "250ok"), (0, "")]),
    ("\u0662\u0665\u0660 ok\r\n".encode(), [(0, "\u0662\u0665\u0660 ok")]),
    (b"250 \x00\x1b[1m\xff\r\n", [(250, "  [1m\ufffd")]),
])
def test_what_is_a_reply(stream, expected):
    """What is none has code 0, which makes sense nowhere."""
    assert read(stream) == (expected, False)


@given(st.lists(st.sampled_from([b"250 ok\r\n", b"250-a\r\n", b"354 go\n", b"x\r\n", b"550 5.1.1 no\r\n", b"25", b"\r",
                                 b"\n", b"421-"])), st.data())
def test_how_the_stream_is_cut_does_not_matter(pieces, data):
    """Slow bytes and full packets say the same."""
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*chunks) == read(stream)


@given(st.binary(max_size=200), st.integers(1, 400))
def test_no_stream_is_kept(piece, times):
    """Whatever comes, no more than a reply is in memory."""
    replies = Replies()
    for _ in range(times):
        replies.feed(piece)
        while (reply := replies.next()) is not None:
            assert sum(map(len, reply.lines)) <= MAX_REPLY_BYTES + MAX_LINE_BYTES
        assert len(replies._rest) - replies._at <= MAX_LINE_BYTES


@given(st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b"..", b"\r\n.\r\n"])))
def test_the_form_of_a_message_on_the_wire(pieces):
    """RFC 5321 section 4.5.2: one final dot, no bare CR or LF; a server reads what was meant."""
    data = b"".join(pieces)
    form = data_form(data)
    wire = form.wire
    assert wire.endswith(b".\r\n") and wire.count(b"\r\n") == wire.count(b"\r") == wire.count(b"\n")
    lines = wire.split(b"\r\n")
    assert lines.index(b".") == len(lines) - 2
    meant = b"".join(line[line.startswith(b"."):] + b"\r\n" for line in lines[:-2])
    whole = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    assert meant == whole + (b"" if whole.endswith(b"\r\n") else b"\r\n")
    assert form.size_bytes == len(meant)
