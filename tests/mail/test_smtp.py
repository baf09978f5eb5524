"""The SMTP connection against a scripted server: every reply and every break has its outcome (SEND-26..32)."""

import json
import socket
import threading

import pytest

from gateway.errors import SettingsError
from gateway.mail.smtp import SmtpConnection, Timeouts, Verdict
from gateway.mail.smtp_url import SmtpUrl
from gateway.mail.wire import helo_name
from tests.support.smtp_sink import SmtpSink

BODY = b"Subject: x\r\n\r\nhello\r\n"
SENDER = "b-token@news.example.org"


@pytest.fixture
def sink(tmp_path):
    with SmtpSink(tmp_path / "sink.jsonl") as running:
        yield running


def connect(sink, **options):
    options.setdefault("timeouts", Timeouts(5, 5, 5))
    return SmtpConnection(SmtpUrl.parse(sink.url), **options)


def short(outcome):
    return outcome.kind, outcome.code, outcome.enhanced, outcome.stage


def test_an_accepted_message_arrives_as_it_is(sink):
    """SEND-27; dots stuffed and taken off again (SEND-41); 8-bit bytes as they are; a null return path (SEND-44)."""
    data = "Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nK\u00f6ln\r\n".encode()
    with connect(sink) as smtp:
        assert short(smtp.send(SENDER, "ada@example.org", data)) == (Verdict.ACCEPTED, 250, "2.0.0", "message")
        assert short(smtp.send("", "bob@example.org", b".first line is a dot\r\n"))[0] is Verdict.ACCEPTED
    first, second = sink.wait_for(2)
    assert (first.envelope_from, first.envelope_to, first.data) == (SENDER, ("ada@example.org",), data)
    assert (second.envelope_from, second.data) == ("", b".first line is a dot\r\n")
    assert sink.connections == 1
    logged = [json.loads(line) for line in sink.log_path.read_text().splitlines()]
    assert [line["to"] for line in logged] == [["ada@example.org"], ["bob@example.org"]]


@pytest.mark.parametrize("extensions", [("PIPELINING", "SIZE 1000000"), ()], ids=["pipelined", "one by one"])
@pytest.mark.parametrize(("local", "expected"), [
    ("bounce-5xx", (Verdict.REFUSED, 550, "5.1.1", "rcpt")),
    ("full", (Verdict.REFUSED, 552, "5.2.2", "rcpt")),
    ("defer-4xx", (Verdict.DEFERRED, 451, "4.3.0", "rcpt")),
    ("reject-data", (Verdict.REFUSED, 554, "5.7.1", "message")),
    ("421", (Verdict.DEFERRED, 421, "4.3.2", "rcpt")),
    ("drop-after-dot", (Verdict.IN_DOUBT, None, None, "message")),
    ("ada", (Verdict.ACCEPTED, 250, "2.0.0", "message")),
])
def test_each_reply_has_its_outcome_and_the_next_message_goes_out(tmp_path, extensions, local, expected):
    """SEND-27..31."""
    with SmtpSink(extensions=extensions) as sink, connect(sink) as smtp:
        assert short(smtp.send(SENDER, f"{local}@example.org", BODY)) == expected
        assert smtp.send(SENDER, "next@example.org", BODY).kind is Verdict.ACCEPTED
        taken = [m.envelope_to for m in sink.wait_for(1)]
        assert sink.connections == (2 if expected[1] in (421, None) else 1)
    assert taken[-1] == ("next@example.org",)
    assert (f"{local}@example.org",) in taken or expected[0] in (Verdict.REFUSED, Verdict.DEFERRED)


def test_a_server_that_answers_354_without_a_recipient(tmp_path):
    """RFC 2920 section 3.1: the empty message is ended, its reply ignored, the refusal kept."""
    with SmtpSink(careless=True) as sink, connect(sink) as smtp:
        assert short(smtp.send(SENDER, "bounce-5xx@example.org", BODY))[:3] == (Verdict.REFUSED, 550, "5.1.1")
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.ACCEPTED
        assert [m.envelope_to for m in sink.messages] == [("ada@example.org",)]


def test_a_connection_lost_inside_a_long_body_is_deferred(sink):
    """SEND-30: the final dot cannot have been handed over."""
    with connect(sink) as smtp:
        outcome = smtp.send(SENDER, "drop-in-data@example.org", (b"y" * 998 + b"\r\n") * 30_000)
        assert short(outcome) == (Verdict.DEFERRED, None, None, "message")
        assert sink.messages == []
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.ACCEPTED


def test_silence_after_the_dot_is_in_doubt(sink):
    """SEND-31: timed out after the dot was handed over; the message did arrive, and only once."""
    with connect(sink, timeouts=Timeouts(5, 5, 0.3)) as smtp:
        assert short(smtp.send(SENDER, "silent-after-dot@example.org", BODY)) == (
            Verdict.IN_DOUBT, None, None, "message")
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.ACCEPTED
    assert [m.answered for m in sink.wait_for(2)] == [False, True]


