"""Messages: read back by the standard library, they say what the mailing and the person say (SEND-39..46)."""

import datetime as dt
import email
import email.policy
import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token
from gateway.errors import GatewayError
from gateway.mail import headers
from gateway.mail.message import MailingContent, Recipient, compile_mailing, mail_domain
from gateway.mail.smtp import SmtpConnection, Verdict
from gateway.mail.smtp_url import SmtpUrl
from tests.support.smtp_sink import SmtpSink

KEYS = Keys.from_secret(b"k" * 32)
NOW = dt.datetime(2026, 3, 1, 12, 30, 5, tzinfo=dt.UTC)
URL = "https://news.example.org"
HTML = ('<html><body><p>Dear {{ FirstName|default("member") }},</p><a href="https://www.example.org/a?x=1&amp;y=2">Agenda</a>'
        '<a href="https://www.example.org/?id={{ MemberId }}">Yours</a><a href="{{ unsubscribe_url }}">Leave</a>'
        '<a href="{{ view_url }}">Browser</a></body></html>\n')
values = st.text(max_size=120) | st.sampled_from([
    "", "\r\nBcc: evil@example.org", ".\r\n", "\r\n.\r\nMAIL FROM:<x>", "x" * 3000, "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600" * 40, "a\x00b"])


def content(**changes):
    given_ = {"subject": "News for {{ FirstName }}", "from_name": "J\u00f6rg, Ltd.", "from_address": "news@example.org",
              "reply_to": "office@example.org", "html": HTML, "text": ""}
    return MailingContent(**{**given_, **changes})


def compiled(**changes):
    return compile_mailing(content(**changes), public_url=URL, list_id="9999.news.example.org", keys=KEYS)


def recipient(**changes):
    given_ = {"brand_id": 9999, "instance_id": 5, "delivery_id": 77, "email": "ada@example.org",
              "values": {"FirstName": "Ada", "MemberId": "K 17"}}
    return Recipient(**{**given_, **changes})


def parsed(message):
    check_form(message.data)
    return email.message_from_bytes(message.data, policy=email.policy.default)


def check_form(data):
    """RFC 5322 and SEND-41: ASCII, CRLF only, no line over 998, body lines up to 76."""
    assert data.isascii() and b"\x00" not in data
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") and data.endswith(b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998 and max(map(len, body.split(b"\r\n"))) <= 76


def body(message, kind):
    """The decoded text of one part, with LF line ends."""
    return message.get_body((kind,)).get_content().replace("\r\n", "\n")


def test_the_headers_of_a_message():
    """SEND-42."""
    built = compiled().build(recipient(name="Ada Qu\u00efll"), NOW)
    message = parsed(built)
    assert message.keys() == ["From", "Reply-To", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Id",
                              "List-Unsubscribe-Post", "MIME-Version", "Content-Type"]
    assert str(message["From"]) == '"J\u00f6rg, Ltd." <news@example.org>'
    assert str(message["To"]) == "Ada Qu\u00efll <ada@example.org>" and message["Subject"] == "News for Ada"
    assert message["Reply-To"] == "office@example.org" and message["Date"].datetime == NOW
    assert message["List-Id"] == "<9999.news.example.org>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    https, mailto = re.fullmatch(r"<https://news\.example\.org/u/([\w-]+)>, <mailto:(u-\w+)@news\.example\.org"
                                 r"\?subject=unsubscribe>", message["List-Unsubscribe"]).groups()
    assert tokens.read(KEYS, https) == tokens.read_local_part(KEYS, mailto) == Token(Kind.UNSUBSCRIBE, 9999, 77)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_envelope():
    """SEND-44: the return path says who it was."""
    built = compiled().build(recipient(email="ada@k\u00f6ln.example"), NOW)
    local, _, domain = built.envelope_from.partition("@")
    assert domain == "news.example.org" and len(local) <= 64
    assert tokens.read_local_part(KEYS, local) == Token(Kind.BOUNCE, 9999, 77)
    assert built.envelope_to == "ada@xn--kln-sna.example"


def test_the_message_id_is_a_function_of_instance_delivery_and_domain():
    """SEND-23: every attempt is recognisably the same message."""
    mailing = compiled()
    first = mailing.build(recipient(), NOW)
    again = compiled(subject="Other").build(recipient(values={}), NOW + dt.timedelta(hours=1))
    assert parsed(first)["Message-ID"] == parsed(again)["Message-ID"] == f"<{mailing.message_id(recipient())}>"
    assert mailing.build(recipient(), NOW) == first
    ids = {mailing.message_id(recipient(delivery_id=d, instance_id=i)) for d in (0, 1, 2**62) for i in (0, 1, 2**62)}
    assert len(ids) == 9
    local = mailing.message_id(recipient()).partition("@")[0]
    assert tokens.read_local_part(KEYS, local) == Token(Kind.MESSAGE, 9999, 77, 5)


