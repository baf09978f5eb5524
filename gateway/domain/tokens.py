"""How do we know later that a link, an address or a page token is one that we made? (SEND-44, SEND-45, SOAP-69)

Nothing is stored: a token carries its facts and a keyed checksum. A wrong one is ``None``, whatever is
wrong with it, so that no door can tell a stranger more than "no".
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

LINK_MAC_BYTES = 16  # 128 bits
ADDRESS_MAC_BYTES = 10  # 80 bits: a local part has 64 characters at most (SEND-44)
MAX_NUMBER = 2**63 - 1

_MAX_TOKEN_CHARS = 128
_MAX_SEALED_CHARS = 8192
_PREFIX_OF_LOCAL_PART = 2
_ONE_BYTE = tuple(bytes((value,)) for value in range(128))
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Kind(IntEnum):
    """What a token allows. The numbers stand in mail that was sent: add, never change."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3
    VIEW = 4
    BOUNCE = 5
    MESSAGE = 6


_PATHS = {Kind.OPEN: "/t/", Kind.CLICK: "/t/", Kind.UNSUBSCRIBE: "/u/", Kind.VIEW: "/v/"}


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. ``link`` is the link's index for ``CLICK``, the instance for ``MESSAGE``, else 0."""

    kind: Kind
    brand_id: int
    delivery_id: int
    link: int = 0


@dataclass(frozen=True, slots=True)
class Keys:
    """The installation's secrets by key number: all of them verify, ``signing`` signs (SEND-45).

    Every purpose gets a key of its own, derived by HMAC, so a token of one purpose is never good for another.
    """

    secrets: Mapping[int, bytes] = field(repr=False)
    signing: int

    def __post_init__(self) -> None:
        if self.signing not in self.secrets or not all(1 <= n <= 127 and s for n, s in self.secrets.items()):
            raise ValueError("keys are numbered 1 to 127, are not empty, and one of them signs")

    @classmethod
    def from_secret(cls, secret: bytes, older: Iterable[bytes] = ()) -> Keys:
        """The keyring of an installation: ``older`` secrets, oldest first, then the one that signs now."""
        secrets = dict(enumerate([*older, secret], start=1))
        return cls(secrets, len(secrets))

    def pinned(self, number: int) -> Keys:
        """The same keyring signing with key ``number``: an instance keeps the key of its freezing (SEND-23)."""
        return Keys(self.secrets, number)

    def derived(self, purpose: str) -> bytes:
        """A 256-bit key of one purpose of the caller's own, from the secret that signs."""
        return derive(self.secrets[self.signing], "other:" + purpose)


def derive(secret: bytes, purpose: str) -> bytes:
    """A 256-bit key for one purpose; keys of two purposes say nothing about each other."""
    return hmac.digest(secret, b"gateway key for " + purpose.encode(), "sha256")


_HmacState = tuple[Any, Any]


@functools.lru_cache(maxsize=256)
def _hmac_state(secret: bytes, purpose: str) -> _HmacState:
    """HMAC-SHA256 (RFC 2104) with the key already taken in: a third of the time of ``hmac.digest`` per token."""
    key = derive(secret, purpose).ljust(64, b"\0")
    return (hashlib.sha256(bytes(byte ^ 0x36 for byte in key)), hashlib.sha256(bytes(byte ^ 0x5C for byte in key)))


def _mac(state: _HmacState, facts: bytes) -> bytes:
    inner, outer = state[0].copy(), state[1].copy()
    inner.update(facts)
    outer.update(inner.digest())
    return outer.digest()


# --- tokens in links -------------------------------------------------------------------------------------------


def mint(keys: Keys, token: Token) -> str:
    """The URL-safe text of a token, under 70 characters; the same input gives the same text."""
    return _mint_link(keys, keys.signing, token)


def mint_clicks(keys: Keys, brand_id: int, delivery_id: int, count: int) -> list[str]:
    """The click tokens of links 0 to ``count - 1`` of one delivery; as :func:`mint`, but for the hot path."""
    state = _hmac_state(keys.secrets[keys.signing], "link")
    head = _head(keys.signing, Kind.CLICK, brand_id, delivery_id)
    texts = []
    for link in range(count):
        facts = head + _number(link)
        texts.append(_to_base64(_signed(state, facts, LINK_MAC_BYTES)))
    return texts


def read(keys: Keys, text: str) -> Token | None:
    """The token that we once minted as ``text``, else ``None``; never raises, compares in constant time."""
    return _read(keys, text, _from_base64, _mint_link)


def path(token: Token, text: str) -> str:
    """The path of the address that takes this token (operator.md, Addresses). ``KeyError`` for mail-only kinds."""
    return _PATHS[token.kind] + text


# --- tokens in the local part of an address ----------------------------------------------------------------------


def mint_address(keys: Keys, token: Token) -> str:
    """A token in lower-case base32 for a local part or a Message-ID, at most 62 characters without a ``link``."""
    return _mint_address(keys, keys.signing, token)


def read_address(keys: Keys, text: str) -> Token | None:
    """The token minted by :func:`mint_address`, in any letter case, else ``None``; never raises."""
    return _read(keys, text.lower() if text.isascii() else "", _from_base32, _mint_address)


def verp_local_part(keys: Keys, brand_id: int, delivery_id: int) -> str:
    """The local part of the return path: ``b-<token>``, at most 64 characters (SEND-44)."""
    return "b-" + mint_address(keys, Token(Kind.BOUNCE, brand_id, delivery_id))


