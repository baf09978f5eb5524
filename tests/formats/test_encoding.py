"""Bytes to lines: charsets, marks, damage, and lines that never end."""

import pytest

from gateway.errors import GatewayError
from gateway.formats.encoding import MAX_LINE, UNDECODABLE, TooLong, decode, lines


def in_blocks(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(("codec", "charset"), [
    ("utf-8", None), ("utf-8-sig", None), ("utf-8-sig", "iso-8859-1"), ("utf-16", None), ("utf-16", "UTF-16"),
    ("utf-16-le", "utf-16"), ("utf-16-be", "utf-16"), ("utf-16-be", "UTF-16BE"), ("iso-8859-1", "ISO-8859-1"),
    ("cp1252", '"windows-1252"')])
def test_charset_and_mark(codec, charset, size):
    """PUSH-59: a BOM beats the declared charset, in any cutting of the bytes."""
    text = "email,Näme\r\nann@example.org,Zoë\n"
    assert "".join(decode(in_blocks(text.encode(codec), size), charset)) == text


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("data", "charset"), [
    (b"ab\xff\ncd\n", None), (b"ab\x81\ncd\n", "windows-1252"), (b"a\0b\0\x00\xd8\n\0c\0d\0\n\0", "utf-16"),
    (b"ab\xc3\ncd\n", None)])
def test_undecodable_bytes_are_marked_in_their_line(data, charset, size):
    """PUSH-59: undecodable bytes spoil their own line and no other."""
    first, second = lines(decode(in_blocks(data, size), charset))
    assert UNDECODABLE in first
    assert second == "cd\n"


def test_cut_off_character_at_the_end():
    """PUSH-59: a character cut off by the end of the file is undecodable, not silently dropped."""
    assert list(decode([b"ab\xc3"], None))[-1] == UNDECODABLE


def test_unknown_charset():
    """PUSH-59: another charset is refused."""
    with pytest.raises(GatewayError) as refused:
        list(decode([b"x"], "ebcdic"))
    assert refused.value.code == "UNSUPPORTED_MEDIA_TYPE"


def test_lines_end_with_lf_only():
    """Other line separators of Unicode are text like any other."""
    assert list(lines(["a\r\nb\u2028\x85c", "d\n\n", "e"])) == ["a\r\n", "b\u2028\x85cd\n", "\n", "e"]


@pytest.mark.parametrize("size", [5, 1000, 70_000, 3 * MAX_LINE])
def test_long_line_becomes_a_note_of_its_quotes(size):
    """PUSH-5: over 1 MiB nothing is kept but the parity of the quotes; its neighbours are whole."""
    if size == 5:
        size = 4096
    long = 'x"' + "y" * (MAX_LINE + 10) + '"z"'
    found = list(lines(in_blocks(f"a\n{long}\nb\n{long}", size)))
    assert found == ["a\n", '"', "b\n", '"']
    assert [type(line) is TooLong for line in found] == [False, True, False, True]


def test_endless_line_is_read_in_flat_memory():
    """PUSH-94: any length without a line end is passed over block by block."""
    block = "x" * 65536
    assert list(lines(block for _ in range(200))) == [""]
