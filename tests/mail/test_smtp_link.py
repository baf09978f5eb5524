"""What leaves in which packet, and what can the server have when it breaks? (RFC 2920, SEND-16..18, SEND-30..31)"""

import ssl
import threading
import time
import tracemalloc

import pytest

from gateway.mail.relays import Timeouts, Verdict
from gateway.mail.smtp import SmtpConnection
from gateway.mail.smtp_url import SmtpUrl
from tests.support.mail_desk import Desk, carry
from tests.support.raw_server import Peer, raw_server

BODY = b"Subject: x\r\n\r\nhello\r\n"
LARGE = (b"y" * 998 + b"\r\n") * 20_000
"""More than the kernel takes for a reader that does not read."""

QUICK = Timeouts(5, 5, 0.4)


def send(url, data=BODY, *, timeouts=None, tls=None, count=1):
    with SmtpConnection(SmtpUrl.parse(url), timeouts=timeouts or Timeouts(5, 5, 5), tls=tls) as smtp:
        outcomes = [smtp.send("b@x.org", f"p{n}@example.org", data) for n in range(count)]
    return outcomes if count > 1 else outcomes[0]


def short(outcome):
    return outcome.kind, outcome.code, outcome.stage


def test_the_next_envelope_leaves_behind_the_body_and_the_next_body_waits():
    """RFC 2920 and SEND-18: one round trip a message; no body before the reply to the last one."""
    seen = []

    def talk(peer):
        peer.greet("PIPELINING")
        seen.append(peer.until(b"DATA\r\n"))
        peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
        for _ in range(2):
            seen.append(peer.until(b"DATA\r\n"))
            peer.say(b"250 taken\r\n")
            peer.sock.settimeout(0.1)
            with pytest.raises(TimeoutError):  # the envelope is not answered yet
                peer.read()
            peer.sock.settimeout(60)
            peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
        seen.append(peer.until(b"\r\n.\r\n"))
        peer.say(b"250 taken\r\n")
        peer.until(b"QUIT\r\n")
        peer.say(b"221 bye\r\n")

    desk = Desk()
    for n in range(3):
        desk.put(n, f"p{n}@example.org", b"\r\nhello\r\n")
    with raw_server(talk) as url:
        carry(desk, url + "?connections=1")
    envelope = b"MAIL FROM:<b-token@news.example.org>\r\nRCPT TO:<p%d@example.org>\r\nDATA\r\n"
    body = b"Message-ID: <%d@x.org>\r\n\r\nhello\r\n.\r\n"
    assert seen == [envelope % 0, body % 0 + envelope % 1, body % 1 + envelope % 2, body % 2]
    assert desk.kinds() == {Verdict.ACCEPTED: 3} and desk.most_under_way == 1


