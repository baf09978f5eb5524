"""Does an independent verifier accept what we sign, and refuse what was changed on the way? (SEND-43)"""

from __future__ import annotations

import base64
import datetime as dt
import shutil
import subprocess

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.files import MailingFile
from gateway.domain.maildns import ED25519, RSA
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError
from gateway.mail import dkim as ours
from gateway.mail.dkim import Signer
from gateway.mail.message import MailingContent, Recipient, compile_mailing

KEYS = {RSA: ours.new_key(RSA), ED25519: ours.new_key(ED25519)}
HEAD = [b"From: =?utf-8?q?M=C3=BCller?= <news@example.org>\r\n", b"To: ann@example.net\r\n",
        b"Subject: News  for\r\n you\r\n", b"Date: Mon, 02 Mar 2026 10:00:00 +0000\r\n",
        b"Message-ID: <m-1@example.org>\r\n", b"List-Unsubscribe: <https://example.org/u/1>,\r\n\t<mailto:u@example.org>\r\n",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"]
BODY = b"Hello  there \r\n\tand\there\r\n\r\n\r\n"
NOW = 1_772_445_600


def signer(algorithm: str) -> Signer:
    return Signer("example.org", f"s-{algorithm}", KEYS[algorithm])


def dns(name: bytes, timeout: float = 5) -> bytes:
    """The records of both keys, as ``gateway dkim add`` prints them."""
    algorithm = name.decode().partition(".")[0].removeprefix("s-")
    return f"v=DKIM1; k={algorithm}; p={ours.public_key(KEYS[algorithm])}".encode()


def message(*signers: Signer, head=HEAD, body=BODY) -> bytes:
    relaxed = dkim.canonicalization.Relaxed.canonicalize_body(body)
    return ours.signature_lines(signers, head, relaxed, NOW) + b"".join(head) + b"\r\n" + body


def verdicts(data: bytes) -> list[bool]:
    """What dkimpy says of each signature, the topmost first."""
    checker = dkim.DKIM(data)
    number = data.lower().count(b"dkim-signature:")
    return [_verdict(checker, index) for index in range(number)]


def _verdict(checker: dkim.DKIM, index: int) -> bool:
    try:
        return checker.verify(index, dnsfunc=dns)
    except dkim.DKIMException:
        return False


@pytest.mark.parametrize("algorithms", [(RSA,), (ED25519,), (RSA, ED25519)], ids="+".join)
def test_a_stranger_verifies_it(algorithms):
    """SEND-43: relaxed/relaxed, RSA 2048 with SHA-256, and a second Ed25519 signature (RFC 8463)."""
    data = message(*map(signer, algorithms))
    assert verdicts(data) == [True] * len(algorithms)
    assert b"c=relaxed/relaxed" in data and max(map(len, data.split(b"\r\n"))) <= 80


def test_what_relays_do_to_blanks_breaks_nothing():
    """RFC 6376, 3.4: other folds, other blanks, another letter case of names, more empty lines at the end."""
    data = message(signer(RSA), signer(ED25519))
    data = data.replace(b"Subject: News  for\r\n you", b"SUBJECT:   News for you ")
    data = data.replace(b"Hello  there \r\n", b"Hello there\r\n")
    assert verdicts(data + b"\r\n\r\n") == [True, True]


@pytest.mark.parametrize("change", [
    (b"News", b"Fake"), (b"Hello", b"Howdy"), (b"ann@", b"eve@"), (b"news@example.org", b"ceo@example.org"),
    (b"<m-1@", b"<m-2@"), (b"/u/1", b"/u/2"), (b"One-Click", b"Two-Click"), (b"Mon, 02", b"Mon, 03")], ids=str)
def test_every_header_and_the_body_are_covered(change):
    """SEND-42: DKIM covers all."""
    data = message(signer(RSA), signer(ED25519))
    assert change[0] in data
    assert verdicts(data.replace(*change)) == [False, False]


@pytest.mark.parametrize("added", [b"From: ceo@example.org\r\n", b"Subject: Pay me\r\n", b"To: all@example.org\r\n",
                                   b"Reply-To: eve@example.com\r\n", b"Content-Type: text/html\r\n"], ids=str)
def test_nobody_adds_a_header_of_his_own(added):
    """SEND-43: From is over-signed, and so are the others that a reader sees."""
    data = message(signer(RSA))
    end = data.index(b"From:")
    assert verdicts(data[:end] + added + data[end:]) == [False]
    assert verdicts(data.replace(b"\r\n\r\n", b"\r\n" + added + b"\r\n", 1)) == [False]


BLANKS = st.lists(st.sampled_from(["word", " ", "  ", "\t", "\n", ".", "=20", "\u00e4", "x" * 70, "<p>"]),
                  max_size=30).map("".join)


@given(html=BLANKS, text=BLANKS, value=BLANKS, name=st.sampled_from(["a.txt", "a  b.txt"]))
def test_the_body_is_reduced_as_the_verifier_reduces_it(html, text, value, name):
    """RFC 6376, 3.4.4, against dkimpy's own reading: what is signed is made beside the message, not out of it."""
    seen = []

    def sign(_head, signed):
        seen.append(signed)
        return b""

    draft = MailingContent("s", "n", "news@example.org", "",
                           f"<i>{html}</i>{{{{ A }}}}{{% if A %}} {html} {{% endif %}}",
                           f"{text} {{{{ A }}}}  {{{{ A }}}}{text}x", files=(MailingFile(name, "text/plain", b"x  y"),))
    mailing = compile_mailing(draft, public_url="https://news.example.org", list_id="x", sign=sign,
                              keys=Keys.from_secret(b"k" * 32))
    recipient = Recipient(1, 2, 3, "ann@example.org", {"A": value})
    data = mailing.build(recipient, dt.datetime(2026, 3, 1, tzinfo=dt.UTC)).data
    assert seen == [dkim.canonicalization.Relaxed.canonicalize_body(data.partition(b"\r\n\r\n")[2])]


@given(st.lists(st.binary(max_size=30).map(lambda b: bytes(c for c in b if c not in b"\r\n\0") or b"x"), min_size=1,
                max_size=6))
def test_any_value_of_a_header_is_signed(values):
    """Raw UTF-8 and odd bytes too (RFC 6532)."""
    head = [b"From: a@example.org\r\n", *(b"X-%d: %s\r\n" % pair for pair in enumerate(values))]
    head = [line for line in head if line.split(b":", 1)[1].strip()]
    if all(c >= 0x20 or c == 9 for line in head for c in line[:-2]):
        assert verdicts(message(signer(ED25519), head=head)) == [True]


def test_a_key_survives_being_stored():
    """PEM and back; the DNS half stays."""
    for key in KEYS.values():
        again = ours.read_key(ours.write_key(key).encode())
        assert ours.public_key(again) == ours.public_key(key)
    assert len(base64.b64decode(ours.public_key(KEYS[ED25519]))) == 32  # RFC 8463: the raw key


@pytest.mark.parametrize("pem", [
    b"", b"rubbish", ours.write_key(KEYS[RSA]).encode()[:300],
    rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    KEYS[RSA].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.BestAvailableEncryption(b"x"))],
    ids=["empty", "rubbish", "cut", "short", "curve", "locked"])
def test_keys_that_cannot_sign_are_refused(pem):
    """The field, the reason and what would do."""
    with pytest.raises(GatewayError, match="2048 to 4096") as caught:
        ours.read_key(pem)
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", "privateKey")


def test_openssl_made_keys_are_taken(tmp_path):
    """What operators have: a key made by openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here")
    made = subprocess.run([openssl, "genrsa", "2048"], capture_output=True, check=True).stdout
    assert isinstance(ours.read_key(made), rsa.RSAPrivateKey)
