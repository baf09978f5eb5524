"""Bounce classes: one case a row of the table (sending.md section 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.bounces import BounceClass, classify, diagnose

CASES = [
    # code, enhanced, text, stage, class
    (550, "5.1.1", "no such user", "rcpt", "hard"),
    (550, "5.1.2", "", "rcpt", "hard"),
    (553, "5.1.3", "", "rcpt", "hard"),
    (550, "5.1.6", "", "rcpt", "hard"),
    (550, "5.1.10", "", "rcpt", "hard"),
    (550, "5.2.1", "", "message", "hard"),
    (550, "5.4.4", "no route", "rcpt", "hard"),
    (550, None, "unknown", "rcpt", "hard"),
    (551, None, "", "rcpt", "hard"),
    (553, None, "", "rcpt", "hard"),
    (550, "5.0.0", "says nothing", "rcpt", "hard"),
    (550, "5.5.0", "mailbox unavailable", "rcpt", "hard"),
    (550, "5.1.0", "", "rcpt", "hard"),
    (550, "5.1.1", "<spam@example.org> unknown, see policy", "rcpt", "hard"),  # a named code beats the text
    (550, None, "<spam@example.org>: no such mailbox", "rcpt", "hard"),  # the address is not read
    (552, "5.2.2", "mailbox full", "rcpt", "soft"),
    (552, "5.2.3", "", "message", "soft"),
    (552, None, "", "message", "soft"),
    (554, "5.3.0", "", "message", "soft"),
    (554, "5.3.4", "", "message", "soft"),
    (554, "5.4.1", "", "rcpt", "soft"),
    (550, "5.4.0", "", "rcpt", "soft"),
    (451, "4.3.0", "", "rcpt", "soft"),
    (451, None, "greylisted by policy", "rcpt", "soft"),
    (550, "4.2.2", "", "rcpt", "soft"),
    (554, "5.7.1", "", "message", "block"),
    (550, "5.7.26", "", "rcpt", "block"),
    (554, None, "", "rcpt", "block"),
    (550, None, "", "message", "block"),
    (550, None, "", "data", "block"),
    (550, None, "Rejected because of poor reputation", "rcpt", "block"),
    (550, "5.5.0", "looks like SPAM", "rcpt", "block"),
    (550, "5.1.8", "sender domain does not exist", "rcpt", "other"),
    (550, "5.1.7", "", "rcpt", "other"),
    (550, "5.6.1", "", "message", "other"),
    (551, None, "", "message", "other"),
    (500, None, "", "rcpt", "other"),
    (503, "5.5.1", "", "data", "other"),
    (None, None, "", "message", "other"),
]


@pytest.mark.parametrize(("code", "enhanced", "text", "stage", "expected"), CASES)
def test_each_row_of_the_table(code, enhanced, text, stage, expected):
    """sending.md section 7."""
    assert classify(code, enhanced, text, stage=stage) == expected


@given(code=st.none() | st.integers(-1, 9999), enhanced=st.none() | st.text(max_size=9), text=st.text(),
       stage=st.sampled_from(["rcpt", "data", "message", "mail"]))
def test_every_reply_has_a_class(code, enhanced, text, stage):
    """Unknown input is classified, never dropped (SEND-49)."""
    assert classify(code, enhanced, text, stage=stage) in BounceClass


@pytest.mark.parametrize("status, diagnostic, expected, code", [
    ("5.1.1", "smtp; 550 5.1.1 <ann@example.com>: user unknown", "hard", "5.1.1"),
    ("5.1.1", "smtp; 554 rejected", "hard", "5.1.1"),
    ("5.0.0", "smtp;550-5.1.1 The account is not there", "hard", "5.1.1"),
    ("5.0.0", "smtp; 550 no such user", "hard", "5.0.0"),
    ("5.0.0", "smtp; 550 refused (in reply to end of DATA command)", "block", "5.0.0"),
    ("5.0.0", "smtp; 554 delivery error", "block", "5.0.0"),
    ("5.0.0", "smtp; 550 refused by policy", "block", "5.0.0"),
    ("5.0.0", "x-unix; nobody", "other", "5.0.0"),
    (None, "550 nobody of this name", "hard", "550"),
    (None, "552 quota exceeded", "soft", "552"),
    (None, "", "other", None),
    ("5.2.2", "", "soft", "5.2.2"),
    ("4.4.7", "X-Postfix; timed out", "soft", "4.4.7"),
    ("5.4.4", "host 192.0.2.5 not found", "hard", "5.4.4"),
    ("5.7.26", "smtp; 550-5.7.26 unauthenticated", "block", "5.7.26"),
    ("5.6.1", "smtp; 550 5.6.1 media", "other", "5.6.1"),
])
def test_what_a_report_comes_to(status, diagnostic, expected, code):
    """SEND-54: the status decides; one that says nothing gives way to the diagnostic's own code."""
    found = diagnose(status, diagnostic)
    assert (found.bounce_class, found.code) == (expected, code)