def read_local_part(keys: Keys, local_part: str) -> Token | None:
    """The token of a local part such as ``b-<token>`` or ``u-<token>``; ``None`` when it is not ours."""
    token = read_address(keys, local_part[_PREFIX_OF_LOCAL_PART:])
    wanted = {"b-": Kind.BOUNCE, "u-": Kind.UNSUBSCRIBE, "m-": Kind.MESSAGE}
    return token if token and wanted.get(local_part[:_PREFIX_OF_LOCAL_PART].lower()) is token.kind else None


# --- sealed facts --------------------------------------------------------------------------------------------------


def seal(keys: Keys, purpose: str, payload: Any, expires_at: dt.datetime) -> str:
    """An opaque, signed, URL-safe text of a JSON value that is good until ``expires_at`` (SOAP-69).

    The payload can be read by who holds the text: it is signed, not encrypted. Raises ``ValueError`` for a naive
    time or a payload over about 6,000 bytes, ``TypeError`` for one that is not JSON.
    """
    if expires_at.tzinfo is None:
        raise ValueError("a naive datetime has no meaning here")
    body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
    text = _seal(keys, keys.signing, purpose, int(expires_at.timestamp() * 1000), body)
    if len(text) > _MAX_SEALED_CHARS:
        raise ValueError("the payload is too long for a token")
    return text


def unseal(keys: Keys, purpose: str, text: str, now: dt.datetime) -> Any | None:
    """The payload sealed for this ``purpose``; ``None`` when damaged, made for something else, or expired."""
    data = _from_base64(text) if len(text) <= _MAX_SEALED_CHARS else None
    facts = _take_numbers(data[:-LINK_MAC_BYTES], 2) if data else None
    if facts is None:
        return None
    (number, expires_ms), body = facts
    if number not in keys.secrets or not _same(_seal(keys, number, purpose, expires_ms, body), text):
        return None
    return None if now.timestamp() * 1000 >= expires_ms else json.loads(body)


def _seal(keys: Keys, number: int, purpose: str, expires_ms: int, body: bytes) -> str:
    state = _hmac_state(keys.secrets[number], "seal:" + purpose)
    return _to_base64(_signed(state, _number(number) + _number(expires_ms) + body, LINK_MAC_BYTES))


# --- the parts of both ----------------------------------------------------------------------------------------------


def _mint_link(keys: Keys, number: int, token: Token) -> str:
    return _to_base64(_signed(_hmac_state(keys.secrets[number], "link"), _facts(number, token), LINK_MAC_BYTES))


def _mint_address(keys: Keys, number: int, token: Token) -> str:
    signed = _signed(_hmac_state(keys.secrets[number], "address"), _facts(number, token), ADDRESS_MAC_BYTES)
    return base64.b32encode(signed).rstrip(b"=").decode().lower()


def _read(keys: Keys, text: str, decode: Callable[[str], bytes | None],
          mint_again: Callable[[Keys, int, Token], str]) -> Token | None:
    """Reads the facts, signs them again and compares the whole text: one test for every kind of damage."""
    data = decode(text) if len(text) <= _MAX_TOKEN_CHARS else None
    facts = _take_numbers(data, 5) if data else None
    if facts is None:
        return None
    number, kind, brand_id, delivery_id, link = facts[0]
    if number not in keys.secrets or kind not in Kind.__members__.values():
        return None
    token = Token(Kind(kind), brand_id, delivery_id, link)
    return token if _same(mint_again(keys, number, token), text) else None


def _facts(number: int, token: Token) -> bytes:
    return _head(number, token.kind, token.brand_id, token.delivery_id) + _number(token.link)


def _head(number: int, kind: Kind, brand_id: int, delivery_id: int) -> bytes:
    return bytes((number, kind)) + _number(brand_id) + _number(delivery_id)


def _signed(state: _HmacState, facts: bytes, mac_bytes: int) -> bytes:
    return facts + _mac(state, facts)[:mac_bytes]


def _same(ours: str, theirs: str) -> bool:
    return theirs.isascii() and hmac.compare_digest(ours, theirs)


def _number(value: int) -> bytes:
    """A number in groups of seven bits, low groups first; the top bit says that more follow."""
    if 0 <= value <= 127:
        return _ONE_BYTE[value]
    if not 0 <= value <= MAX_NUMBER:
        raise ValueError("ids in tokens are not negative and below 2**63")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _take_numbers(data: bytes, count: int) -> tuple[list[int], bytes] | None:
    """The first ``count`` numbers of ``data`` and the bytes behind them."""
    numbers, value, shift = [], 0, 0
    for at, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if value > MAX_NUMBER or shift > 70:
            return None
        if byte < 128:
            numbers.append(value)
            value = shift = 0
            if len(numbers) == count:
                return numbers, data[at + 1:]
    return None


def _to_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def _from_base64(text: str) -> bytes | None:
    return _decoded(base64.urlsafe_b64decode, text, 4)


def _from_base32(text: str) -> bytes | None:
    return _decoded(base64.b32decode, text.upper(), 8)


def _decoded(decode: Callable[[str], bytes], text: str, block: int) -> bytes | None:
    if not text.isascii():
        return None
    try:
        return decode(text + "=" * (-len(text) % block))
    except (binascii.Error, ValueError):
        return None
