"""What did the HTTP request say, and what is its body in plain bytes?"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from gateway.errors import GatewayError
from gateway.spynekit.faults import SOAP11, VERSIONS, SoapVersion
from gateway.spynekit.limits import Limits

Environ = dict[str, Any]
BLOCK_BYTES = 64 * 1024
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


def read_body(environ: Environ, limits: Limits) -> bytes:
    """The whole body, inflated if it came compressed; at most ``limits.body_bytes`` (SOAP-74).

    A body without Content-Length (chunked, or closed by HTTP/1.0) is read to its end. Raises TOO_LARGE,
    MALFORMED_REQUEST, UNSUPPORTED_MEDIA_TYPE for an unknown content encoding, INVALID_VALUE for bad gzip (SOAP-81).
    """
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in GZIP_NAMES | {"", "identity"}:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", "The content encoding is not supported; send gzip or none.")
    raw = read_raw(environ, limits)
    return inflate(raw, limits) if encoding in GZIP_NAMES else raw


def read_raw(environ: Environ, limits: Limits) -> bytes:
    """The body as sent. Raises TOO_LARGE before reading when the length is announced, else when the limit is passed."""
    announced = environ.get("CONTENT_LENGTH") or ""
    if announced and not (announced.isascii() and announced.isdigit()):
        raise GatewayError("MALFORMED_REQUEST", "The Content-Length is not a number.")
    length = int(announced[:20]) if announced else None
    if length is not None and length > limits.body_bytes:
        raise too_large(limits)
    wanted = limits.body_bytes + 1 if length is None else length
    pieces, got = [], 0
    while got < wanted:
        piece = environ["wsgi.input"].read(min(BLOCK_BYTES, wanted - got))
        if not piece:
            break
        pieces.append(piece)
        got += len(piece)
    if got > limits.body_bytes:
        raise too_large(limits)
    return b"".join(pieces)


def too_large(limits: Limits) -> GatewayError:
    """The error of SOAP-74."""
    return GatewayError("TOO_LARGE", f"The request is larger than {limits.body_bytes} bytes; send it in pieces.")


def inflate(raw: bytes, limits: Limits) -> bytes:
    """The content of a gzip body of one or more members. Memory stays within the limit whatever it would become.

    It is fed in blocks and the members are counted: zlib copies all that follows a member, and 600,000 empty members
    in 12 MB took minutes.
    """
    pieces: list[bytes] = []
    left, at = limits.body_bytes, 0
    for _ in range(MAX_GZIP_MEMBERS):
        decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not decoder.eof:
            block = raw[at:at + BLOCK_BYTES]
            if not block:
                raise bad_gzip()
            try:
                piece = decoder.decompress(block, left + 1)
            except zlib.error:
                raise bad_gzip() from None
            left -= len(piece)
            if left < 0:
                raise too_large(limits)
            pieces.append(piece)
            at += len(block) - len(decoder.unused_data)
        if at == len(raw):
            return b"".join(pieces)
    raise bad_gzip()


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