def test_a_late_answer_is_waited_for(sink):
    """SEND-26: up to 600 s after the dot, so a slow server is not taken for a dead one."""
    outcomes = []
    with connect(sink) as smtp:
        sender = threading.Thread(target=lambda: outcomes.append(
            smtp.send(SENDER, "silent-after-dot@example.org", BODY)))
        sender.start()
        sink.wait_for(1)
        sink.release()
        sender.join(60)
    assert [o.kind for o in outcomes] == [Verdict.ACCEPTED]


@pytest.mark.parametrize(("verb", "reply", "code"), [
    ("CONNECT", b"554 5.3.2 no mail today\r\n", 554),
    ("CONNECT", b"421 4.3.2 too busy\r\n", 421),
    ("EHLO", b"550 5.7.1 not you\r\n", 550),
    ("MAIL", b"550 5.7.1 sender refused\r\n", 550),
    ("MAIL", b"451 4.3.0 later\r\n", 451),
    ("MAIL", b"421 4.3.2 closing\r\n", 421),
])
def test_a_server_that_refuses_us_is_not_the_recipients_fault(verb, reply, code):
    """SEND-32."""
    with SmtpSink(replies={verb: reply}) as sink, connect(sink) as smtp:
        outcome = smtp.send(SENDER, "ada@example.org", BODY)
        stage = {"CONNECT": "greeting"}.get(verb, verb.lower())
        assert (outcome.kind, outcome.code, outcome.stage) == (Verdict.NOT_TRIED, code, stage)
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.NOT_TRIED


def test_no_server_at_all():
    """SEND-32."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        smtp = SmtpConnection(SmtpUrl.parse(f"smtp://127.0.0.1:{reserved.getsockname()[1]}"))
        assert short(smtp.send(SENDER, "ada@example.org", BODY)) == (Verdict.NOT_TRIED, None, None, "connect")


def test_a_server_that_never_greets():
    """SEND-26: the greeting has its own timeout."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        smtp = SmtpConnection(SmtpUrl.parse(f"smtp://127.0.0.1:{mute.getsockname()[1]}"), timeouts=Timeouts(0.2, 5, 5))
        assert short(smtp.send(SENDER, "ada@example.org", BODY)) == (Verdict.NOT_TRIED, None, None, "greeting")


def test_an_idle_connection_closed_by_the_server_costs_nobody_an_attempt(sink):
    """SEND-26, SEND-30: nothing was begun, so the message goes out over a new connection."""
    with connect(sink) as smtp:
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.ACCEPTED
        sink.hang_up()
        sink.wait_until(lambda: not sink.open_connections)
        assert smtp.send(SENDER, "bob@example.org", BODY).kind is Verdict.ACCEPTED
    assert len(sink.messages) == 2 and sink.connections == 2


def test_a_connection_carries_so_many_messages_and_no_more(sink):
    """SEND-26."""
    with SmtpConnection(SmtpUrl.parse(sink.url + "?messages=3")) as smtp:
        for n in range(7):
            assert smtp.send(SENDER, f"p{n}@example.org", BODY).kind is Verdict.ACCEPTED
    assert [m.connection for m in sink.messages] == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("address", ["a b@example.org", "a@example.org>\r\nRCPT TO:<b@example.org", "a\x00@b.org",
                                     "nobody", "", "\ud800@example.org"])
def test_an_address_cannot_smuggle_commands(sink, address):
    """An address is a parameter, never a command."""
    with connect(sink) as smtp:
        assert short(smtp.send(SENDER, address, BODY))[:3] == (Verdict.REFUSED, 553, "5.1.3")
    assert sink.messages == []


def test_a_non_ascii_address_needs_smtputf8(sink):
    """RFC 6531; the address is refused here, not mangled."""
    with connect(sink) as smtp:
        assert short(smtp.send(SENDER, "j\u00f6rg@example.org", BODY))[:3] == (Verdict.REFUSED, 553, "5.6.7")
    with SmtpSink(extensions=("PIPELINING", "SMTPUTF8")) as modern, connect(modern) as smtp:
        assert smtp.send(SENDER, "j\u00f6rg@example.org", BODY).kind is Verdict.ACCEPTED
        assert modern.messages[0].envelope_to == ("j\u00f6rg@example.org",)


def test_bare_line_ends_cannot_end_a_message_early(sink):
    """A bare LF before a dot is a line end to some servers: it becomes CRLF, and the dot is stuffed."""
    with connect(sink) as smtp:
        smtp.send(SENDER, "ada@example.org", b"Subject: x\n\nhi\n.\nMAIL FROM:<evil@example.org>\r.\rbye")
    assert sink.wait_for(1)[0].data == b"Subject: x\r\n\r\nhi\r\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\nbye\r\n"


