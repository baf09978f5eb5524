"""One JSON array, in any blocks: good and bad elements, and arrays that do not end."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_LINE, decode
from gateway.formats.jsonarray import elements, read

SIZES = [1, 3, 17, 1 << 16]


def cut(data, size):
    data = data.encode() if isinstance(data, str) else data
    return [data[at:at + size] for at in range(0, len(data), size)]


def records(data, size=1 << 16, charset=None):
    return list(read(decode(cut(data, size), charset)))


@pytest.mark.parametrize("size", SIZES)
def test_records_and_lines(size):
    """PUSH-57, PUSH-72: the records of PUSH-49, each with the line it begins on, whatever the blocks."""
    text = ('[\n  {"remoteId": 1, "email": "a@b.org",\n   "fields": {"City": "New\\nYork, \\"NY\\" ]}"}},\n'
            '{"email": "c@d.org"} , {"remoteId": "ü"}\n]\n')
    assert [(r.remote_id, r.email, dict(r.values), r.line, r.problem) for r in records(text, size)] == [
        ("1", "a@b.org", {"City": 'New\nYork, "NY" ]}'}, 2, None), (None, "c@d.org", {}, 4, None),
        ("ü", None, {}, 4, None)]


@pytest.mark.parametrize("text", ["[]", " \n[ \n] ", "\ufeff[]"])
def test_empty(text):
    """An empty array is a complete file without records."""
    assert records(text) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("bad", "code"), [
    ('{"email": "a@b.org", "email": "c@d.org"}', "INVALID_VALUE"), ('{"email": }', "INVALID_VALUE"),
    ('{"a": NaN}', "INVALID_VALUE"), ('{"a": 1e999}', "INVALID_VALUE"), ("17", "INVALID_VALUE"),
    ('"x, ]"', "INVALID_VALUE"), ("null", "INVALID_VALUE"), ("nul", "INVALID_VALUE"), ('[{"email": "x"}]',
                                                                                   "INVALID_VALUE"),
    ('{"a": ' + "[" * 30 + "]" * 30 + "}", "INVALID_VALUE"), ('{"email": "x" "y"}', "INVALID_VALUE")])
def test_bad_element_fails_alone(size, bad, code):
    """PUSH-11, PUSH-79: an element that closes but is no record; its neighbours are read."""
    found = records(f'[{{"remoteId": "1"}}, {bad},\n{{"remoteId": "2"}}]', size)
    assert [(r.remote_id, r.problem and r.problem.code) for r in found] == [("1", None), (None, code), ("2", None)]
    assert found[2].line == 2


def test_deep_element():
    """PUSH-88: 100,000 levels are one bad record."""
    found = records('[{"a":' + "[" * 100_000 + "]" * 100_000 + '}, {"remoteId": "2"}]')
    assert [r.problem and r.problem.code for r in found] == ["INVALID_VALUE", None]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("text", [
    "", "   ", "{}", '{"a": 1}', "7", "[", '[{"a": 1}', '[{"a": 1},', '[{"a": 1},]', '[{"a": 1} {"a": 2}]', "[,]",
    '[{"a": 1},,{"a": 2}]', "[]]", "[] []", "[]x", '[{"a": "x}]', '[{"a": [1}, 2]', '[{"a": 1}}]', '["a\\'])
def test_array_that_cannot_be_read(size, text):
    """PUSH-11, PUSH-69: its end does not parse, or it is none."""
    with pytest.raises(GatewayError) as refused:
        records(text, size)
    assert refused.value.code == "MALFORMED_REQUEST"
    assert "line 1" in refused.value.message


@pytest.mark.parametrize("bad", [b'{"email": "\xff"}', b'{"a": \xff}'])
def test_undecodable_element(bad):
    """PUSH-59: bytes that the charset does not know fail their element."""
    found = records(b'[{"remoteId": "1"},' + bad + b',{"remoteId": "2"}]')
    assert [r.problem and r.problem.code for r in found] == [None, "INVALID_CHARACTER", None]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16le", "utf-16be", "iso-8859-1", "windows-1252"])
def test_charsets(charset):
    """PUSH-59: the declared charset."""
    data = json.dumps([{"remoteId": "é"}], ensure_ascii=False).encode(charset)
    assert [r.remote_id for r in records(data, 5, charset)] == ["é"]


@pytest.mark.parametrize("long", ['{"a": "%s"}', '"%s"', '[%s]'])
def test_element_that_is_too_long(long):
    """PUSH-5: it fails alone, and nothing of it is kept."""
    text = f'[{{"remoteId": "1"}}, {long % ("x" * MAX_LINE)}, {{"remoteId": "2"}}]'
    assert [(r.remote_id, r.problem and r.problem.code) for r in records(text)] == [
        ("1", None), (None, "FIELD_TOO_LONG"), ("2", None)]


def test_memory_is_flat():
    """PUSH-58: an array, or one element, of any length is read block by block."""
    def blocks(start, piece, end):
        yield start
        for _ in range(100):
            yield piece
        yield end

    row = b'{"remoteId":"1","fields":{"City":"' + b"x" * 100 + b'"}},'
    for sent in (blocks(b"[", row * (64_000 // len(row)), b'{"remoteId":"1"}]'),
                 blocks(b'[{"a":"', b"x" * 64_000, b'"}]')):
        tracemalloc.start()
        for _ in read(decode(sent, None)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_500_000


JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6)


@given(st.lists(JSON, max_size=6), st.sampled_from([1, 2, 5, 64]), st.sampled_from([None, 1]))
def test_any_array(values, size, indent):
    """ID-P3: what is cut out is what was sent, in any blocks and layout."""
    text = json.dumps(values, indent=indent)
    assert [element.value for element in elements(decode(cut(text, size), None))] == values