def test_links_lead_through_the_tracking_address():
    """SEND-45, SEND-46: a token names a link by number; the URL is in the frozen table alone."""
    mailing = compiled()
    message = parsed(mailing.build(recipient(), NOW))
    assert mailing.links == ("https://www.example.org/a?x=1&y=2",)
    for kind in ("html", "plain"):
        found = [tokens.read(KEYS, text) for text in re.findall(URL + r"/t/([\w-]+)", body(message, kind))]
        assert [t for t in found if t.kind is Kind.CLICK] == [Token(Kind.CLICK, 9999, 77, 0)]
        assert len(found) == (2 if kind == "html" else 1)
        assert "https://www.example.org/?id=K%2017" in body(message, kind)
        [leave] = re.findall(URL + r"/u/([\w-]+)", body(message, kind))
        assert tokens.read(KEYS, leave) == Token(Kind.UNSUBSCRIBE, 9999, 77)
        [view] = re.findall(URL + r"/v/([\w-]+)", body(message, kind))
        assert tokens.read(KEYS, view) == Token(Kind.VIEW, 9999, 77)
    [pixel] = re.findall(r'<img src="https://news.example.org/t/([\w-]+)" width="1" height="1"[^>]*>\n</body>',
                         body(message, "html"))
    assert tokens.read(KEYS, pixel) == Token(Kind.OPEN, 9999, 77)


def test_tracking_is_switched_off_by_the_mailing():
    """SOAP-54: trackOpens, trackClicks."""
    mailing = compiled(track_opens=False, track_clicks=False)
    message = parsed(mailing.build(recipient(), NOW))
    assert mailing.links == () and "/t/" not in body(message, "html") + body(message, "plain")
    assert 'href="https://www.example.org/a?x=1&amp;y=2"' in body(message, "html")


def test_the_same_url_has_one_number_in_both_parts():
    """SEND-39."""
    mailing = compiled(html='<a href="https://b.org">b</a><a href="https://a.org">a</a>', text="https://a.org https://c.org")
    assert mailing.links == ("https://b.org", "https://a.org", "https://c.org")
    text = body(parsed(mailing.build(recipient(), NOW)), "plain")
    assert [tokens.read(KEYS, t).link for t in re.findall(r"/t/([\w-]+)", text)] == [1, 2]


def test_a_part_without_an_unsubscribe_link_gets_one():
    """SEND-42: no way to forget it."""
    message = parsed(compiled(html="<body>x</body>", text="y").build(recipient(), NOW))
    assert re.search(r'<a href="https://news.example.org/u/[\w-]+">Unsubscribe</a></p>\n<img .*\n</body>',
                     body(message, "html"))
    assert re.search(r"^y\n\nUnsubscribe: https://news.example.org/u/[\w-]+\n", body(message, "plain"))
    own = parsed(compiled(text="Leave: {{ unsubscribe_url }}").build(recipient(), NOW))
    for kind in ("html", "plain"):
        assert body(own, kind).count("/u/") == 1


def test_a_text_part_is_made_from_the_html():
    """SEND-41."""
    mailing = compiled()
    text = body(parsed(mailing.build(recipient(), NOW)), "plain")
    assert mailing.text_made and not compiled(text="x").text_made
    assert text.startswith("Dear Ada,\n\nAgenda (https://news.example.org/t/")


def test_a_condition_that_ends_in_markup_does_not_break_the_text_part():
    """SEND-41: the text is still made, without its conditions."""
    html = "{% if FirstName %}<p>Hi</p><style>{% endif %}p{}</style><p>there</p>"
    assert body(parsed(compiled(html=html).build(recipient(), NOW)), "plain").startswith("Hi\n\nthere")


@settings(deadline=None)
@given(first=values, member=values, name=values)
def test_nothing_of_a_person_can_break_a_message(first, member, name):
    """SEND-40, SEND-41: header injection is impossible; subject, names and bodies come back as they were."""
    mailing = BOTH_PARTS
    person = recipient(values={"FirstName": first, "MemberId": member}, name=name)
    message = parsed(mailing.build(person, NOW))
    assert len(message.keys()) == 11 and not message.defects
    assert message["Subject"] == headers.one_line(f"News for {first}")
    assert [a.addr_spec for a in message["To"].addresses] == ["ada@example.org"]
    lines = first.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    assert body(message, "plain").startswith(f".Hi {lines}!\n")
    rendered = mailing.render(person, NOW)
    assert (rendered.html, rendered.text) == (body(message, "html"), body(message, "plain"))
    assert rendered.subject == message["Subject"]


BOTH_PARTS = compiled(text=".Hi {{ FirstName }}!\n.\n..two\nFrom here\n")