def test_without_pipelining_each_command_waits():
    """RFC 2920: only a server that offers it gets more than one command at a time; HELO where EHLO is unknown."""
    def talk(peer):
        peer.say(b"220-old\r\n220 server\r\n")
        for reply in (b"500 what?", b"250 hello", b"250 ok", b"250 ok", b"354 go"):
            peer.until(b"\r\n")
            assert peer.seen.count(b"\r\n") == 1, peer.seen
            words.append(peer.seen.split()[0])
            peer.seen = b""
            peer.say(reply + b"\r\n")
        peer.until(b"\r\n.\r\n")
        peer.say(b"250 taken\r\n")

    words = []
    with raw_server(talk) as url:
        assert short(send(url)) == (Verdict.ACCEPTED, 250, "message")
    assert words == [b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA"]


def test_a_server_that_reads_nothing_cannot_have_the_message():
    """SEND-30: it is silent, but the kernel has not taken the final dot."""
    done = threading.Event()

    def talk(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()
        done.wait(60)

    with raw_server(talk) as url:
        assert short(send(url, LARGE, timeouts=QUICK)) == (Verdict.DEFERRED, None, "message")
        done.set()


def test_a_slow_reader_is_not_silent():
    """SEND-26: the time for an answer begins when the message has been handed over, not while it is."""
    def talk(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()
        started = time.monotonic()
        while time.monotonic() < started + 2.5:
            peer.sock.recv(100_000)
            end.wait(0.03)
        end.wait(60)

    end, called = threading.Event(), time.monotonic()
    with raw_server(talk) as url:
        outcome = send(url, LARGE, timeouts=Timeouts(5, 5, 1.2))
        waited_s = time.monotonic() - called
        end.set()
    assert short(outcome) == (Verdict.DEFERRED, None, "message") and waited_s >= 2.5


@pytest.mark.parametrize(("reply", "expected"), [
    (b"250 2.0.0 taken\r\n", (Verdict.DEFERRED, None, "message")),
    (b"552 5.3.4 too much\r\n", (Verdict.REFUSED, 552, "message")),
    (b"451 4.3.0 later\r\n", (Verdict.DEFERRED, 451, "message")),
    (b"421 4.3.0 bye\r\n", (Verdict.DEFERRED, 421, "message")),
    (b"354 hm\r\n", (Verdict.DEFERRED, None, "message")),
])
def test_an_answer_before_the_dot_accepts_nothing(reply, expected):
    """SEND-27, SEND-30: the server answers while most of the body is still with us."""
    def talk(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()
        peer.read()
        peer.say(reply)
        end.wait(60)

    end = threading.Event()
    with raw_server(talk) as url:
        assert short(send(url, LARGE)) == expected
        end.set()


@pytest.mark.parametrize("early", [b"250 taken\r\n", b"2", b"250-taken\r\n"])
def test_an_answer_before_the_body_stops_it(early):
    """SEND-16: no note and no body for a server that has answered already."""
    def talk(peer):
        peer.greet("PIPELINING")
        peer.until(b"DATA\r\n")
        peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n" + early)
        assert peer.read() == b""

    desk = Desk()
    desk.put(0, "p@example.org")
    with raw_server(talk) as url:
        carry(desk, url + "?connections=1")
    assert short(desk.ended[0]) == (Verdict.DEFERRED, None, "message") and not desk.begun


def test_a_server_that_hangs_up_with_its_354_leaves_no_doubt():
    """SEND-31 is for messages that were handed over."""
    def talk(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()

    desk = Desk()
    desk.put(0, "p@example.org")
    with raw_server(talk) as url:
        carry(desk, url + "?connections=1")
    outcome, begun = desk.ended[0], desk.begun  # the end of the connection may come an instant after the 354
    assert outcome.kind is (Verdict.IN_DOUBT if begun else Verdict.DEFERRED) and outcome.stage == "message"


@pytest.mark.parametrize("talks", ["250 ok\r\n", "x"])
def test_words_on_an_idle_connection_end_it(talks):
    """Replies that nobody awaits make every later one doubtful."""
    def first(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()
        peer.until(b".\r\n")
        peer.say(b"250 taken\r\n" + talks.encode())
        peer.read()

    def second(peer):
        peer.greet("PIPELINING")
        peer.take_envelope()
        peer.until(b".\r\n")
        peer.say(b"550 no\r\n")
        peer.read()

    with raw_server(first, second) as url:
        outcomes = send(url, count=2)
    assert short(outcomes[0]) == (Verdict.ACCEPTED, 250, "message")
    assert short(outcomes[1]) in ((Verdict.REFUSED, 550, "message"), (Verdict.DEFERRED, None, "mail"))


@pytest.mark.parametrize("flood", [b"x" * 65536, b"250-x\r\n" * 8192, b"250-" + b"y" * 8000 + b"\r\n",
                                   b"\r\n" * 30_000])
def test_a_flood_fills_no_memory(flood):
    """A hostile server: it may send what it likes, we keep no more than a reply may be."""
    def talk(peer):
        peer.say(b"220 raw\r\n")
        peer.until(b"\r\n")
        for _ in range(2000):
            peer.say(flood)

    with raw_server(talk) as url:
        tracemalloc.start()
        try:
            outcome = send(url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert outcome.kind is Verdict.NOT_TRIED and outcome.stage == "ehlo" and len(outcome.text) <= 500
    assert peak < 4_000_000


@pytest.mark.parametrize("extra", [b"250-evil\r\n", b"250 evil\r\n", b"2"])
def test_words_slipped_in_before_tls_are_not_believed(extra):
    """STARTTLS: what follows the reply in clear could have been written by anybody on the way."""
    def talk(peer):
        peer.greet("PIPELINING", "STARTTLS", "AUTH PLAIN")
        peer.until(b"STARTTLS\r\n")
        peer.say(b"220 go ahead\r\n" + extra)
        while peer.read():
            pass
        assert b"AUTH" not in peer.seen and b"MAIL" not in peer.seen

    with raw_server(talk) as url:
        outcome = send(url.replace("smtp://", "smtp+starttls://user:secret@"))
    assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, "starttls")


@pytest.mark.parametrize("lies", [b"220 go\r\n", b"454 4.7.0 no TLS now\r\n", b"501 what?\r\n"])
def test_tls_that_does_not_come_about_stops_everything(lies):
    """SEND-26: nothing goes on in clear when TLS was asked for."""
    def talk(peer):
        peer.greet("STARTTLS", "AUTH PLAIN")
        peer.until(b"STARTTLS\r\n")
        peer.say(lies)
        peer.read()
        peer.say(b"this is no TLS\r\n")
        while peer.read():
            pass
        assert b"AUTH" not in peer.seen and b"MAIL" not in peer.seen

    with raw_server(talk) as url:
        outcome = send(url.replace("smtp://", "smtp+starttls://user:secret@"), timeouts=Timeouts(5, 0.5, 5))
    assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, "starttls")


@pytest.mark.parametrize("read_all", [False, True], ids=["not read", "read"])
def test_tls_knows_too_what_was_handed_over(certificate, read_all):
    """SEND-30, SEND-31: under TLS the record with the final dot decides."""
    server, client, _ = certificate

    def talk(peer):
        with server.wrap_socket(peer.sock, server_side=True) as secured:
            peer = Peer(secured)
            peer.greet("PIPELINING")
            peer.take_envelope()
            if read_all:
                peer.until(b"\r\n.\r\n")

    with raw_server(talk) as url:
        outcome = send(url.replace("smtp://", "smtps://"), BODY if read_all else LARGE, tls=client)
    assert short(outcome) == (Verdict.IN_DOUBT if read_all else Verdict.DEFERRED, None, "message")


def test_an_old_tls_is_refused(certificate):
    """SEND-26: verified TLS of a version that is in force."""
    server, client, _ = certificate
    with pytest.warns(DeprecationWarning):
        server.maximum_version = ssl.TLSVersion.TLSv1_1

    def talk(peer):
        with pytest.raises(ssl.SSLError):
            server.wrap_socket(peer.sock, server_side=True)

    try:
        with raw_server(talk) as url:
            outcome = send(url.replace("smtp://", "smtps://"), tls=client)
    finally:
        server.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, "connect")
