"""How we log in, and what we believe of a server's offers (SEND-26, SEND-32; RFC 4954, 3207, 1870)."""

import threading

import pytest

from gateway.errors import SettingsError
from gateway.mail.smtp import SmtpConnection, Timeouts, Verdict
from gateway.mail.smtp_url import SmtpUrl, parse_relays
from tests.support.raw_server import raw_server
from tests.support.smtp_sink import SmtpSink

BODY = b"Subject: x\r\n\r\nhello\r\n"


def send(url, data=BODY, **options):
    with SmtpConnection(SmtpUrl.parse(url), timeouts=Timeouts(5, 5, 5), **options) as smtp:
        return smtp.send("b@x.org", "ada@example.org", data)


def refused(outcome, stage, words=""):
    assert (outcome.kind, outcome.stage) == (Verdict.NOT_TRIED, stage) and words in outcome.text, outcome
    return True


@pytest.mark.parametrize(("offered", "wanted"), [
    (("PLAIN",), ""), (("LOGIN",), ""), (("PLAIN", "LOGIN"), "?auth=login"), (("XOAUTH2", "PLAIN"), "?auth=plain")])
def test_each_way_to_log_in(offered, wanted):
    """SEND-26: the mechanism of the URL, else what the server offers."""
    with SmtpSink(users={"ada@x": "p\u00e4ss:word"}, auth=offered) as sink:
        assert send(sink.url + wanted).kind is Verdict.ACCEPTED
        assert sink.messages[0].user == "ada@x"


def test_a_token_is_read_at_each_login(tmp_path):
    """SEND-26: whoever renews the token writes the file anew; a wrong one is a refusal of us, with its code."""
    file = tmp_path / "token"
    with SmtpSink(users={"ada": "right"}) as sink:
        url = f"{sink.url.replace(':right', '')}?auth=xoauth2&token_file={file}&messages=1"
        assert refused(send(url), "auth", "token file")
        for content in ("", "two words", "n\u00f6", "x\ny"):
            file.write_text(content)
            assert refused(send(url), "auth", "one token")
        file.write_text("wrong\n")
        outcome = send(url)
        assert refused(outcome, "auth") and (outcome.code, outcome.enhanced) == (535, "5.7.8")
        with SmtpConnection(SmtpUrl.parse(url), timeouts=Timeouts(5, 5, 5)) as smtp:
            for _ in range(2):
                file.write_text("right\n")
                assert smtp.send("b@x.org", "ada@example.org", BODY).kind is Verdict.ACCEPTED
            file.write_text("wrong\n")
            assert refused(smtp.send("b@x.org", "ada@example.org", BODY), "auth")


@pytest.mark.parametrize(("offered", "url", "words"), [
    (("XOAUTH2",), "", "offers no login by PLAIN or LOGIN"), (("LOGIN",), "?auth=plain", "offers no login by PLAIN")])
def test_a_way_to_log_in_that_is_not_offered(offered, url, words):
    """SEND-32: clear words for the operator."""
    with SmtpSink(users={"ada": "right"}, auth=offered) as sink:
        assert refused(send(sink.url + url), "auth", words)


def test_a_server_that_never_stops_asking():
    """RFC 4954: what we have no answer for is cancelled."""
    def talk(peer):
        peer.greet("AUTH LOGIN")
        for _ in range(4):
            peer.until(b"\r\n")
            peer.say(b"334 VXNlcm5hbWU6\r\n")
        said.append(peer.seen)
        peer.until(b"\r\n")
        peer.say(b"501 cancelled\r\n")

    said = []
    with raw_server(talk) as url:
        assert refused(send(url.replace("//", "//ada:secret@")), "auth", "cancelled")
    assert said[0].endswith(b"AUTH LOGIN\r\nYWRh\r\nc2VjcmV0\r\n*\r\n")


