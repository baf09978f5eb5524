"""Which addresses and remote IDs are valid, and in which form are they kept? (ID-6..8, PUSH-6)"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.addresses import holds_forbidden, normalise, normalise_remote_id, printable
from gateway.domain.records import Problem


@pytest.mark.parametrize(("given_text", "stored"), [
    ("ann@example.org", "ann@example.org"),
    (" Ann@Example.ORG\t", "ann@example.org"),
    ("\ufeffann@example.org\u200b", "ann@example.org"),
    ("\u00a0ann@example.org\u00a0", "ann@example.org"),
    ("ann+news@mail.example.org", "ann+news@mail.example.org"),
    ("o'hara@example.org", "o'hara@example.org"),
    ("ann@b\u00fccher.example", "ann@xn--bcher-kva.example"),
    ("ann@BU\u0308CHER.example", "ann@xn--bcher-kva.example"),
    ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
    ("1@2.3", "1@2.3"),
    ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
])
def test_valid_addresses_have_one_form(given_text, stored):
    """ID-7."""
    assert normalise(given_text) == stored


@pytest.mark.parametrize(("text", "says"), [
    ("ann", "no @"),
    ("ann@", "no domain"),
    ("@example.org", "before the @"),
    ("a@b@example.org", "more than one @"),
    ("ann@@example.org", "more than one @"),
    ("ann@localhost", "no dot"),
    ("ann@example..org", "domain"),
    ("ann@example.org.", "domain"),
    ("ann@-example.org", "domain"),
    ("ann@exam ple.org", "domain"),
    (".ann@example.org", "dot"),
    ("ann.@example.org", "dot"),
    ("a..n@example.org", "dot"),
    ("a nn@example.org", "blank"),
    ('"ann"@example.org', "quote"),
    ("Ann <ann@example.org>", "blank"),
    ("ann@example.org>", "domain"),
    ("\u00e4nn@example.org", "ASCII"),
    ("a" * 65 + "@example.org", "64"),
    ("a@" + "b" * 63 + "." + ("c" * 63 + ".") * 3 + "org", "longer"),
    ("a@" + "\u00e9" * 1_000_000, "longer"),  # never made ASCII: that would take seconds
])
def test_invalid_addresses_say_what_is_wrong(text, says):
    """ID-8."""
    problem = normalise(text)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.field) == ("INVALID_EMAIL", "email")
    assert says in problem.message


def test_a_control_character_in_an_address():
    """PUSH-6."""
    assert normalise("a\x00nn@example.org").code == "INVALID_CHARACTER"


def test_a_brand_may_take_shorter_addresses_only():
    """ID-8: a setting may lower the length."""
    assert normalise("ann@example.org", 14).code == "INVALID_EMAIL"
    assert normalise("ann@example.org", 15) == "ann@example.org"


@given(st.text(st.sampled_from("aA.@\u00e4\u0130\u00df -_'\u200b\ufeffKx1\u212a"), max_size=12)
       | st.emails() | st.text(max_size=20))
def test_normalising_twice_changes_nothing(text):
    """ID-7: case alone never makes a second person."""
    once = normalise(text)
    if isinstance(once, str):
        assert normalise(once) == once
        assert once == once.lower() and once.isascii() and len(once) <= 254


@pytest.mark.parametrize(("text", "stored"), [
    (None, None), ("", None), ("  ", None), (" 007 ", "007"), ("Ab", "Ab"), ("x" * 255, "x" * 255),
])
def test_remote_ids_are_kept_exactly(text, stored):
    """ID-6."""
    assert normalise_remote_id(text) == stored


@pytest.mark.parametrize(("text", "code"), [("x" * 256, "FIELD_TOO_LONG"), ("a\x00b", "INVALID_CHARACTER"),
                                            ("a\ud800", "INVALID_CHARACTER")])
def test_remote_ids_that_cannot_be(text, code):
    """ID-6, PUSH-6."""
    problem = normalise_remote_id(text)
    assert (problem.code, problem.field) == (code, "remoteId")


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x1f", "\x7f", "\x9f", "\ud800", "\udfff", "\ufffe",
                                       "\uffff"])
def test_characters_that_never_reach_the_store(character):
    """PUSH-6."""
    assert holds_forbidden(f"a{character}b")
    assert printable(f"a{character}b", 10) == "ab"


@pytest.mark.parametrize("character", ["\t", "\r", "\n", "\u00a0", "\ufffd", "\U0001f600", "\U0001fffe"])
def test_characters_that_may(character):
    """PUSH-6."""
    assert not holds_forbidden(f"a{character}b")
