"""All connections of a process: shares, limits, failover, back-off; each message has its end (SEND-16..18, 26..36)."""

import asyncio
import socket
import time
from collections import Counter

import pytest

from gateway.mail.relays import Timeouts, Verdict
from gateway.mail.smtp_pace import Backoff, Rate
from tests.support.mail_desk import Desk, carry, until, with_relays
from tests.support.raw_server import raw_server
from tests.support.smtp_sink import SmtpSink

ACCEPTED, NOT_TRIED = Verdict.ACCEPTED, Verdict.NOT_TRIED


@pytest.fixture
def sink():
    with SmtpSink() as running:
        yield running


@pytest.fixture
def closed():
    """The URL of a port where nobody listens, and stays so."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"smtp://127.0.0.1:{reserved.getsockname()[1]}"


def desk_of(number, name="p{}@example.org", **options):
    desk = Desk()
    for n in range(number):
        desk.put(n, name.format(n), **options)
    return desk


def test_messages_go_out_over_several_connections(sink):
    """SEND-26: reused connections, so many messages each; SEND-16: a note before each body."""
    desk = desk_of(300)
    carry(desk, sink.url + "?connections=4&messages=50")
    assert desk.kinds() == {ACCEPTED: 300} and not desk.refused
    assert sorted(m.envelope_to[0] for m in sink.messages) == sorted(f"p{n}@example.org" for n in range(300))
    assert sorted(desk.begun) == list(range(300)) and desk.most_under_way <= 4
    assert max(Counter(m.connection for m in sink.messages).values()) == 50


def test_no_more_connections_than_told(sink):
    """SEND-26."""
    desk, most = desk_of(200), []

    async def work(relays):
        while len(desk.ended) < 200:
            most.append(len(sink.open_connections))
            await asyncio.sleep(0.001)

    with_relays(desk, sink.url + "?connections=3", work)
    assert desk.kinds() == {ACCEPTED: 200} and max(most) <= 3
    assert 2 <= len({m.connection for m in sink.messages}) <= 3


def test_connections_wait_for_more(sink):
    """An idle connection is kept and takes the next message when it is woken."""
    desk = desk_of(1)

    async def work(relays):
        await until(relays.idle)
        await until(lambda: len(desk.ended) == 1)
        for n in (1, 2):
            desk.put(n, f"p{n}@example.org")
            relays.wake()
            assert not relays.idle()
            await until(lambda n=n: n in desk.ended)

    with_relays(desk, sink.url + "?connections=1", work)
    assert desk.kinds() == {ACCEPTED: 3} and sink.connections == 1


def test_a_rate_is_kept(sink):
    """SEND-34: messages a second of one relay, over all its connections."""
    desk, started = desk_of(60), time.monotonic()
    carry(desk, sink.url + "?rate=80")
    assert desk.kinds() == {ACCEPTED: 60}
    assert 0.6 < time.monotonic() - started < 30


def test_shares_follow_the_weights():
    """Issue: several relays with weights."""
    desk = desk_of(400)
    with SmtpSink() as one, SmtpSink() as other:
        carry(desk, f"{one.url}?weight=3&connections=3,{other.url}?weight=1&connections=3")
        shares = len(one.messages), len(other.messages)
    assert desk.kinds() == {ACCEPTED: 400}
    assert 280 <= shares[0] <= 330, shares
    assert Counter(desk.taken_by.values()) == {f"127.0.0.1:{one.port}": shares[0], f"127.0.0.1:{other.port}": shares[1]}


def test_a_relay_that_hangs_holds_nobody_up(sink):
    """A relay of great weight that does not answer in time."""
    desk = desk_of(100)
    with SmtpSink(replies={"MAIL": b""}) as silent:
        carry(desk, f"{silent.url}?weight=9&connections=2,{sink.url}?weight=1",
              timeouts=Timeouts(5, 2.5, 5), seconds=15)
    assert desk.kinds()[ACCEPTED] >= 98 and len(sink.messages) >= 98


def test_failover(sink, closed):
    """SEND-32: what one relay did not take goes out over the other; nobody is counted as tried."""
    desk = desk_of(100)
    carry(desk, f"{closed}?weight=5,{sink.url}")
    assert desk.kinds() == {ACCEPTED: 100} and len(sink.messages) == 100
    assert desk.refused and {(name, o.stage) for name, o in desk.refused} == {(closed[7:], "connect")}
    assert len(desk.refused) <= 2  # one connection tries, and not all the time


def test_a_relay_comes_back():
    """SEND-32: it is tried again after a second; ``wait_s`` says when."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    desk, waits = desk_of(5), []

    async def work(relays):
        assert relays.wait_s() == 0
        await until(lambda: desk.refused)
        waits.append(relays.wait_s())
        with SmtpSink(port=port) as sink:
            await until(lambda: len(desk.ended) == 5)
            assert relays.wait_s() == 0 and len(sink.messages) == 5
            await relays.close()

    with_relays(desk, f"smtp://127.0.0.1:{port}", work)
    assert desk.kinds() == {ACCEPTED: 5} and 0 < waits[0] <= 1 and len(desk.refused) == 1


