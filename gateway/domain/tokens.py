"""How do we know later that a link, an address or a page token is one that we made? (SEND-44, SEND-45, SOAP-69)

Nothing is stored: a token carries its facts and a keyed checksum. A wrong one is ``None``, whatever is
wrong with it, so that no door can tell a stranger more than "no".
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from gateway.domain.tokentext import from_base32, from_base64, to_base32, to_base64

LINK_MAC_BYTES = 16  # 128 bits
ADDRESS_MAC_BYTES = 10  # 80 bits: a local part has 64 characters at most (SEND-44)
MAX_NUMBER = 2**63 - 1

_MAX_TOKEN_CHARS = 128
_MAX_SEALED_CHARS = 8192
_PREFIX_OF_LOCAL_PART = 2
_LINK_BYTES = 2
_TAIL_BYTES = _LINK_BYTES + LINK_MAC_BYTES  # 18, as the head a multiple of 3: many tokens are encoded as one
_ONE_BYTE = tuple(bytes((value,)) for value in range(128))


class Kind(IntEnum):
    """What a token allows. The numbers stand in mail that was sent: add, never change."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3
    VIEW = 4
    BOUNCE = 5
    MESSAGE = 6
    INSTANCE_OPEN = 7  # as OPEN and CLICK, and the token carries its instance: a hit needs no database
    INSTANCE_CLICK = 8
    PREFERENCES = 9


_KINDS = {kind.value: kind for kind in Kind}
_UNSUBSCRIBE, _BOUNCE, _MESSAGE, _OPEN, _CLICK = (_ONE_BYTE[kind] for kind in (
    Kind.UNSUBSCRIBE, Kind.BOUNCE, Kind.MESSAGE, Kind.INSTANCE_OPEN, Kind.INSTANCE_CLICK))
_PATHS = {Kind.OPEN: "/t/", Kind.CLICK: "/t/", Kind.UNSUBSCRIBE: "/u/", Kind.VIEW: "/v/", Kind.INSTANCE_OPEN: "/t/",
          Kind.INSTANCE_CLICK: "/t/", Kind.PREFERENCES: "/p/"}
_OF_INSTANCE = frozenset((Kind.INSTANCE_OPEN, Kind.INSTANCE_CLICK))


class Token(NamedTuple):  # several are made for every message, and cheaper than a frozen dataclass
    """What a token says. ``link`` is the link's index for clicks, the instance for ``MESSAGE``, else 0.

    ``instance_id`` is part of ``INSTANCE_OPEN`` and ``INSTANCE_CLICK`` alone, whose ``link`` is below 65,536.
    """

    kind: Kind
    brand_id: int
    delivery_id: int
    link: int = 0
    instance_id: int = 0


class MessageTokens(NamedTuple):
    """The texts of all tokens of one message: ``unsubscribe``, ``opened``, ``clicks`` (by number) stand in its links,
    ``return_path``, ``message_id`` and ``unsubscribe_address`` in addresses."""

    unsubscribe: str
    opened: str
    clicks: list[str]
    return_path: str
    message_id: str
    unsubscribe_address: str


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
        """A 256-bit key of one purpose of the caller's own, from the oldest secret: what is stored stays comparable
        when another one signs."""
        return derive(self.secrets[min(self.secrets)], "other:" + purpose)


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


def mint_message(keys: Keys, brand_id: int, delivery_id: int, instance_id: int, links: int) -> MessageTokens:
    """All tokens of one message with so many ``links``, each as :func:`mint` or :func:`mint_address` makes it, in half
    the time: what they share is made once. Raises ``ValueError`` above 65,536 links."""
    number, secret = _ONE_BYTE[keys.signing], keys.secrets[keys.signing]
    brand, delivery, instance = _number(brand_id), _number(delivery_id), _number(instance_id)
    nothing = _ONE_BYTE[0]
    leave = number + _UNSUBSCRIBE + brand + delivery + nothing
    hit = _filled_up(number + _CLICK + brand + instance + delivery)
    return MessageTokens(
        _link_text(secret, leave),
        _hit_texts(secret, number + _OPEN + hit[2:], 1)[0],
        _hit_texts(secret, hit, links),
        _address_text(secret, number + _BOUNCE + brand + delivery + nothing),
        _address_text(secret, number + _MESSAGE + brand + delivery + instance),
        _address_text(secret, leave))


