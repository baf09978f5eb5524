"""Messages: read back by the standard library, they say what the mailing and the person say (SEND-39..46)."""

import datetime as dt
import email
import email.policy
import re
import time
import tracemalloc
from dataclasses import replace
from email.errors import NonASCIILocalPartDefect
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import tokens
from gateway.domain.files import MailingFile
from gateway.domain.hits import HIDDEN_URL
from gateway.domain.tokens import Keys, Kind, Token
from gateway.errors import GatewayError
from gateway.mail import headers
from gateway.mail.message import MailingContent, Recipient, compile_mailing, mail_domain
from gateway.mail.smtp import SmtpConnection, Verdict
from gateway.mail.smtp_url import SmtpUrl
from gateway.mail.wire import data_form
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
    return compile_mailing(content(**changes), public_url=URL, list_id="9999.news.example.org", keys=KEYS,
                           feedback_id="5:9999:mailing:gateway")


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
    assert sorted(message.keys()) == sorted([
        "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Id",
        "List-Unsubscribe-Post", "Feedback-ID", "Precedence", "MIME-Version", "Content-Type"])
    assert str(message["From"]) == '"J\u00f6rg, Ltd." <news@example.org>'
    assert str(message["To"]) == "Ada Qu\u00efll <ada@example.org>" and message["Subject"] == "News for Ada"
    assert message["Reply-To"] == "office@example.org" and message["Date"].datetime == NOW
    assert message["Feedback-ID"] == "5:9999:mailing:gateway" and message["Precedence"] == "bulk"
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
    assert mailing.links == ("https://www.example.org/a?x=1&y=2", HIDDEN_URL)
    for kind in ("html", "plain"):
        found = [tokens.read(KEYS, text) for text in re.findall(URL + r"/t/([\w-]+)", body(message, kind))]
        hidden = [1] if kind == "html" else []
        clicks = [Token(Kind.INSTANCE_CLICK, 9999, 77, link, 5) for link in [0, *hidden]]
        assert [t for t in found if t.kind is Kind.INSTANCE_CLICK] == clicks
        assert len(found) == (3 if kind == "html" else 1)
        assert "https://www.example.org/?id=K%2017" in body(message, kind)
        [leave] = re.findall(URL + r"/u/([\w-]+)", body(message, kind))
        assert tokens.read(KEYS, leave) == Token(Kind.UNSUBSCRIBE, 9999, 77)
        [view] = re.findall(URL + r"/v/([\w-]+)", body(message, kind))
        assert tokens.read(KEYS, view) == Token(Kind.VIEW, 9999, 77)
    [pixel] = re.findall(r'<img src="https://news.example.org/t/([\w-]+)" width="1" height="1"[^>]*>\n</body>',
                         body(message, "html"))
    assert tokens.read(KEYS, pixel) == Token(Kind.INSTANCE_OPEN, 9999, 77, 0, 5)


def test_tracking_is_switched_off_by_the_mailing():
    """SOAP-54: trackOpens, trackClicks."""
    mailing = compiled(track_opens=False, track_clicks=False)
    message = parsed(mailing.build(recipient(), NOW))
    assert mailing.links == () and "/t/" not in body(message, "html") + body(message, "plain")
    assert 'href="https://www.example.org/a?x=1&amp;y=2"' in body(message, "html")


def test_the_same_url_has_one_number_in_both_parts():
    """SEND-39."""
    mailing = compiled(html='<a href="https://b.org">b</a><a href="https://a.org">a</a>', text="https://a.org https://c.org")
    assert mailing.links == ("https://b.org", "https://a.org", "https://c.org", HIDDEN_URL)
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


@settings(deadline=None, max_examples=60)
@given(first=values, member=values, name=values)
def test_nothing_of_a_person_can_break_a_message(first, member, name):
    """SEND-40, SEND-41: header injection is impossible; subject, names and bodies come back as they were."""
    mailing = BOTH_PARTS
    person = recipient(values={"FirstName": first, "MemberId": member}, name=name)
    message = parsed(mailing.build(person, NOW))
    assert len(message.keys()) == 13 and not message.defects
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
    assert not message.defects and len(message.keys()) == 13


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
        for n in range(500):
            mailing.build(recipient(delivery_id=n, values={"FirstName": f"P{n}"}), NOW)
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
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


WORDS = st.text(max_size=60) | st.sampled_from([
    "", "\u05e9\u05dc\u05d5\u05dd \u202egnp.exe", "\U0001f468\u200d\U0001f469\u200d\U0001f467 " * 20, "x" * 900,
    "\u00e9" * 900, "a" * 76, "=?utf-8?q?x?=", "a\r\n b", "a\r\nBcc: evil@example.org\r\n\r\nbody", "\ud800\udfff",
    "\x00", "tab\tand\x0bmore", " ", "\u2028"])