@pytest.mark.parametrize(("verb", "reply", "stage"), [
    ("CONNECT", b"421 4.3.2 too busy\r\n", "greeting"), ("EHLO", b"550 5.7.1 not you\r\n", "ehlo"),
    ("MAIL", b"550 5.7.1 sender refused\r\n", "mail"), ("MAIL", b"451 4.7.1 slow down\r\n", "mail"),
    ("MAIL", b"421 4.3.2 closing\r\n", "mail"),
])
def test_a_relay_that_refuses_us_backs_off(verb, reply, stage):
    """SEND-32, SEND-36: told once for each refusal; the message goes back and is no recipient's failure."""
    desk = desk_of(3)

    async def work(relays):
        await until(lambda: desk.refused)
        assert 0 < relays.wait_s() <= 1 and len(desk.waiting) == 3
        await until(lambda: len(desk.refused) == 2)
        assert 1 < relays.wait_s() <= 2

    with SmtpSink(replies={verb: reply}) as sink:
        with_relays(desk, sink.url, work)
        assert not sink.messages
    assert [(o.kind, o.code, o.stage) for _, o in desk.refused] == [(NOT_TRIED, int(reply[:3]), stage)] * 2
    assert not desk.ended and not desk.begun


def test_a_server_that_takes_few_connections_is_not_down():
    """SEND-32: the connection that is refused backs off, the others go on."""
    desk = desk_of(150)
    with SmtpSink() as sink:
        one_more = sink.note

        def note(session, *, is_open):
            one_more(session, is_open=is_open)
            if is_open and len(sink.open_connections) > 2:
                session.hang_up(b"421 4.7.0 too many connections\r\n")

        sink.note = note
        carry(desk, sink.url + "?connections=6")
    assert desk.kinds() == {ACCEPTED: 150} and {o.code for _, o in desk.refused} == {421}
    assert len(desk.refused) <= 8


@pytest.mark.parametrize("word", ["mail-421-once", "mail-drop-once"])
def test_what_a_server_gives_up_between_messages_is_not_counted(sink, word):
    """SEND-30: the envelope that left behind a body goes out again, first on a new connection."""
    desk = desk_of(3)
    desk.put(3, "p3@example.org", sender=f"{word}@news.example.org")
    desk.put(4, "p4@example.org")
    carry(desk, sink.url + "?connections=1")
    assert desk.kinds() == {ACCEPTED: 5} and not desk.refused
    assert [m.connection for m in sink.messages] == [1, 1, 1, 2, 2]


@pytest.mark.parametrize(("word", "kind", "stage"), [
    ("mail-drop", Verdict.DEFERRED, "mail"), ("drop-at-rcpt", Verdict.DEFERRED, "rcpt")])
def test_a_message_that_ends_every_connection_is_tried_twice_at_most(sink, word, kind, stage):
    """SEND-30: deferred, so that it does not stand in the way of all others for ever."""
    desk = desk_of(1)
    desk.put(1, f"{word}@example.org", sender=f"{word}@news.example.org")
    desk.put(2, "p2@example.org")
    carry(desk, sink.url + "?connections=1")
    assert desk.kinds() == {ACCEPTED: 2, kind: 1} and desk.ended[1].stage == stage and sink.connections <= 3


def test_a_server_that_hangs_up_after_every_login_is_left_alone():
    """SEND-32: nothing was said about the message, so it goes back, and the relay backs off."""
    def talk(peer):
        peer.say(b"220 raw\r\n")
        peer.until(b"\r\n")
        peer.say(b"250 PIPELINING\r\n")

    desk = desk_of(1)

    async def work(relays):
        await until(lambda: desk.refused or desk.ended)

    with raw_server(talk, *[talk] * 3) as url:
        with_relays(desk, url + "?connections=1", work)
        for _ in range(3):  # whoever was not needed
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    # the end of the connection may be seen before MAIL leaves, or after
    assert [(o.kind, o.stage) for _, o in desk.refused] == [(NOT_TRIED, "mail")] or (
        desk.ended[0].kind is Verdict.DEFERRED)


def test_a_server_that_loses_every_message_is_left_alone():
    """SEND-32: it must not put a whole mailing in doubt; three connections, then a pause."""
    desk = desk_of(50, "drop-after-dot.{}@example.org")

    async def work(relays):
        await until(lambda: relays.wait_s() > 0)

    with SmtpSink() as sink:
        with_relays(desk, sink.url + "?connections=1", work)
        assert len(sink.messages) == 3
    assert desk.kinds() == {Verdict.IN_DOUBT: 3} and len(desk.waiting) == 47


def test_closing_finishes_what_is_in_hand(sink):
    """SEND-38: the messages in hand are finished; what was not taken stays where it was."""
    desk = desk_of(2000)

    async def work(relays):
        await until(lambda: len(desk.ended) >= 50)
        await relays.close()

    with_relays(desk, sink.url + "?connections=4", work)
    assert set(desk.kinds()) == {ACCEPTED} and 50 <= len(desk.ended) < 2000
    assert len(sink.messages) == len(desk.ended) and len(desk.ended) + len(desk.waiting) == 2000
    sink.wait_until(lambda: not sink.open_connections)


