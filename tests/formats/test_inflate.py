"""Unpacking: whole, damaged, cut short, in members, and too much of it."""

import gzip
import os

import pytest

from gateway.errors import GatewayError
from gateway.formats.inflate import BLOCK_BYTES, inflate


def in_blocks(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def unpack(data, size=1000, limit=10**8):
    return b"".join(inflate(in_blocks(data, size), limit, "Send less."))


@pytest.mark.parametrize("size", [1, 100, 10**6])
@pytest.mark.parametrize("text", [b"", b"ann", b"ann@example.org\n" * 10_000, os.urandom(200_000)])
def test_round_trip(text, size):
    """PUSH-4: what was packed comes out, in any cutting."""
    assert unpack(gzip.compress(text), size) == text


def test_members_in_a_row_are_one_body():
    """RFC 1952, 2.2: members are simply joined."""
    assert unpack(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"


@pytest.mark.parametrize("damage", [
    lambda d: d[:-1], lambda d: d[:-9], lambda d: d[:5], lambda d: b"", lambda d: b"plain text", lambda d: d + b"x",
    lambda d: d[:30] + bytes([d[30] ^ 255]) + d[31:], lambda d: d[:-8] + b"\0\0\0\0" + d[-4:]])
def test_damage_is_refused(damage):
    """PUSH-4: cut short, damaged, with a tail, or not gzip at all: 400."""
    with pytest.raises(GatewayError) as refused:
        unpack(damage(gzip.compress(b"ann@example.org\n" * 50)))
    assert refused.value.code == "MALFORMED_REQUEST"


def test_bomb_stops_at_the_limit_in_small_blocks():
    """PUSH-4: the cap holds for what comes out, and blocks stay small."""
    bomb, sizes = gzip.compress(b"\0" * 50_000_000), []
    with pytest.raises(GatewayError) as refused:
        sizes.extend(len(block) for block in inflate([bomb], 1_000_000, "Use the bulk path."))
    assert refused.value.code == "TOO_LARGE"
    assert "bulk path" in refused.value.message
    assert max(sizes, default=0) < 2 * BLOCK_BYTES


def test_tiny_members_come_in_large_blocks():
    """PUSH-5: a body packed byte by byte; who joins the blocks of a long line must not take square time for it."""
    text = os.urandom(150_000)
    packed = b"".join(gzip.compress(text[at:at + 1], 1) for at in range(len(text)))
    blocks = list(inflate(in_blocks(packed, 1 << 16), 10**8, "Send less."))
    assert b"".join(blocks) == text
    assert len(blocks) <= 1 + len(text) // BLOCK_BYTES