def test_what_was_offered_before_tls_is_forgotten(certificate):
    """RFC 3207: only what the server says under TLS counts."""
    server, client, _ = certificate

    def talk(peer):
        peer.greet("PIPELINING", "AUTH PLAIN", "SIZE 5", "STARTTLS")
        peer.until(b"STARTTLS\r\n")
        peer.say(b"220 go\r\n")
        with server.wrap_socket(peer.sock, server_side=True) as secured:
            peer.sock = secured
            peer.until(b"\r\n")
            peer.say(b"250-raw\r\n250 AUTH LOGIN\r\n")
            for reply in (b"334 VXNlcm5hbWU6", b"334 UGFzc3dvcmQ6", b"235 welcome", b"250 ok", b"250 ok", b"354 go"):
                words.append(peer.until(b"\r\n"))
                peer.say(reply + b"\r\n")
            peer.until(b"\r\n.\r\n")
            peer.say(b"250 taken\r\n")
            peer.until(b"QUIT\r\n")

    words = []
    with raw_server(talk) as url:
        outcome = send(url.replace("smtp://", "smtp+starttls://ada:secret@"), tls=client)
    assert outcome.kind is Verdict.ACCEPTED
    assert words[0] == b"AUTH LOGIN\r\n" and words[3:] == [b"MAIL FROM:<b@x.org>\r\n", b"RCPT TO:<ada@example.org>\r\n",
                                                         b"DATA\r\n"]


def test_an_authority_of_ones_own(certificate, tmp_path):
    """SEND-26: ``ca`` is believed instead of the system's authorities."""
    server, _, pem = certificate
    with SmtpSink(tls=server) as sink:
        assert refused(send(sink.url), "starttls", "certificate")
        assert send(f"{sink.url}?ca={pem}").kind is Verdict.ACCEPTED
        (tmp_path / "empty.pem").write_text("nothing")
        assert refused(send(f"{sink.url}?ca={tmp_path / 'empty.pem'}"), "starttls")
    with SmtpSink(tls=server) as sink:  # the certificate is for 127.0.0.1
        assert refused(send(f"smtp+starttls://localhost:{sink.port}?ca={pem}"), "starttls", "localhost")


@pytest.mark.parametrize(("size", "kind"), [(1000, Verdict.ACCEPTED), (1001, Verdict.REFUSED)])
def test_a_message_above_the_servers_size_is_refused_here(size, kind):
    """RFC 1870: 5.3.4 in clear words, nothing said to the server; dots that are stuffed do not count."""
    data = b".\r\n" * 100 + b"x" * (size - 302) + b"\r\n"
    with SmtpSink(extensions=("PIPELINING", "SIZE 1000")) as sink:
        outcome = send(sink.url, data)
        assert outcome.kind is kind and len(sink.messages) == (kind is Verdict.ACCEPTED)
    if kind is Verdict.REFUSED:
        assert (outcome.code, outcome.enhanced, outcome.stage) == (552, "5.3.4", "message")
        assert "1001 bytes" in outcome.text and "1000" in outcome.text


