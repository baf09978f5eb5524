"""Files of a mailing: what may be attached or shown (RFC 2045, RFC 2392)."""

import base64

import pytest

from gateway.domain import files
from gateway.domain.files import MAX_BYTES, MAX_FILES, MailingFile
from gateway.errors import GatewayError


def a_file(**changes):
    return MailingFile(**{"name": "agenda.pdf", "content_type": "application/pdf", "data": b"%PDF", **changes})


def test_files_are_stored_in_one_form():
    """Blanks, letter case of the type and brackets of the content ID are no part of them."""
    [made] = files.checked([a_file(name=" \u00dcber.png ", content_type="Image/PNG", content_id="<logo@x.org>")])
    assert made == a_file(name="\u00dcber.png", content_type="image/png", content_id="logo@x.org")
    [plain] = files.checked([a_file(content_type="", content_id="")])
    assert (plain.content_type, plain.content_id) == ("application/octet-stream", None)
    assert files.checked([]) == ()


@pytest.mark.parametrize(("changes", "code"), [
    ({"name": ""}, "INVALID_VALUE"), ({"name": ".."}, "INVALID_VALUE"), ({"name": "../a.pdf"}, "INVALID_CHARACTER"),
    ({"name": 'a"b.pdf'}, "INVALID_CHARACTER"), ({"name": "a\r\nBcc: x"}, "INVALID_CHARACTER"),
    ({"name": "a\u202efdp.exe"}, "INVALID_CHARACTER"), ({"name": "\ud800.pdf"}, "INVALID_CHARACTER"),
    ({"name": "x" * 256}, "FIELD_TOO_LONG"), ({"content_type": "pdf"}, "INVALID_VALUE"),
    ({"content_type": "text/html; charset=x"}, "INVALID_VALUE"), ({"content_type": "message/rfc822"}, "INVALID_VALUE"),
    ({"content_type": "multipart/mixed"}, "INVALID_VALUE"), ({"content_type": "a/b\r\nX: y"}, "INVALID_VALUE"),
    ({"content_id": "a b"}, "INVALID_VALUE"), ({"content_id": "a>\r\nX: y"}, "INVALID_VALUE"),
    ({"content_id": "@x"}, "INVALID_VALUE"), ({"content_id": "x" * 201}, "FIELD_TOO_LONG"),
    ({"data": b""}, "INVALID_VALUE"),
])
def test_what_could_break_a_message_or_deceive_a_reader_is_refused(changes, code):
    """The author is told which file it is."""
    with pytest.raises(GatewayError) as caught:
        files.checked([a_file(), a_file(**changes)])
    assert (caught.value.code, caught.value.field) == (code, "files") and "File 2" in caught.value.message


def test_number_and_size_have_limits():
    """10 MB as they are mailed, which is a third more than they are."""
    assert len(files.checked([a_file()] * MAX_FILES)) == MAX_FILES
    with pytest.raises(GatewayError) as caught:
        files.checked([a_file()] * (MAX_FILES + 1))
    assert (caught.value.code, caught.value.field) == ("LIMIT_EXCEEDED", "files")
    half = MAX_BYTES // 78 * 57 // 2  # a line of 76 characters and CRLF carries 57 bytes
    assert files.checked([a_file(data=b"x" * half)] * 2)
    with pytest.raises(GatewayError) as caught:
        files.checked([a_file(data=b"x" * (half + 100))] * 2)
    assert (caught.value.code, caught.value.field) == ("TOO_LARGE", "files")


@pytest.mark.parametrize("size", [1, 2, 3, 56, 57, 58, 1000])
def test_the_size_in_a_message(size):
    """Base64 in lines of 76 characters (RFC 2045, 6.8)."""
    assert files.encoded_size(size) == len(base64.encodebytes(b"x" * size).replace(b"\n", b"\r\n"))


def test_two_files_cannot_have_one_content_id():
    """Which of them would be shown?"""
    with pytest.raises(GatewayError, match="same content ID"):
        files.checked([a_file(content_id="logo"), a_file(content_id="LOGO")])


HTML = '<img src="cid:logo"><td style="background:url(CID:wide%40x.org)"><img src=\'cid:gone\'>'


def test_references():
    """RFC 2392: percent-encoded, in attributes and in styles."""
    assert files.references(HTML) == {"logo", "wide@x.org", "gone"}
    assert files.with_references(HTML, {"logo": "cid:logo@d", "wide@x.org": "data:x"}) == (
        '<img src="cid:logo@d"><td style="background:url(data:x)"><img src=\'cid:gone\'>')


def test_warnings():
    """An image that is not there, and one that nobody sees."""
    found = files.warnings(HTML, [a_file(content_id="logo"), a_file(content_id="wide@x.org"), a_file(content_id="lost"),
                                  a_file()])
    assert [(each.code, each.field) for each in found] == [("INVALID_VALUE", "html"), ("INVALID_VALUE", "files")]
    assert "cid:gone" in found[0].message and "'lost'" in found[1].message
