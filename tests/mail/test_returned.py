"""The corpus of mails that came back, and mails that nobody should have sent (SEND-53, SEND-54, SEND-61)."""

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.bounces import diagnose
from gateway.domain.returned import FAILED, Sort, Verdict, verdict_about, wants_out, whose
from gateway.domain.tokens import Keys
from gateway.mail.returned import understand
from tests.support.returnedmail import FOLDER, Sent, table

KEYS = Keys.from_secret(b"a secret key of tests, long enough for everything")
SENT = Sent(KEYS, brand_id=7, delivery_id=1234, instance_id=55, email="ann@example.com")
NAMES = [row.name for row in table()]


def test_every_mail_of_the_corpus_is_in_the_table():
    """SEND-61: no mail without an expected outcome, and none expected twice."""
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.eml"))


@pytest.mark.parametrize("row", table(), ids=NAMES)
def test_the_corpus(row):
    """SEND-53, SEND-54: what it is, how that is known, what became of the recipient, its class, and of whom it is."""
    found = understand(SENT.mail(row.name))
    verdict = verdict_about(found.verdicts, SENT.email)
    diagnosis = diagnose(verdict.status, verdict.diagnostic) if verdict and verdict.action == FAILED else None
    token = whose(KEYS, found.marks)
    assert {
        "sort": "unsubscribe" if wants_out(KEYS, found) else found.sort,
        "by": found.understood_by or "-",
        "action": verdict.action if verdict else found.feedback or "-",
        "bounce_class": diagnosis.bounce_class if diagnosis else "-",
        "code": (diagnosis.code if diagnosis else verdict.status if verdict else None) or "-",
        "known_by": token.kind.name.lower() if token else "-",
    } == {"sort": row.sort, "by": row.by, "action": row.action, "bounce_class": row.bounce_class, "code": row.code,
          "known_by": row.known_by}
    if token is not None:
        assert (token.brand_id, token.delivery_id) == (7, 1234)


def test_the_recipient_of_the_mail_comes_first():
    """SEND-53: the VERP token, in any case of letters, of the envelope, or of a header that a mailbox adds."""
    mail = SENT.mail("minimal-rfc3464")
    assert whose(KEYS, understand(mail).recipient_marks).delivery_id == 1234  # To
    other = Sent(KEYS, 7, 99, 55, SENT.email)
    assert whose(KEYS, understand(mail, f"{other.verp.upper()}@X.example").recipient_marks).delivery_id == 99
    kept = b"Delivered-To: " + other.verp.encode() + b"@x.example\r\n" + mail
    assert whose(KEYS, understand(kept).recipient_marks).delivery_id == 99


def test_forged_marks_are_nobodys():
    """SEND-45: a token of another key, a token cut, and one of another kind under our prefix."""
    strange = Sent(Keys.from_secret(b"another secret key, as long as that one is"), 7, 1234, 55, SENT.email)
    for mail in (strange.mail("postfix-unknown-user"), SENT.mail("qmail").replace(b"@gateway", b"a@gateway"),
                 SENT.mail("qmail").replace(b"u-", b"x-").replace(b"b-", b"u-").replace(b"m-", b"b-")):
        found = understand(mail, "")
        assert whose(KEYS, (*found.recipient_marks, *found.marks)) is None


def test_the_same_report_has_the_same_digest_however_it_came():
    """SEND-50: headers that mail servers add on the way, and line ends, are no part of the report."""
    mail = SENT.mail("postfix-unknown-user")
    moved = b"Received: from a by b; Thu, 15 Jan 2026 13:00:00 +0000\r\n" + mail
    assert understand(mail).digest == understand(moved).digest == understand(mail.replace(b"\r\n", b"\n")).digest
    assert understand(mail).digest != understand(SENT.mail("postfix-expired")).digest


@pytest.mark.parametrize("verdicts, action", [
    ((), None),
    ((Verdict("failed", ("x@example.com",)),), "failed"),
    ((Verdict("failed", ("x@example.com",)), Verdict("delivered", ("y@example.com",))), "delivered"),
    ((Verdict("delayed", ("x@example.com",)), Verdict("failed", ("y@example.com",))), "failed"),
    ((Verdict("delivered", ("x@example.com",)), Verdict("failed", ("ANN@example.com",))), "failed"),
])
def test_which_verdict_is_about_the_delivery(verdicts, action):
    """SEND-53: the one that names the address; of a mail that was handed on, a failure when nobody got it."""
    found = verdict_about(verdicts, SENT.email)
    assert (found.action if found else None) == action