@pytest.mark.parametrize("offer", ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999", "SIZE -5"])
def test_a_size_that_is_no_limit(offer):
    """RFC 1870: no number, or 0, is no limit."""
    with SmtpSink(extensions=(offer,)) as sink:
        assert send(sink.url).kind is Verdict.ACCEPTED


def test_half_a_reply_gives_no_more_time():
    """SEND-26: a server that answers byte by byte and never ends is as good as silent."""
    def talk(peer):
        peer.greet("PIPELINING")
        peer.until(b"DATA\r\n")
        for _ in range(100):
            if gone.wait(0.1):
                break
            peer.say(b"2")

    gone = threading.Event()
    with raw_server(talk) as url, SmtpConnection(SmtpUrl.parse(url), timeouts=Timeouts(5, 0.5, 5)) as smtp:
        outcome = smtp.send("b@x.org", "ada@example.org", BODY)
        gone.set()
    assert (outcome.kind, outcome.code) == (Verdict.DEFERRED, None) and "in time" in outcome.text


def test_what_mail_says():
    """RFC 1870, 6152, 6531: the parameters the server offers, and no others."""
    def talk(peer):
        peer.greet("pipelining", "8bitmime", "SIZE 1000", "SmtpUtf8", "")
        said.append(peer.until(b"DATA\r\n"))
        peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n")
        peer.until(b"\r\n.\r\n")
        peer.say(b"250 taken\r\n")
        said.append(peer.until(b"DATA\r\n"))
        peer.say(b"250 ok\r\n250 ok\r\n354 go\r\n")

    said = []
    with raw_server(talk) as url, SmtpConnection(SmtpUrl.parse(url), timeouts=Timeouts(5, 5, 5)) as smtp:
        smtp.send("b@x.org", "ada@example.org", BODY)
        smtp.send("b@x.org", "j\u00f6rg@example.org", BODY)
    mail = f"MAIL FROM:<b@x.org> SIZE={len(BODY)} BODY=8BITMIME"
    assert said == [f"{mail}\r\nRCPT TO:<ada@example.org>\r\nDATA\r\n".encode(),
                    f"{mail} SMTPUTF8\r\nRCPT TO:<j\u00f6rg@example.org>\r\nDATA\r\n".encode()]


@pytest.mark.parametrize(("text", "options"), [
    ("smtp://h?weight=3&connections=20&rate=2.5&messages=7", {"weight": 3, "connections": 20, "rate": 2.5,
                                                              "messages": 7}),
    ("smtp://u@h?auth=XOAUTH2&token_file=/run/a%20b", {"auth": "xoauth2", "token_file": "/run/a b"}),
    ("smtp://u:p@h?auth=login", {"auth": "login"}),
    ("smtps://h?ca=" + __file__, {"ca": __file__}),
])
def test_options(text, options):
    """operator.md, GATEWAY_SMTP_URL."""
    url = SmtpUrl.parse(text)
    assert {name: getattr(url, name) for name in options} == options


@pytest.mark.parametrize(("query", "words"), [
    ("wieght=3", "'wieght' is not an option"), ("weight=0", "weight must be a whole number"), ("weight=1.5", "weight"),
    ("connections=5000", "connections"), ("messages=-1", "messages"), ("rate=0", "rate"), ("rate=nan", "rate"),
    ("rate=fast", "rate"), ("auth=cram-md5", "auth must be"), ("auth=plain", "auth needs a user"),
    ("token_file=/x", "go together"), ("ca=/x", "ca needs"), ("weight=1&weight=2", "twice"), ("ca=", "path of a file"),
])
def test_bad_options_name_the_setting(query, words):
    """operator.md: a clear error at start."""
    with pytest.raises(SettingsError, match="^GATEWAY_SMTP_URL: ") as caught:
        SmtpUrl.parse(f"smtp://h?{query}")
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["smtps://h?ca=/nowhere/ca.pem", "smtp://u@h?auth=xoauth2", "smtp://u%00:p@h",
                                  "smtp://a,smtp://", "smtp://a,,smtp://b", "smtp://h#x", "smtp://h,h2"])
def test_more_bad_urls(text):
    """operator.md."""
    with pytest.raises(SettingsError, match="GATEWAY_SMTP_URL"):
        parse_relays(text)


def test_several_relays():
    """A comma inside a password is part of it unless a URL follows."""
    urls = parse_relays("smtp://a , smtps://u:p,w@b?weight=2,smtp+starttls://[::1]:26")
    assert [(u.security, u.name, u.password, u.weight) for u in urls] == [
        ("smtp", "a:25", None, 1), ("smtps", "b:465", "p,w", 2), ("smtp+starttls", "[::1]:26", None, 1)]


def test_the_next_relay_helps_who_waits():
    """Test copies and notices go to the first relay that takes us; a probe says what is wrong with each."""
    with SmtpSink(replies={"CONNECT": b"421 4.3.2 busy\r\n"}) as busy, SmtpSink() as sink:
        urls = f"{busy.url},{sink.url}"
        with SmtpConnection(*parse_relays(urls), timeouts=Timeouts(5, 5, 5)) as smtp:
            assert smtp.send("b@x.org", "ada@example.org", BODY).kind is Verdict.ACCEPTED
        assert SmtpConnection.probe(urls) == f"127.0.0.1:{busy.port}: greeting: 421 4.3.2 busy"
        assert SmtpConnection.probe(f"{sink.url},{sink.url}") is None
