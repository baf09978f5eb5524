"""The tree of parts, read back by the standard library (SEND-41, RFC 2045, 2046, 2231, 2387, 2392)."""

import datetime as dt
import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import files
from gateway.domain.files import MailingFile
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError
from gateway.mail.message import MailingContent, Recipient, compile_mailing

KEYS, NOW = Keys.from_secret(b"k" * 32), dt.datetime(2026, 3, 1, 12, 30, 5, tzinfo=dt.UTC)
PERSON = Recipient(9999, 5, 77, "ada@example.org", {"FirstName": "Ada"})
PICTURE = MailingFile("logo.png", "image/png", bytes(range(256)) * 9, "logo")
AGENDA = MailingFile("agenda.pdf", "application/pdf", b"%PDF-1.7\r\n\x00" * 100)


def built(*attached, html='<p>Hi {{ FirstName }} <img src="cid:logo"></p>'):
    content = MailingContent("News", "News", "news@example.org", "", html, "", files=tuple(attached))
    mailing = compile_mailing(content, public_url="https://news.example.org", list_id="x", keys=KEYS)
    data = mailing.build(PERSON, NOW).data
    assert data.isascii() and data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert max(map(len, data.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76
    return email.message_from_bytes(data, policy=email.policy.default)


def tree(part):
    """(type, [parts]) all the way down, without a defect anywhere."""
    assert not part.defects, part.defects
    return (part.get_content_type(), [tree(each) for each in part.iter_parts()] if part.is_multipart() else [])


TEXTS = ("multipart/alternative", [("text/plain", []), ("text/html", [])])


@pytest.mark.parametrize(("attached", "expected"), [
    ((), TEXTS),
    ((PICTURE,), ("multipart/related", [TEXTS, ("image/png", [])])),
    ((AGENDA, AGENDA), ("multipart/mixed", [TEXTS, ("application/pdf", []), ("application/pdf", [])])),
    ((AGENDA, PICTURE), ("multipart/mixed", [
        ("multipart/related", [TEXTS, ("image/png", [])]), ("application/pdf", [])])),
])
def test_a_message_has_the_parts_that_it_needs(attached, expected):
    """SEND-41: nothing around nothing; the reader finds text and HTML in every one of them."""
    message = built(*attached)
    assert tree(message) == expected
    assert message.get_body(("html",)).get_content().startswith("<p>Hi Ada ")
    assert message.get_body(("plain",)).get_content().startswith("Hi Ada")
    sizes = [part.get_content() for part in message.walk() if part.get_content_maintype() in ("image", "application")]
    assert sorted(sizes) == sorted(each.data for each in attached)


def test_an_image_is_found_by_its_content_id():
    """RFC 2392, RFC 2387: related names what it is about, and the HTML the part."""
    message = built(PICTURE, MailingFile("b.gif", "image/gif", b"GIF", "b@x.org"),
                    html='<img src="cid:logo"><img src="cid:b%40x.org"><img src="cid:none">')
    assert message.get_param("type") == "multipart/alternative"
    html = message.get_body(("html",)).get_content()
    for part, name in zip(list(message.iter_parts())[1:], ("logo@news.example.org", "b@x.org"), strict=True):
        assert part["Content-ID"] == f"<{name}>" and f'"cid:{name}"' in html
        assert part.get_content_disposition() == "inline" and part["Content-Transfer-Encoding"] == "base64"
    assert '"cid:none"' in html


names = st.text(max_size=255) | st.sampled_from([
    "agenda 2026.pdf", "\u5e74\u6b21\u5831\u544a" * 40 + ".pdf", "x" * 251 + ".pdf", "\U0001f4c4.pdf",
    "\u0645\u0644\u0641.pdf", "=?utf-8?b?eA==?=.pdf", "a;b=c.pdf", "100%.pdf", "it's.pdf", "%41.pdf", "a\u0301.pdf"])


@settings(deadline=None, max_examples=150)
@given(name=names, inline=st.booleans())
def test_any_name_of_a_file_comes_back(name, inline):
    """RFC 2231: non-ASCII, long and odd names; none of them can add a header."""
    given_ = MailingFile(name, "application/pdf", b"x", "logo" if inline else None)
    try:
        [good] = files.checked([given_])
    except GatewayError:
        return
    message = built(good)
    part = list(message.iter_parts())[-1]
    assert tree(part) == ("application/pdf", []) and part.get_filename() == good.name
    assert set(part.keys()) <= {"Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-Disposition"}


@settings(deadline=None, max_examples=40)
@given(data=st.binary(min_size=1, max_size=400))
def test_any_bytes_come_back(data):
    """RFC 2045, 6.8."""
    [part] = built(MailingFile("x.bin", "application/octet-stream", data)).iter_attachments()
    assert part.get_content() == data


def test_a_text_says_in_which_charset_it_is():
    """Else it would be read as ASCII; what is no UTF-8 is left to the reader."""
    told, untold = built(MailingFile("a.csv", "text/csv", "n\u00e9".encode()),
                         MailingFile("b.csv", "text/csv", b"\xe9")).iter_attachments()
    assert told.get_content() == "n\u00e9" and untold.get_content_charset() is None


def test_files_are_encoded_once():
    """SEND-39: 10 MB of files cost a message no more than copying them."""
    content = MailingContent("News", "News", "news@example.org", "", "<p>x</p>", "", files=(
        MailingFile("a.bin", "application/zip", b"\xff" * 7_000_000),))
    mailing = compile_mailing(content, public_url="https://news.example.org", list_id="x", keys=KEYS)
    data = mailing.build(PERSON, NOW).data
    assert mailing.body.after in data and len(data) < 9_600_000 and len(mailing.body.after) > 9_500_000