def read(keys: Keys, text: str) -> Token | None:
    """The token that we once minted as ``text``, else ``None``; never raises, compares in constant time."""
    data = from_base64(text) if len(text) <= _MAX_TOKEN_CHARS else None
    if not data or len(data) < _TAIL_BYTES:
        return None
    return _read_hit(keys, text, data) if data[1] in _OF_INSTANCE else _read(keys, text, data, _mint_link)


def path(token: Token, text: str) -> str:
    """The path of the address that takes this token (operator.md, Addresses). ``KeyError`` for mail-only kinds."""
    return _PATHS[token.kind] + text


# --- tokens in the local part of an address ----------------------------------------------------------------------


def mint_address(keys: Keys, token: Token) -> str:
    """A token in lower-case base32 for a local part or a Message-ID, at most 62 characters without a ``link``."""
    return _mint_address(keys, keys.signing, token)


def read_address(keys: Keys, text: str) -> Token | None:
    """The token minted by :func:`mint_address`, in any letter case, else ``None``; never raises."""
    text = text.lower() if text.isascii() else ""
    data = from_base32(text) if len(text) <= _MAX_TOKEN_CHARS else None
    return _read(keys, text, data, _mint_address) if data else None


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
    data = from_base64(text) if len(text) <= _MAX_SEALED_CHARS else None
    facts = _take_numbers(data[:-LINK_MAC_BYTES], 2) if data else None
    if facts is None:
        return None
    (number, expires_ms), body = facts
    if number not in keys.secrets or not _same(_seal(keys, number, purpose, expires_ms, body), text):
        return None
    return None if now.timestamp() * 1000 >= expires_ms else json.loads(body)


def _seal(keys: Keys, number: int, purpose: str, expires_ms: int, body: bytes) -> str:
    state = _hmac_state(keys.secrets[number], "seal:" + purpose)
    facts = _number(number) + _number(expires_ms) + body
    return to_base64(facts + _mac(state, facts)[:LINK_MAC_BYTES])


# --- the parts of both ----------------------------------------------------------------------------------------------


def _mint_link(keys: Keys, number: int, token: Token) -> str:
    if token.kind in _OF_INSTANCE:
        return _mint_hit(keys, number, token)
    return _link_text(keys.secrets[number], _facts(number, token))


def _mint_hit(keys: Keys, number: int, token: Token) -> str:
    if not 0 <= token.link < 1 << 16:
        raise ValueError("a token's link is below 65,536")
    head = _instance_head(number, token.kind, token.brand_id, token.delivery_id, token.instance_id)
    pair = (token.link & ~1).to_bytes(_LINK_BYTES, "big"), (token.link | 1).to_bytes(_LINK_BYTES, "big")
    two = _hits(keys.secrets[number], head, (pair,))
    half = len(two) // 2
    return to_base64(two[half:] if token.link & 1 else two[:half])


def _mint_address(keys: Keys, number: int, token: Token) -> str:
    if token.kind in _OF_INSTANCE:
        raise ValueError("opens and clicks have no address")
    return _address_text(keys.secrets[number], _facts(number, token))


def _link_text(secret: bytes, facts: bytes) -> str:
    return to_base64(facts + _mac(_hmac_state(secret, "link"), facts)[:LINK_MAC_BYTES])


def _address_text(secret: bytes, facts: bytes) -> str:
    return to_base32(facts + _mac(_hmac_state(secret, "address"), facts)[:ADDRESS_MAC_BYTES])


