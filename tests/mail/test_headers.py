"""Headers: any text comes back as it was meant, and injection is impossible (SEND-40, SEND-41)."""

import email
import email.policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.mail import headers

TRICKY = " \r\n\t\x00\x0b\x85\u2028=?\"\\<>,;()abc\u00e9\U0001f600\u0627"
texts = st.text(max_size=300) | st.text(TRICKY, max_size=400)
NASTY = ["Hello\r\nBcc: evil@example.org", "a\x00b", "=?utf-8?q?=0D=0ABcc:_x?=", "x" * 2000, "\u00fc" * 900,
         "word " * 300, "\U0001f389" * 80,
         "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645", "a\u2028b\x85c", '"', "\\",
         "", " ", "A, B; <c@example.org> (d)"]


def parsed(line):
    return email.message_from_bytes(line + b"\r\nbody\r\n", policy=email.policy.default)


def check_lines(line):
    assert line.endswith(b"\r\n")
    for one in line[:-2].split(b"\r\n"):
        assert len(one) <= 998 and not set(one) & {0, 10, 13} and one.strip()
    return line


@given(text=texts)
@example(NASTY[0])
@example(NASTY[2])
def test_a_subject_comes_back_and_stays_one_header(text):
    """SEND-40: CR, LF, NUL never reach a header; RFC 2047 and folding are undone by a reader."""
    message = parsed(check_lines(headers.unstructured("Subject", text)))
    assert message.keys() == ["Subject"] and message.get_content() == "body\r\n"
    assert message["Subject"] == headers.one_line(text)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_subjects(text):
    """SEND-40, with lines up to 76 characters wherever a line can be folded (RFC 2047 section 2)."""
    line = check_lines(headers.unstructured("Subject", text))
    assert max(len(one) for one in line.split(b"\r\n")) <= 76
    assert parsed(line)["Subject"] == headers.one_line(text)


@given(name=texts)
@example(NASTY[0])
@example('say "hi" \\ bye')
@example("=?utf-8?b?aGk=?=")
def test_a_display_name_comes_back_beside_its_address(name):
    """SEND-40: a name can neither end its header nor bring a second address."""
    line = check_lines(headers.mailbox("From", name, "ada@example.org"))
    message = parsed(line)
    assert message.keys() == ["From"]
    assert [a.addr_spec for a in message["From"].addresses] == ["ada@example.org"]
    shown = message["From"].addresses[0].display_name
    # the reader of the standard library leaves a blank between two encoded words of a long name
    assert "".join(shown.split()) == "".join(headers.one_line(name).split())


@pytest.mark.parametrize("name", NASTY)
def test_nasty_display_names(name):
    """SEND-40."""
    line = check_lines(headers.mailbox("Reply-To", name, "a" * 60 + "@example.org"))
    assert parsed(line)["Reply-To"].addresses[0].addr_spec == "a" * 60 + "@example.org"


@pytest.mark.parametrize("address", [
    "", "nobody", "@x.org", "x@", "a@b@c.org", "a b@x.org", "a@x.org\r\nBcc: b@x.org", "a\x00@x.org", "<a@x.org>",
    "a@x.org, b@x.org", "a..b@x.org", ".a@x.org", "a.@x.org", "a@.org", "a@x.org.", "x" * 260 + "@x.org",
    "a@" + "\u00fc" * 70 + ".org"])
def test_an_address_that_cannot_be_one_is_refused(address):
    """ID-8; the message of the error does not repeat the address."""
    with pytest.raises(GatewayError) as caught:
        headers.mailbox("To", "", address)
    assert caught.value.code == "INVALID_EMAIL" and (address == "" or address not in caught.value.message)


def test_a_domain_of_another_script_goes_out_in_ascii():
    """RFC 5890."""
    assert headers.wire_address("ada@k\u00f6ln.example") == "ada@xn--kln-sna.example"
    assert headers.mailbox("To", "", "o'hara+tag@example.org") == b"To: o'hara+tag@example.org\r\n"


@pytest.mark.parametrize("char", [chr(n) for n in (*range(0x202a, 0x202f), *range(0x2066, 0x206a))])
def test_nothing_turns_the_direction_of_a_header(char):
    """SEND-40: a name that ends in an override could else be read as another address."""
    assert headers.one_line(f"a{char}b") == "ab"
    assert headers.mailbox("To", f"x{char}", "ada@example.org") == b"To: x <ada@example.org>\r\n"
    with pytest.raises(GatewayError):
        headers.wire_address(f"a{char}b@example.org")


@pytest.mark.parametrize("address", [
    "a\u200bb@x.org", "a\ufeff@x.org", "a\u00adb@x.org", "a\u00a0b@x.org", "\ud800@x.org"])
def test_signs_that_nobody_sees_are_in_no_address(address):
    """RFC 6531 lets more in than anybody can have typed."""
    with pytest.raises(GatewayError):
        headers.wire_address(address)


def test_scripts_that_run_from_the_right_stay_as_they_are():
    """Marks of direction and joiners of emoji belong to texts."""
    for text in ("\u05e9\u05dc\u05d5\u05dd \u200f!", "\U0001f468\u200d\U0001f469", "\u0645\u0631\u062d\u0628\u0627"):
        assert parsed(headers.unstructured("Subject", text))["Subject"] == text
