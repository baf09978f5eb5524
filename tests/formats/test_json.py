"""The traps of JSON in section 8 of push.md."""

import json

import pytest

from gateway.formats.json import MAX_DEPTH, JsonProblem, decode, dumps, loads


@pytest.mark.parametrize("text", [
    '{"a": 1, "a": 2}', '[{"x": {"a": null, "a": null}}]', "NaN", "[Infinity]", "-Infinity", "1e999", "[-1e999]",
    "9" * 10_000, "[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "", " ", "{", "[1,]", "{'a': 1}",
    "nul", "1 2", "[1] x", '"a\nb"', '"\\x"', "\ufeff[1]", "01", "+1", ".5", "0x10"])
def test_refused(text):
    """PUSH-79, PUSH-88..90, PUSH-95: one kind of refusal for all of them, never another exception."""
    with pytest.raises(JsonProblem):
        loads(text)


def test_depth():
    """PUSH-5: 16 levels are taken, 17 are not, of arrays and objects alike."""
    nested = json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert loads(json.dumps(nested)) == nested
    for text in ("[" * 17 + "]" * 17, '{"a":' * 17 + "1" + "}" * 17):
        with pytest.raises(JsonProblem, match="16"):
            loads(text)


def test_strings_are_left_to_their_records():
    """PUSH-91: an escape of a character that cannot be stored is no reason to refuse the request."""
    assert loads('["\\ud800", "\\u0000", "\\ufffe"]') == ["\ud800", "\0", "\ufffe"]


def test_long_integer_keeps_its_digits():
    """PUSH-9: a remote ID sent as a number keeps its digits."""
    assert loads("9" * 255) == int("9" * 255)


def test_bad_bytes():
    """PUSH-95: bytes that are not of the charset are a refusal that quotes nothing."""
    with pytest.raises(JsonProblem, match="position 2"):
        decode(b'["\xff"]', "utf-8")


def test_answers_can_carry_any_string():
    """PUSH-30: an answer that echoes a lone surrogate is still JSON in UTF-8."""
    assert json.loads(dumps({"a": "Zoë \ud800"}).decode("utf-8")) == {"a": "Zoë \ud800"}
    assert "Zoë".encode() in dumps({"a": "Zoë"})