def _hit_texts(secret: bytes, head: bytes, count: int) -> list[str]:
    """The tokens of links 0 to ``count - 1``, encoded as one."""
    texts = to_base64(_hits(secret, head, _pairs(count)))
    return [*map(texts.__getitem__, _places(count, (len(head) + _TAIL_BYTES) // 3 * 4))]


def _hits(secret: bytes, head: bytes, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The tokens, before they are text, of pairs of links: an even one and the one after it.

    An HMAC-SHA256 has 256 bits: one over head and even number gives both their 128 bits, at half the cost.
    """
    begun, outer = _hmac_state(secret, "hit")
    begun = begun.copy()
    begun.update(head)
    parts: list[bytes] = []
    for even, odd in pairs:
        inner, whole = begun.copy(), outer.copy()
        inner.update(even)
        whole.update(inner.digest())
        mac = whole.digest()
        parts += head, even, mac[:LINK_MAC_BYTES], head, odd, mac[LINK_MAC_BYTES:]
    return b"".join(parts)


@functools.lru_cache(maxsize=16)  # all messages of a mailing have as many
def _pairs(count: int) -> tuple[tuple[bytes, bytes], ...]:
    """The numbers of so many links, and of one more if that makes them even, in pairs."""
    if count > 1 << 16:
        raise ValueError("a token's link is below 65,536")
    return tuple((link.to_bytes(_LINK_BYTES, "big"), (link + 1).to_bytes(_LINK_BYTES, "big"))
                 for link in range(0, count, 2))


@functools.lru_cache(maxsize=16)
def _places(count: int, size: int) -> tuple[slice, ...]:
    """Where so many texts of one size stand in a row of them."""
    return tuple(slice(at, at + size) for at in range(0, count * size, size))


def _read(keys: Keys, text: str, data: bytes, mint_again: Callable[[Keys, int, Token], str]) -> Token | None:
    """Reads the facts, signs them again and compares the whole text: one test for every kind of damage."""
    facts = _take_numbers(data, 5)
    if facts is None:
        return None
    number, kind, brand_id, delivery_id, link = facts[0]
    if number not in keys.secrets or kind not in _KINDS or kind in _OF_INSTANCE:
        return None
    token = Token(_KINDS[kind], brand_id, delivery_id, link)
    return token if _same(mint_again(keys, number, token), text) else None


def _read_hit(keys: Keys, text: str, data: bytes) -> Token | None:
    """As :func:`_read`, for tokens that carry their instance."""
    facts = _take_numbers(data[:-_TAIL_BYTES], 5)
    if facts is None or facts[0][0] not in keys.secrets:
        return None
    number, kind, brand_id, instance_id, delivery_id = facts[0]
    link = int.from_bytes(data[-_TAIL_BYTES:-LINK_MAC_BYTES], "big")
    token = Token(_KINDS[kind], brand_id, delivery_id, link, instance_id)
    return token if _same(_mint_hit(keys, number, token), text) else None


def _facts(number: int, token: Token) -> bytes:
    kind, brand_id, delivery_id, link, _ = token
    return b"%c%c%b%b%b" % (number, kind, _number(brand_id), _number(delivery_id), _number(link))


def _instance_head(number: int, kind: Kind, brand_id: int, delivery_id: int, instance_id: int) -> bytes:
    """What all tokens of a delivery begin with, filled up so that its text is whole by itself."""
    return _filled_up(b"%c%c%b%b%b" % (number, kind, _number(brand_id), _number(instance_id), _number(delivery_id)))


def _filled_up(head: bytes) -> bytes:
    return head + bytes(-len(head) % 3)


def _same(ours: str, theirs: str) -> bool:
    return theirs.isascii() and hmac.compare_digest(ours, theirs)


@functools.lru_cache(maxsize=256)  # a delivery's number stands in all its tokens
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
