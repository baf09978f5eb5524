"""How are the bytes of a token written in a link, and how in the local part of an address? (SEND-44, SEND-45)"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_BASE32 = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)


def to_base64(data: bytes) -> str:
    """Base64 for addresses of the web (RFC 4648, 5), without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def to_base32(data: bytes) -> str:
    """Lower case, without padding, of at most 40 bytes; in a quarter of the time of ``base64.b32encode``.

    The halves of the whole are moved apart, then the halves of each half, until each five bits have a byte.
    """
    chars = 32 if len(data) <= 20 else 64
    value = int.from_bytes(data.ljust(chars * 5 // 8, b"\0"), "big")
    for low, high, shift in _lanes(chars // 2):
        value = value & low | (value & high) << shift
    return value.to_bytes(chars, "big").translate(_BASE32)[:(8 * len(data) + 4) // 5].decode()


@functools.cache
def _lanes(half: int) -> tuple[tuple[int, int, int], ...]:
    """For each step, of which the first halves twice ``half`` characters: which bits stay, which are moved, and how
    far."""
    steps = []
    for chars in (half >> step for step in range(half.bit_length())):
        low = sum(((1 << 5 * chars) - 1) << 16 * chars * lane for lane in range(half // chars))
        steps.append((low, low << 5 * chars, 3 * chars))
    return tuple(steps)


def from_base64(text: str) -> bytes | None:
    """What :func:`to_base64` wrote, else None; it may be another text of the same bytes."""
    return _decoded(base64.urlsafe_b64decode, text, 4)


def from_base32(text: str) -> bytes | None:
    """What :func:`to_base32` wrote, in any letter case, else None; it may be another text of the same bytes."""
    return _decoded(base64.b32decode, text.upper(), 8)


def _decoded(decode: Callable[[str], bytes], text: str, block: int) -> bytes | None:
    if not text.isascii():
        return None
    try:
        return decode(text + "=" * (-len(text) % block))
    except (binascii.Error, ValueError):
        return None
