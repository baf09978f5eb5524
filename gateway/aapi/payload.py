"""What do Grids or Actions hold: elements, or a text that is compressed and perhaps encrypted? (aapi.md section 3)"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from dataclasses import dataclass

from gateway.aapi.faults import INVALID_DATA_FORMAT, AapiError
from gateway.aapi.nodes import Node, children, content, local
from gateway.services import tripledes
from gateway.services.documentaccounts import PayloadKey
from gateway.spynekit.documents import parse_fragments

PLAIN, COMPRESSED, ENCRYPTED = "plain", "compressed", "encrypted"

MAX_BYTES = 64 * 1024 * 1024
"""What a payload may become when it is inflated."""

PIECE_BYTES = 256 * 1024
LENGTH_BYTES = 4
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Payload:
    """What was sent and how: the answer is sent the same way. Iterating ``node`` gives the grids or actions."""

    kind: str
    node: Node


class _UnreadableError(Exception):
    """The text is not this kind of payload."""


def is_packed(node: Node | None) -> bool:
    """Whether a node holds text, and no elements."""
    return node is not None and next(children(node), None) is None and bool(content(node).strip())


def read(node: Node, key: PayloadKey | None) -> Payload:
    """The payload of ``node``, which is Grids or Actions. An empty one is plain and has no children.

    Raises ``InvalidDataFormatException`` with one text whatever was wrong with the base64, the length, the gzip stream
    or the padding, so that nobody learns about the key from it; MALFORMED_REQUEST and the like for what is in it.
    """
    if not is_packed(node):
        return Payload(PLAIN, node)
    kind, data = _unpacked(content(node), key, node)
    return Payload(kind, parse_fragments(data, local(node)))


def write(kind: str, xml: str, key: PayloadKey | None) -> str:
    """``xml``, which is written already, as the content of Grids or Responses in an answer of this kind."""
    if kind == PLAIN:
        return xml
    packed = pack(xml.encode())
    if kind == ENCRYPTED and key is not None:
        packed = base64.b64encode(tripledes.encrypt(key, packed))
    return packed.decode("ascii")


def pack(data: bytes) -> bytes:
    """Base64 of the length and the gzip stream; the same bytes give the same bytes."""
    stream = gzip.compress(data, compresslevel=GZIP_LEVEL, mtime=0)
    return base64.b64encode(len(data).to_bytes(LENGTH_BYTES, "little") + stream)


def _unpacked(text: str, key: PayloadKey | None, node: Node) -> tuple[str, bytes]:
    try:
        raw = _decoded("".join(text.split()).encode())
        try:
            return COMPRESSED, _inflated(raw)
        except _UnreadableError:
            if key is None:
                raise
        return ENCRYPTED, _decrypted(raw, key)
    except _UnreadableError:
        raise AapiError(INVALID_DATA_FORMAT, f"The text of {local(node)} cannot be read: send elements, or base64 of a "
                                             "payload that is compressed or encrypted with this account's key.",
                        node) from None


def _decrypted(raw: bytes, key: PayloadKey) -> bytes:
    try:
        plain, padded = tripledes.decrypt(key, raw)
    except ValueError:
        raise _UnreadableError from None
    data = _inflated(_decoded(plain))
    if not padded:
        raise _UnreadableError
    return data


def _decoded(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise _UnreadableError from None


def _inflated(raw: bytes) -> bytes:
    """What the stream holds, which must be as long as it says; no more than that is ever in memory."""
    length = int.from_bytes(raw[:LENGTH_BYTES], "little")
    if raw[LENGTH_BYTES:LENGTH_BYTES + len(GZIP_MAGIC)] != GZIP_MAGIC or length > MAX_BYTES:
        raise _UnreadableError
    decoder = zlib.decompressobj(GZIP_WINDOW)
    pieces, left, rest = [], length, raw[LENGTH_BYTES:]
    try:
        while not decoder.eof:
            piece = decoder.decompress(rest, PIECE_BYTES)
            rest = decoder.unconsumed_tail
            left -= len(piece)
            if left < 0 or not (piece or rest or decoder.eof):
                raise _UnreadableError
            pieces.append(piece)
    except zlib.error:
        raise _UnreadableError from None
    if left or decoder.unused_data:
        raise _UnreadableError
    return b"".join(pieces)
