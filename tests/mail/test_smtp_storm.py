"""Thousands of messages to a server that misbehaves in every way: our outcomes are what happened (SEND-12, SEND-61)."""

import random
from collections import Counter

import pytest

from gateway.mail.relays import Timeouts, Verdict
from gateway.mail.wire import data_form
from tests.support.mail_desk import Desk, carry
from tests.support.smtp_script import script_of
from tests.support.smtp_sink import SmtpSink

ACCEPTED, REFUSED, DEFERRED, IN_DOUBT = Verdict.ACCEPTED, Verdict.REFUSED, Verdict.DEFERRED, Verdict.IN_DOUBT

EXPECTED = {
    None: (ACCEPTED, 250, "message"),
    "long-at-rcpt": (ACCEPTED, 250, "message"),
    "slow-bytes": (ACCEPTED, 250, "message"),
    "bounce-5xx": (REFUSED, 550, "rcpt"),
    "full": (REFUSED, 552, "rcpt"),
    "careless-bounce": (REFUSED, 550, "rcpt"),
    "gullible-bounce": (REFUSED, 550, "rcpt"),
    "defer-4xx": (DEFERRED, 451, "rcpt"),
    "421": (DEFERRED, 421, "rcpt"),
    "wrong-at-rcpt": (DEFERRED, 334, "rcpt"),
    "half-at-rcpt": (DEFERRED, None, "rcpt"),
    "drop-at-rcpt": (DEFERRED, None, "rcpt"),
    "flood-at-rcpt": (DEFERRED, None, "rcpt"),
    "silent-at-rcpt": (DEFERRED, None, "rcpt"),
    "data-4xx": (DEFERRED, 451, "data"),
    "data-5xx": (REFUSED, 554, "data"),
    "data-503": (REFUSED, 503, "data"),
    "data-421": (DEFERRED, 421, "data"),
    "wrong-at-data": (DEFERRED, 250, "data"),
    "drop-at-data": (DEFERRED, None, "data"),
    "early-at-data": (DEFERRED, None, "message"),
    "reject-data": (REFUSED, 554, "message"),
    "dot-4xx": (DEFERRED, 451, "message"),
    "dot-421": (DEFERRED, 421, "message"),
    "early-reject": (REFUSED, 552, "message"),
    "drop-in-data": (IN_DOUBT, None, "message"),  # the body is small: all of it was handed over
    "drop-after-dot": (IN_DOUBT, None, "message"),
    "half-after-dot": (IN_DOUBT, None, "message"),
    "wrong-after-dot": (IN_DOUBT, 354, "message"),
    "nonsense-after-dot": (IN_DOUBT, None, "message"),
    "silent-after-dot": (IN_DOUBT, None, "message"),
}
SENDERS = ("mail-4xx-once", "mail-5xx-once", "mail-421-once", "mail-drop-once")
SILENT = ("silent-at-rcpt", "silent-after-dot")
MAY_BREAK_FIRST = ("early-reject", "drop-in-data")
"""The server closes while the body is under way: which of both the client sees first is a matter of luck."""


def post(desk, rng, number, words):
    """Puts a message with a script, or none, to the desk; what it was is in its address."""
    word = rng.choice(words) if rng.random() < 0.3 else None
    if word in SILENT and rng.random() < 0.8:
        word = None
    lines = rng.choices([b".", b"..x", b"", b"some words", b"x" * 70, b".\t."], k=rng.choice((1, 5, 40, 800)))
    sender = f"{rng.choice(SENDERS)}.{number}" if rng.random() < 0.003 else f"b-{number}"
    desk.put(number, f"{word}.{number}@example.org" if word else f"p{number}@example.org",
             b"Subject: x\r\n\r\n" + b"\r\n".join(lines) + b"\r\n", f"{sender}@news.example.org")


def mismatches(posted, desk, sink):
    """Each message whose outcome is not what the server did, in words."""
    taken = {}
    for received in sink.messages:
        if received.envelope_to:
            assert received.envelope_to not in taken, "the server has it twice"
            taken[received.envelope_to] = received
    for message in posted:
        outcome, word = desk.ended[message.delivery_id], script_of(message.envelope_to)
        got = (outcome.kind, outcome.code, outcome.stage)
        received = taken.pop((message.envelope_to,), None)
        if received is not None and (data_form(received.data) != message.form or received.envelope_from
                                     != message.envelope_from):
            yield f"{message.envelope_to}: not what was sent"
        if (received is not None) != (outcome.kind in (ACCEPTED, IN_DOUBT)) and word != "drop-in-data":
            yield f"{message.envelope_to}: {got}, and the server has {received}"
        dropped = "mail-drop" in message.envelope_from and got == (DEFERRED, None, "mail")
        if got != EXPECTED[word] and not dropped and not (
                word in MAY_BREAK_FIRST and got in ((IN_DOUBT, None, "message"), (DEFERRED, None, "message"))):
            yield f"{message.envelope_to}: {got}"
        if outcome.kind in (ACCEPTED, IN_DOUBT) and message.delivery_id not in desk.begun:
            yield f"{message.envelope_to}: {got} without a note (SEND-16)"
    assert not taken


@pytest.mark.parametrize(("number", "extensions"), [
    (4000, ("PIPELINING", "8BITMIME", "SIZE 50000000")), (600, ("8BITMIME",))], ids=["pipelined", "one by one"])
def test_no_mismatch(number, extensions):
    """SEND-61: zero mismatches over eight connections; SEND-12: at most one message per connection under way."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng, desk = random.Random(seed), Desk()
    words = [word for word in EXPECTED if word]
    for n in range(number):
        post(desk, rng, n, words)
    posted = list(desk.waiting)
    with SmtpSink(extensions=extensions) as sink:
        carry(desk, sink.url + "?connections=8&messages=100", seconds=60, timeouts=Timeouts(5, 0.5, 0.5))
        found = list(mismatches(posted, desk, sink))
    assert not found, (seed, found[:10], len(found))
    assert desk.most_under_way <= 8
    seen = Counter(script_of(message.envelope_to) for message in posted)
    print(f"{number} messages, {sink.connections} connections, {dict(seen)}, {desk.kinds()}, {len(desk.refused)} back")