def nested(depth, kind):
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) if kind == "multipart"
                    else b"Content-Type: message/rfc822\r\n\r\n" for n in range(depth))


BLOCK = b"Final-Recipient: rfc822; a@example.com\r\nAction: failed\r\n\r\n"
HOSTILE = {
    "nothing": b"",
    "25 MB in one line": b"Subject: x\r\n\r\n" + b"a" * 25_000_000,
    "25 MB of user unknown": b"From: mailer-daemon@x.example\r\n\r\n" + b"user unknown somewhere....\r\n" * 900_000,
    "25 MB of NUL": b"From: mailer-daemon@x.example\r\n\r\n" + b"\0" * 25_000_000,
    "200 nested multiparts": nested(200, "multipart"),
    "200 nested mails": nested(200, "mail"),
    "30,000 nested mails": nested(30_000, "mail"),
    "200,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 200_000,
    "60,000 parameters": b"Content-Type: multipart/mixed; " + b";" * 60_000 + b"boundary=b\r\n\r\n",
    "200,000 headers": b"a: b\r\n" * 200_000,
    "60,000 encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 60_000 + b"\r\n\r\n",
    "one endless token": b"\r\nb-" + b"a" * 900_000,
    "tokens without end": b"\r\n" + b"b-a." * 200_000,
    "at signs": b"From: mailer-daemon@x.example\r\n\r\n" + b"a@" * 400_000,
    "blanks": b"From: mailer-daemon@x.example\r\n\r\n" + b" " * 900_000 + b"x",
    "quotes": b"From: mailer-daemon@x.example\r\n\r\n" + (b">" * 999 + b"\n") * 1_000,
    "20,000 recipients": b"Content-Type: message/delivery-status\r\n\r\n" + BLOCK * 20_000,
    "a recipient of 900 kB": b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: " + b"a" * 900_000,
    "300,000 folds": b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: x\n" + b" a\n" * 300_000,
    "almost boundaries": b'Content-Type: multipart/mixed; boundary="-"\r\n\r\n' + b"\r\n--" * 200_000 + b"-" * 300_000,
    "broken base64": b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A=\n" * 300_000,
    "a charset that is none": b"Content-Type: text/plain; charset=\xff\xfe\0\r\n\r\n\xff\xfe",
    "a charset that is no text": b"Content-Type: text/plain; charset=zlib_codec\r\n\r\nx",
    "headers of nonsense": b"\xff\xfe:\r\n: :\r\n\r\n\r\nFrom \r\n\0",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_costs_little(data):
    """SEND-61: bounded time, and memory that does not grow with the mail; no exception. Timed without the tracer."""
    began = time.thread_time()
    found = understand(data, "postmaster@gateway.example.org")
    assert time.thread_time() - began < 4
    assert len(found.verdicts) <= 100 and len(found.marks) <= 50
    if len(data) < 20_000_000:
        return
    tracemalloc.start()
    try:
        understand(data)
        assert tracemalloc.get_traced_memory()[1] < 48 * 1024 * 1024
    finally:
        tracemalloc.stop()


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(NAMES), cut=st.integers(0, 2500), rest=st.binary(max_size=20))
def test_cut_off_mails(name, cut, rest):
    """SEND-61: a mail that ends anywhere is read, and never taken for somebody else's."""
    mail = SENT.mail(name)
    found = understand(mail[:cut] + rest)
    assert isinstance(found.sort, Sort)
    token = whose(KEYS, (*found.recipient_marks, *found.marks))
    assert token is None or token.delivery_id == 1234


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(NAMES),
       changes=st.lists(st.tuples(st.integers(0, 2500), st.binary(max_size=6)), max_size=8))
def test_mutated_mails(name, changes):
    """SEND-61: bytes that were changed, lost or added anywhere."""
    mail = bytearray(SENT.mail(name))
    for at, new in changes:
        mail[at:at + len(new) // 2] = new
    found = understand(bytes(mail), SENT.verp + "@gateway.example.org")
    assert isinstance(found.sort, Sort)
    assert whose(KEYS, found.recipient_marks) is not None


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400))
def test_any_bytes(data):
    """SEND-61."""
    assert understand(data).sort in (Sort.OTHER, Sort.AUTO_REPLY, Sort.REPORT)
