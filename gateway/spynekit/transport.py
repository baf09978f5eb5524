"""What did the HTTP request say, and what is its body in plain bytes?"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.errors import GatewayError
from gateway.spynekit.faults import SOAP11, VERSIONS, SoapVersion
from gateway.spynekit.limits import Limits

Environ = dict[str, Any]
BLOCK_BYTES = 64 * 1024
GZIP_WINDOW = 16 + zlib.MAX_WBITS
MAX_GZIP_MEMBERS = 1_000
GZIP_NAMES = frozenset({"gzip", "x-gzip"})


def media_type(environ: Environ) -> tuple[str, str | None]:
    """The content type in lower case and its charset parameter or None.

    Tolerates what clients send beside them: unquoted action parameters, missing blanks, stray semicolons.
    """
    kind, *parameters = environ.get("CONTENT_TYPE", "").split(";")
    charset = None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'") or None
    return kind.strip().lower(), charset


def version_of(environ: Environ) -> SoapVersion | None:
    """The SOAP version that the content type announces, or None for another type (SOAP-7)."""
    kind, _ = media_type(environ)
    return next((version for version in VERSIONS if version.media_type == kind), None)


def likely_version(environ: Environ) -> SoapVersion:
    """The version to write a fault in when the content type is not one of ours; SOAP 1.1 unless 1.2 is mentioned."""
    announced = environ.get("CONTENT_TYPE", "").lower() + environ.get("HTTP_ACCEPT", "").lower()
    return next((version for version in VERSIONS if version.media_type in announced), SOAP11)


class Rewound:
    """An input whose first bytes were read already and are read again."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self.head, self.rest = head, rest

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end."""
        if not self.head:
            return self.rest.read(size)
        piece, self.head = self.head[:size], self.head[size:]
        return piece


def look_ahead(environ: Environ, size: int) -> bytes:
    """The first ``size`` bytes of the body as sent, or all of a shorter one; they are read again afterwards."""
    length = announced_length(environ)
    wanted, head = size if length is None else min(size, length), b""
    while len(head) < wanted and (piece := environ["wsgi.input"].read(wanted - len(head))):
        head += piece
    environ["wsgi.input"] = Rewound(head, environ["wsgi.input"])
    return head


def read_body(environ: Environ, limits: Limits) -> bytes:
    """The whole body, inflated if it came compressed; at most ``limits.body_bytes`` (SOAP-74). Raises as ``blocks``."""
    return b"".join(blocks(environ, limits.body_bytes))


def blocks(environ: Environ, most: int) -> Iterator[bytes]:
    """The body in blocks, inflated if it came compressed; at most ``most`` bytes as sent and as inflated (SOAP-74).

    A body without Content-Length (chunked, or closed by HTTP/1.0) is read to its end. Raises TOO_LARGE,
    MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE for an unknown content encoding, INVALID_VALUE for bad gzip (SOAP-81).
    """
    raw = raw_blocks(environ, most)
    return inflate(raw, most) if is_gzip(environ) else raw


def is_gzip(environ: Environ) -> bool:
    """Whether the body came compressed. Raises UNSUPPORTED_MEDIA_TYPE for another encoding than gzip."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in GZIP_NAMES | {"", "identity"}:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", "The content encoding is not supported; send gzip or none.")
    return encoding in GZIP_NAMES


def announced_length(environ: Environ) -> int | None:
    """The Content-Length, None without one. Raises MALFORMED_REQUEST unless it is a number."""
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced and not (announced.isascii() and announced.isdigit()):
        raise GatewayError("MALFORMED_REQUEST", "The Content-Length is not a number.")
    return int(announced[:20]) if announced else None


def raw_blocks(environ: Environ, most: int) -> Iterator[bytes]:
    """The body as sent. Raises TOO_LARGE before reading when the length is announced, else when the limit is passed."""
    length = announced_length(environ)
    if length is not None and length > most:
        raise too_large(most)
    wanted, got = most + 1 if length is None else length, 0
    while got < wanted:
        piece = environ["wsgi.input"].read(min(BLOCK_BYTES, wanted - got))
        if not piece:
            return
        got += len(piece)
        if got > most:
            raise too_large(most)
        yield piece


def too_large(most: int) -> GatewayError:
    """The error of SOAP-74."""
    return GatewayError("TOO_LARGE", f"The request is larger than {most} bytes; send it in pieces.")


def inflate(raw: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The content of a gzip body of one or more members, in blocks of at most 64 KiB, whatever it would become.

    It is fed in blocks and the members are counted: zlib copies all that follows a member, and 600,000 empty members
    in 12 MB took minutes.
    """
    decoder, members, left = zlib.decompressobj(GZIP_WINDOW), 1, most
    for block in raw:
        while block:
            if decoder.eof:
                decoder, members = zlib.decompressobj(GZIP_WINDOW), members + 1
                if members > MAX_GZIP_MEMBERS:
                    raise bad_gzip()
            piece = inflated(decoder, block)
            left -= len(piece)
            if left < 0:
                raise too_large(most)
            if piece:
                yield piece
            block = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    while piece := inflated(decoder, b""):  # what the last step had no room for
        left -= len(piece)
        if left < 0:
            raise too_large(most)
        yield piece
    if not decoder.eof:
        raise bad_gzip()


def inflated(decoder: zlib._Decompress, block: bytes) -> bytes:
    """At most 64 KiB of content."""
    try:
        return decoder.decompress(block, BLOCK_BYTES)
    except zlib.error:
        raise bad_gzip() from None


def bad_gzip() -> GatewayError:
    """The error of SOAP-81."""
    return GatewayError("INVALID_VALUE", "The body is not a complete gzip stream.", field="Content-Encoding")


def accepts_gzip(environ: Environ) -> bool:
    """Whether the caller takes a gzip answer (RFC 9110 section 12.5.3)."""
    for choice in environ.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = choice.partition(";")
        if name.strip() in GZIP_NAMES:
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compress(body: bytes) -> bytes:
    """``body`` as gzip; the same bytes give the same bytes."""
    return gzip.compress(body, compresslevel=5, mtime=0)