@settings(deadline=None, max_examples=60)
@given(subject=st.text(max_size=200), html=st.text(min_size=1, max_size=300), name=values)
def test_any_content_either_compiles_or_is_refused(subject, html, name):
    """SEND-40: what an author writes is refused with a field, or makes sound messages."""
    try:
        mailing = compiled(subject=subject, html=html, from_name=name)
    except GatewayError as error:
        assert error.code in ("INVALID_VALUE", "INVALID_CHARACTER") and error.field in ("subject", "html")
        return
    message = parsed(mailing.build(recipient(), NOW))
    assert not message.defects and len(message.keys()) == 11


@pytest.mark.parametrize(("changes", "code", "field"), [
    ({"subject": " "}, "INVALID_VALUE", "subject"), ({"html": ""}, "INVALID_VALUE", "html"),
    ({"subject": "{{ X"}, "INVALID_VALUE", "subject"), ({"html": "{% for %}"}, "INVALID_VALUE", "html"),
    ({"text": "{{ X() }}"}, "INVALID_VALUE", "text"), ({"html": "a\x00"}, "INVALID_CHARACTER", "html"),
    ({"from_address": "a@x.org\r\nBcc: b@x.org"}, "INVALID_EMAIL", "fromAddress"),
    ({"reply_to": "nobody"}, "INVALID_EMAIL", "replyTo"),
])
def test_faults_are_found_when_the_mailing_is_made(changes, code, field):
    """SEND-40: never half-way through the audience."""
    with pytest.raises(GatewayError) as caught:
        compiled(**changes)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_recipient_without_a_sound_address_is_refused_alone():
    """The delivery is left out; the others go on."""
    with pytest.raises(GatewayError) as caught:
        compiled().build(recipient(email="a b@example.org"), NOW)
    assert caught.value.code == "INVALID_EMAIL"


def test_merge_tags_of_a_mailing():
    """SEND-40: what the warning at creation is made of."""
    assert compiled(text="{{ City }}").merge_tags == {"FirstName", "MemberId", "City"}


def test_values_cannot_take_the_place_of_our_own():
    """A field may have any name; the unsubscribe link stays ours."""
    person = recipient(values={"unsubscribe_url": "https://evil.org", "_open": "x", "_click0": "y"})
    text = body(parsed(compiled().build(person, NOW)), "html")
    assert "evil" not in text and "/t/y" not in text and "/t/x" not in text


@pytest.mark.parametrize(("url", "domain"), [
    ("https://news.example.org/mail", "news.example.org"), ("http://127.0.0.1:8080", "localhost.localdomain"),
    ("http://[::1]:8080", "localhost.localdomain"), ("http://localhost", "localhost.localdomain"),
    ("https://k\u00f6ln.example.", "xn--kln-sna.example"),
])
def test_the_domain_of_return_paths(url, domain):
    """SEND-44."""
    assert mail_domain(url) == domain


def test_a_message_arrives_byte_for_byte():
    """SEND-41: over a real connection, dots stuffed and taken off again."""
    mailing = compiled(html="<p>.</p>\n.\n..\n.x\n", text=".\n..\n.x {{ FirstName }}\n")
    with SmtpSink() as sink, SmtpConnection(SmtpUrl.parse(sink.url)) as smtp:
        sent = [mailing.build(recipient(delivery_id=n, values={"FirstName": "."}), NOW) for n in range(1, 6)]
        for message in sent:
            outcome = smtp.send(message.envelope_from, message.envelope_to, message.data)
            assert outcome.kind is Verdict.ACCEPTED
        assert [(m.envelope_from, m.data) for m in sink.wait_for(5)] == [(m.envelope_from, m.data) for m in sent]


def test_building_keeps_nothing():
    """SEND-39: memory does not grow with the audience."""
    mailing = compiled()
    tracemalloc.start()
    try:
        for n in range(50):
            mailing.build(recipient(delivery_id=n), NOW)
        before = tracemalloc.get_traced_memory()[0]
        for n in range(2000):
            mailing.build(recipient(delivery_id=n, values={"FirstName": f"P{n}"}), NOW)
        assert tracemalloc.get_traced_memory()[0] - before < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("html", [
    "<p>x</p>", "<p>x</p><!-- {{ unsubscribe_url }} -->",
    '{% if A %}<a href="{{ unsubscribe_url }}">Leave</a>{% endif %}<p>x</p>',
    "<body><p>x</p></body><!-- </body> -->"])
def test_everybody_sees_a_way_out(html):
    """SEND-42, ID-43: a link in a comment or under a condition does not replace the one that everybody gets."""
    message = parsed(compiled(html=html).build(recipient(), NOW))
    for part in message.iter_parts():
        seen = re.sub("<!--.*?-->", "", part.get_content(), flags=re.S)
        assert "/u/" in seen, part.get_content_type()
