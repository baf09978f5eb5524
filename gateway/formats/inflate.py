"""How is a gzip body unpacked without trusting its size, and how is one packed? (PUSH-4, PUSH-5)"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from gateway.errors import GatewayError

BLOCK_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS


def inflate(blocks: Iterable[bytes], limit_bytes: int, remedy: str) -> Iterator[bytes]:
    """The unpacked bytes in blocks of less than 128 KiB; several gzip members in a row are one body (RFC 1952).

    No block but the last is smaller than 64 KiB, however small the members are: who joins the blocks of a long line
    would else take square time.
    Raises ``TOO_LARGE`` as soon as more than ``limit_bytes`` come out (``remedy`` ends its message) and
    ``MALFORMED_REQUEST`` for data that is damaged, cut short or not gzip. Memory stays flat.
    """
    size, waiting = 0, bytearray()
    for out in _members(blocks):
        size += len(out)
        if size > limit_bytes:
            raise GatewayError("TOO_LARGE", f"The unpacked body is larger than {limit_bytes} bytes. {remedy}")
        waiting += out
        if len(waiting) >= BLOCK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def unpacked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a gzip stream that we packed ourselves."""
    return _members(blocks)


def pack(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks as one gzip member, in flat memory."""
    packer = zlib.compressobj(wbits=_GZIP)
    for block in blocks:
        yield packer.compress(block)
    yield packer.flush()


def _members(blocks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    for block in blocks:
        while block:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            yield _step(member, block)
            block = member.unused_data if member.eof else member.unconsumed_tail
    while out := _step(member, b""):  # what the last step had no room for
        yield out
    if not member.eof:
        raise _damaged()


def _step(member: zlib._Decompress, block: bytes) -> bytes:
    try:
        return member.decompress(block, BLOCK_BYTES)
    except zlib.error:
        raise _damaged() from None


def _damaged() -> GatewayError:
    return GatewayError("MALFORMED_REQUEST", "The body is not a complete gzip stream. Pack it again, "
                                             "or send it without Content-Encoding.")