def test_replies_are_cut_and_printable():
    """A server may say anything."""
    reply = b"550-5.1.1 no\x1b[31m such\xff user\r\n550 5.1.1 " + b"x" * 4000 + b"\r\n"
    with SmtpSink(replies={"RCPT": reply}) as sink, connect(sink) as smtp:
        outcome = smtp.send(SENDER, "ada@example.org", BODY)
    assert (outcome.kind, outcome.code, outcome.enhanced) == (Verdict.REFUSED, 550, "5.1.1")
    assert len(outcome.text) == 500 and outcome.text.isprintable()


@pytest.mark.parametrize("reply", [b"nonsense\r\n", b"354 what?\r\n", b"200" + b"x" * 20_000 + b"\r\n"])
def test_replies_without_sense_are_no_refusal(reply):
    """SEND-30: nobody is counted as bounced because of a broken server."""
    with SmtpSink(replies={"RCPT": reply}) as sink, connect(sink) as smtp:
        assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.DEFERRED
    assert sink.messages == []


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
def test_tls_and_login(certificate, implicit):
    """SEND-26: TLS as set, user and password percent-decoded."""
    server, client, _ = certificate
    with SmtpSink(tls=server, implicit_tls=implicit, users={"us@er": "p:/%\u0020w"}) as sink:
        with connect(sink, tls=client) as smtp:
            assert smtp.send(SENDER, "ada@example.org", BODY).kind is Verdict.ACCEPTED
        assert [(m.tls, m.user) for m in sink.wait_for(1)] == [(True, "us@er")]


@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
def test_an_untrusted_certificate_stops_everything(certificate, implicit):
    """SEND-26: TLS is verified by default, and there is no falling back to plain text."""
    with SmtpSink(tls=certificate[0], implicit_tls=implicit) as sink, connect(sink) as smtp:
        outcome = smtp.send(SENDER, "ada@example.org", BODY)
        assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, "connect" if implicit else "starttls")
        assert "certificate" in outcome.text.lower() and sink.messages == []


@pytest.mark.parametrize(("host", "name"), [("news.example.org", "news.example.org"), ("127.0.0.1", "[127.0.0.1]"),
                                            ("::1", "[IPv6:::1]"), ("k\u00f6ln.example", "xn--kln-sna.example")])
def test_how_we_name_ourselves(host, name):
    """RFC 5321 section 4.1.3."""
    assert helo_name(host) == name


def test_a_probe_goes_as_far_as_the_login(certificate):
    """operator.md, `gateway doctor`: what is wrong with the mail server, without sending anything."""
    server, client, _ = certificate
    with SmtpSink(tls=server, users={"user": "right"}) as sink:
        assert SmtpConnection.probe(sink.url, tls=client) is None
        assert SmtpConnection.probe(sink.url.replace("right", "wrong"), tls=client).startswith("auth: 535 5.7.8 wrong")
        assert SmtpConnection.probe(sink.url).startswith("starttls: ")
        sink.wait_until(lambda: not sink.open_connections)
        assert sink.messages == []


def test_starttls_that_is_not_offered_stops_everything(sink):
    """No password and no mail over a connection that was to be protected."""
    smtp = SmtpConnection(SmtpUrl.parse(f"smtp+starttls://u:p@127.0.0.1:{sink.port}"), timeouts=Timeouts(5, 5, 5))
    assert short(smtp.send(SENDER, "ada@example.org", BODY)) == (Verdict.NOT_TRIED, None, None, "starttls")


@pytest.mark.parametrize("password", ["wrong", "p\u00e4ss"])
def test_a_wrong_password_is_not_the_recipients_fault(password):
    """SEND-32."""
    with SmtpSink(users={"user": "right"}) as sink:
        url = SmtpUrl("smtp", "127.0.0.1", sink.port, "user", password)
        with SmtpConnection(url, timeouts=Timeouts(5, 5, 5)) as smtp:
            outcome = smtp.send(SENDER, "ada@example.org", BODY)
    assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, "auth")


@pytest.mark.parametrize(("text", "expected"), [
    ("smtp://127.0.0.1", SmtpUrl("smtp", "127.0.0.1", 25)),
    ("smtp://[::1]:2525", SmtpUrl("smtp", "::1", 2525)),
    ("smtp+starttls://me%40x:p%2Fw%3A@mx.example.org", SmtpUrl("smtp+starttls", "mx.example.org", 587, "me@x", "p/w:")),
    ("smtps://u@mail.example.org/", SmtpUrl("smtps", "mail.example.org", 465, "u", "")),
])
def test_urls(text, expected):
    """operator.md, GATEWAY_SMTP_URL."""
    url = SmtpUrl.parse(text)
    assert url == expected and "p/w" not in repr(url)


@pytest.mark.parametrize("text", ["http://x", "smtp://", "smtp://x:99999", "mail.example.org", "smtp://h/path", ""])
def test_bad_urls_name_the_setting(text):
    """operator.md: a bad value is a clear error at start."""
    with pytest.raises(SettingsError, match="GATEWAY_SMTP_URL"):
        SmtpUrl.parse(text)