ADDRESSES = st.sampled_from([
    "ada@example.org", "a" * 64 + "@" + "b" * 60 + ".example.org", "j\u00f6rg@example.org", "ada@b\u00fccher.example",
    "\u5c0f\u660e@\u4f8b\u5b50.\u6d4b\u8bd5", "o'hara+tag@example.org", "\u0645@example.org"])


@settings(deadline=None, max_examples=60)
@given(subject=WORDS, sender=WORDS, name=WORDS, value=WORDS, address=ADDRESSES, body_text=WORDS)
def test_any_words_make_a_sound_message(subject, sender, name, value, address, body_text):
    """SEND-40..42, RFC 5322, 2047, 6532: parsed back by the standard library, everything is where it belongs."""
    subject, body_text = (headers.one_line(words).replace("{", "") for words in (subject, body_text))
    made = MailingContent(f"S {subject} {{{{ V }}}}", sender, "news@example.org", "", '<p>{{ V }} <a href='
                          '"https://x.org/?v={{ V }}">go</a></p>', f"T {body_text} {{{{ V }}}}")
    data = compile_mailing(made, public_url=URL, list_id="x", keys=KEYS).build(
        recipient(email=address, values={"V": value}, name=name), NOW).data
    head, _, rest = data.partition(b"\r\n\r\n")
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r") and b"\x00" not in data
    assert rest.isascii() and max(map(len, rest.split(b"\r\n"))) <= 76
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert head.isascii() or not address.partition("@")[0].isascii(), "UTF-8 in headers only where the address needs it"
    message = email.message_from_string(data.decode(), policy=email.policy.SMTPUTF8)
    assert len(message.keys()) == 11 and not message.defects
    assert {type(defect) for header in message.values() for defect in header.defects} <= (
        set() if head.isascii() else {NonASCIILocalPartDefect})
    assert message["Subject"] == headers.one_line(made.subject.replace("{{ V }}", value))
    [to] = message["To"].addresses
    assert to.addr_spec == headers.wire_address(address)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert all(not part.defects for part in message.walk())
    [link] = re.findall(r"https://x\.org/\?v=([^\"]*)", message.get_body(("html",)).get_content())
    assert unquote(link, errors="replace") == value.encode("utf-8", "replace").decode()


ENDINGS = st.lists(st.sampled_from([".", "..", "\r\n", "\n", "\r", "From ", "x" * 71, "\u00fc", " ", "\r\n.\r\n",
                                    "QUIT", "=", "\x85"]), max_size=9).map("".join)


@settings(deadline=None, max_examples=60)
@given(where=st.sampled_from(["subject", "from_name", "html", "text"]), written=ENDINGS, value=ENDINGS, name=ENDINGS,
       data=ENDINGS)
def test_no_words_end_a_message_early(where, written, value, name, data):
    """SEND-40, SEND-41, RFC 5321 4.5.2: what goes out unlooked at is what a check of all its bytes would make of it.

    Nor is there a line that a relay or a mailbox file would change, which would break a signature (SEND-43).
    """
    made = content(text="T {{ V }}\n{{ H }}{{ V }}", html="<p>{{ V }}\n{{ H }}</p>",
                   files=(MailingFile("a.txt", "text/plain", data.encode() or b"."),), html_fields=frozenset({"H"}))
    if where in ("html", "text"):
        written += "{{ V }}" + written + "{{ H }}{{ V }}"
    mailing = compile_mailing(replace(made, **{where: written.strip() or "x"}), public_url=URL, list_id="x", keys=KEYS)
    built = mailing.build(recipient(values={"V": value, "H": value}, name=name), NOW)
    assert built.form == data_form(built.data)
    assert not any(line.startswith((b".", b"From ")) or line.endswith((b" ", b"\t"))
                   for line in built.data.split(b"\r\n"))


def test_an_address_of_another_script_goes_out_as_it_is():
    """RFC 6531, RFC 6532: for a mail server that takes SMTPUTF8; the domain is still one that every server finds."""
    built = compiled().build(recipient(email="j\u00f6rg@k\u00f6ln.example", name="J\u00f6rg"), NOW)
    assert built.envelope_to == "j\u00f6rg@xn--kln-sna.example"
    assert "To: =?utf-8?b?SsO2cmc=?= <j\u00f6rg@xn--kln-sna.example>\r\n".encode() in built.data


@pytest.mark.parametrize(("values_", "expected"), [
    ({"Site": "https://x.org/\u00fc b", "N": "a&b"}, "My site (https://x.org/%C3%BC%20b?n=a%26b), hello\n"),
    ({"Site": "javascript:alert(1)"}, "My site, hello\n"), ({}, "My site, hello\n")])
