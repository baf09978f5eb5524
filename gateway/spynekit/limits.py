"""How much may one request ask of us?"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one request at one endpoint; the defaults are those of SOAP-74, SOAP-77 and SOAP-78.

    ``body_bytes`` bounds the body as sent and as inflated. ``text_chars`` bounds a text or attribute value.
    ``elements``, ``namespaces`` and the like are counted before any Python code walks the tree. ``items`` bounds how
    often one member of an operation may be repeated (SOAP-75); ``bulk_path`` tells where more can be sent.
    """

    body_bytes: int = 16 * MIB
    text_chars: int = 4 * MIB
    elements: int = 250_000
    attributes: int = 16
    namespaces: int = 64
    header_blocks: int = 16
    depth: int = 64
    name_chars: int = KIB
    items: int = 1_000
    bulk_path: str = "send the rest in another call"
    stream_bytes: int = 1024 * MIB
    """As ``body_bytes``, for an operation that is read as a stream (see :mod:`gateway.spynekit.stream`)."""

    stream_prefixes: int = 1_000
    """Different namespace prefixes in a stream: each one is remembered until its end."""

    gzip_answer_bytes: int = KIB
    """An answer smaller than this is not worth compressing."""

    subject: str = "request"
    """What a refusal calls that which was read."""