def test_dropping_leaves_nothing_open(sink):
    """SEND-31, SEND-32: whole bodies are in doubt, envelopes go back."""
    desk = desk_of(20, "silent-after-dot.{}@example.org")

    async def work(relays):
        await until(lambda: desk.under_way == 4)
        await until(lambda: len(sink.messages) == 4)
        await relays.close(drop=True)

    with_relays(desk, sink.url + "?connections=4", work)
    assert desk.kinds() == {Verdict.IN_DOUBT: 4} and len(desk.waiting) == 16
    sink.wait_until(lambda: not sink.open_connections)


def test_closing_while_a_connection_is_being_made():
    """The message goes back at once."""
    desk = desk_of(1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()

        async def work(relays):
            await until(lambda: desk.out)
            await relays.close()

        with_relays(desk, f"smtp://127.0.0.1:{mute.getsockname()[1]}", work)
    assert len(desk.waiting) == 1 and not desk.refused and time.monotonic() - started < 30


def test_the_note_is_made_before_the_first_byte_of_the_body(sink):
    """SEND-16; and none for a message that gets no 354."""
    desk, seen = desk_of(1), []
    desk.put(1, "bounce-5xx@example.org")
    note = desk.begin

    def begin(message):
        seen.append((message.delivery_id, len(sink.messages), [s.in_data and not s.buffer for s in
                                                               sink.open_connections]))
        note(message)

    desk.begin = begin
    carry(desk, sink.url + "?connections=1")
    assert seen == [(0, 0, [True])] and desk.kinds() == {ACCEPTED: 1, Verdict.REFUSED: 1}


def test_a_source_may_wake_the_relays_out_of_its_calls(sink):
    """Nothing is taken twice on one connection, and no command comes out of turn."""
    desk = desk_of(20)
    desk.waiting += desk_of(40, "bounce-5xx.{}@example.org").waiting[20:]
    desk.waiting += desk_of(60, "no address {}").waiting[40:]
    desk.waiting.sort(key=lambda message: message.delivery_id % 20)
    end = desk.end

    async def work(relays):
        def wakes(message, outcome):
            relays.wake()
            end(message, outcome)
            relays.wake()

        desk.end = wakes
        await until(lambda: len(desk.ended) == 60)

    with_relays(desk, sink.url + "?connections=1", work)
    assert desk.kinds() == {ACCEPTED: 20, Verdict.REFUSED: 40} and len(sink.messages) == 20 and sink.connections == 1
    assert not desk.refused and {o.code for o in desk.ended.values()} == {250, 550, 553}


def test_a_note_that_cannot_be_written_stops_the_body(sink):
    """SEND-18: the connection is dropped, there is no outcome, nothing was sent; the next envelope goes back."""
    desk = desk_of(40)
    note = desk.begin

    def begin(message):
        if message.delivery_id == 7:
            del desk.out[7]
            raise OSError("disk full")
        note(message)

    desk.begin = begin

    async def work(relays):
        await until(lambda: len(desk.ended) == 39)

    with_relays(desk, sink.url + "?connections=2", work)
    assert desk.kinds() == {ACCEPTED: 39} and 7 not in desk.ended
    assert len(sink.messages) == 39 and ("p7@example.org",) not in [m.envelope_to for m in sink.messages]


@pytest.mark.parametrize("verb", ["take", "end"])
def test_what_the_source_raises_comes_out(sink, verb):
    """A sender whose books are broken stops, loudly (SEND-18)."""
    desk = desk_of(20)
    calls, right = [], getattr(desk, verb)

    def broken(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise ZeroDivisionError
        return right(*arguments)

    setattr(desk, verb, broken)
    desk.again = False

    async def work(relays):
        await asyncio.sleep(10)

    with pytest.raises(ZeroDivisionError):
        with_relays(desk, sink.url + "?connections=2", work)
    sink.wait_until(lambda: not sink.open_connections)


def test_how_a_backoff_grows():
    """SEND-32: 1 s to 5 min."""
    backoff, waits = Backoff(), []
    for _ in range(11):
        backoff.fail(100.0)
        waits.append(backoff.until - 100)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    backoff.clear()
    backoff.fail(5.0)
    assert backoff.until == 6


def test_how_a_rate_flows():
    """SEND-34: evenly, with a tenth of a second's worth in hand."""
    rate, now, gone = Rate(50), 1000.0, 0
    while rate.next_at <= now:
        rate.spend(now)
        gone += 1
    assert gone in (6, 7) and rate.next_at == pytest.approx(now + 0.02, abs=0.021)
    spent = [rate.next_at]
    for _ in range(3):
        rate.spend(rate.next_at)
        spent.append(rate.next_at)
    assert [round(b - a, 6) for a, b in zip(spent, spent[1:], strict=False)] == [0.02] * 3
    free = Rate(None)
    free.spend(now)
    assert free.next_at == 0