def test_a_link_that_is_a_value_is_shown_where_it_is_one(values_, expected):
    """SEND-40, SEND-41: the text part shows the address that the HTML leads to, and no empty brackets."""
    mailing = compiled(html='<p><a href="{{ Site }}?n={{ N }}">My site</a>, hello</p><p>{{ unsubscribe_url }}</p>')
    assert body(parsed(mailing.build(recipient(values=values_), NOW)), "plain").startswith(expected)
    assert mailing.merge_tags == {"Site", "N", "FirstName"}


@pytest.mark.parametrize("html", [
    "<p>x</p><!-- never closed", "<p>x</p><style>p{}", "<p>x</p><a href='y", "<p>x<textarea>y",
    "{% if A %}<p>x</p></body>{% endif %}", "<p>x</p><!-- {{ unsubscribe_url }}", "{% if A %}x<!--{% endif %}"])
def test_what_is_never_closed_swallows_no_way_out(html):
    """SEND-42: nor the pixel; a browser shows nothing of an open comment, tag or style."""
    part = body(parsed(compiled(html=html, text="{{ unsubscribe_url }}").build(recipient(), NOW)), "html")
    seen = re.split("<!--|<style|<textarea|<a href='y", part)[0]
    assert "/u/" in seen


def test_the_hidden_link_is_for_machines_only():
    """SEND-52: no person sees it, no screen reader says it, no key reaches it; without tracked clicks there is none."""
    mailing = compiled()
    part = body(parsed(mailing.build(recipient(), NOW)), "html")
    [(text, attributes)] = re.findall(r'<a href="[^"]*/t/([\w-]+)"( style="display:none"[^>]*)></a>', part)
    assert tokens.read(KEYS, text).link == mailing.hidden_link == 1
    assert 'aria-hidden="true"' in attributes and 'tabindex="-1"' in attributes
    assert compiled(track_clicks=False).hidden_link is None and compiled(html="<p>x</p>").hidden_link is None


def test_a_frozen_table_without_the_hidden_link_stays_as_it_is():
    """SEND-46: an instance that was frozen before there was one."""
    urls = ["https://www.example.org/a?x=1&y=2"]
    mailing = compile_mailing(content(), public_url=URL, list_id="x", keys=KEYS, frozen_links=urls)
    assert mailing.links == tuple(urls) and mailing.hidden_link is None
    assert "display:none" not in body(parsed(mailing.build(recipient(), NOW)), "html")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_and_marks_of_files_do_not_matter(ends):
    """SEND-41: a BOM before the HTML, lines of Windows and of old Macs."""
    source = "\ufeff" + ends.join(["<body>", "<p>x</p>", "</body>", ""])
    made = compiled(html=source, text="\ufeffa" + ends + "b")
    part = body(parsed(made.build(recipient(), NOW)), "html")
    assert part.startswith("<body>\n<p>x</p>\n") and "\ufeff" not in part
    assert body(parsed(made.build(recipient(), NOW)), "plain").startswith("a\nb\n")


def test_signatures_go_before_what_they_sign():
    """SEND-43: the signer gets each header whole, and the body; what it answers stands first."""
    seen = []

    def sign(head, signed):
        seen.append((head, signed))
        return b"DKIM-Signature: x\r\n"

    mailing = compile_mailing(content(), public_url=URL, list_id="x", keys=KEYS, sign=sign)
    data = mailing.build(recipient(), NOW).data
    [(head, signed)] = seen
    assert data == b"DKIM-Signature: x\r\n" + b"".join(head) + b"\r\n" + signed
    assert all(line.endswith(b"\r\n") and b": " in line for line in head)


@pytest.mark.parametrize("bit", [
    "<a href='https://x.org/{n}?a={{{{ A }}}}'>x</a>" + " x" * 99, "<p <p ",
    "<!-- [if mso]><a href=\"https://x.org\"><![endif]-->",
    "\n" * 250 + "{{% if A %}}{n}{{% endif %}}", "&amp;&lt;<", "x" * 99 + "{{{{ A{n} }}}}", "\u00fc" * 50,
    "<td><a><b>"])
def test_a_large_mailing_compiles_in_reasonable_time(bit):
    """SEND-39: in time that grows with the size and not with its square."""
    def seconds(size):
        html = "".join(bit.format(n=n % 500) for n in range(size // len(bit)))
        start = time.thread_time()
        compiled(html=html)
        return time.thread_time() - start

    small = max(min(seconds(10_000), seconds(10_000)), 0.01)
    assert seconds(80_000) < small * 8 * 4


@pytest.mark.parametrize(("html", "word"), [
    ("{{ A }}" * 5001, "5000 merge tags"),
    ("".join(f'<a href="https://x.org/{n}">x</a>' for n in range(1001)), "1001")])
def test_what_would_take_long_is_refused(html, word):
    """SEND-39: a mailing is made once, a message for everybody."""
    with pytest.raises(GatewayError, match=word) as caught:
        compiled(html=html)
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", "html")
