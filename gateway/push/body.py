"""What is in the request's body, and how much of it do we take? (PUSH-3..5, PUSH-94)"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import g, request

from gateway.errors import GatewayError
from gateway.formats.encoding import UTF_16, codec_name, sniff
from gateway.formats.inflate import inflate
from gateway.formats.json import decode, loads
from gateway.push.answers import BASE

MAX_BYTES = 8 * 1024**2
BLOCK_BYTES = 64 * 1024
_JSON = ("application/json", "text/json")
_PERSON = (("remoteId", "ContactId"), ("email", "PrimaryEmailAddress"))
_REMEDY = f"Send files to {BASE}/imports."


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON body: its value, and the SHA-256 of its bytes as sent. ``value`` is None when there is no body."""

    value: Any
    sha256: str


def read_json(*, optional: bool = False) -> Body:
    """Reads and parses the body; nothing of it is kept when it is refused.

    Raises ``UNSUPPORTED_MEDIA_TYPE``, ``TOO_LARGE`` naming the bulk path, ``MALFORMED_REQUEST``, and
    ``JsonProblem`` for text that is not JSON. ``optional``: no body at all is fine.
    """
    digest = hashlib.sha256()
    wire = _counted(read_blocks(), digest)
    data = b"".join(inflate(wire, MAX_BYTES, _REMEDY) if is_gzip() else wire)
    if not data and optional:
        return Body(None, digest.hexdigest())
    media_type, parameters = request.mimetype, request.mimetype_params
    if media_type not in _JSON:
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", f"Send Content-Type: {' or '.join(_JSON)}.", field="Content-Type")
    codec = codec_name(parameters.get("charset"))
    if not codec.startswith(("utf-8", UTF_16)):
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", "JSON is sent in UTF-8 or UTF-16.", field="Content-Type")
    codec, mark = sniff(data[:4], codec)
    value = loads(decode(data[mark:], codec))
    g.body_value = value
    return Body(value, digest.hexdigest())


def person() -> tuple[str | None, str | None]:
    """Remote ID and address of the one person that the request is about, as they were sent; None and None for others.

    It looks at the parameters of the URL, then at a body of one record, of either face. Raises nothing.
    """
    value = g.get("body_value")
    if isinstance(value, dict) and isinstance(value.get("records"), list):
        value = value["records"]
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if isinstance(value, dict) and isinstance(value.get("ContactDetails"), dict):
        value = value["ContactDetails"]
    members = value if isinstance(value, dict) else {}
    found = (request.args.get(ours) or members.get(ours) or members.get(theirs) for ours, theirs in _PERSON)
    remote_id, email = (str(each) if isinstance(each, (str, int)) else None for each in found)
    return remote_id, email


def read_blocks() -> Iterator[bytes]:
    """The body as sent, in blocks. A sender who goes away too early is a ``BadRequest`` of the server's library."""
    while block := request.stream.read(BLOCK_BYTES):
        yield block


def is_gzip() -> bool:
    """Whether the body is packed; raises ``UNSUPPORTED_MEDIA_TYPE`` for another encoding than gzip."""
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return False
    if encoding in ("gzip", "x-gzip"):
        return True
    raise GatewayError("UNSUPPORTED_MEDIA_TYPE", "The one Content-Encoding taken is gzip.", field="Content-Encoding")


def members(value: Any, known: Iterable[str], *, required: Iterable[str] = ()) -> dict[str, Any]:
    """The members of a JSON object that is a command; null is not given.

    Raises ``INVALID_REQUEST`` for anything but an object, for an unknown member - a slip in the name of an
    exclusion would mail people - and for one of ``required`` that is missing.
    """
    if not isinstance(value, dict):
        raise GatewayError("INVALID_REQUEST", "The body is a JSON object.")
    for name in value:
        if name not in known:
            raise GatewayError("INVALID_REQUEST", f"There is no member of this name; known are {', '.join(known)}.",
                               field=name[:100])
    given = {name: item for name, item in value.items() if item is not None}
    for name in required:
        if name not in given:
            raise GatewayError("INVALID_REQUEST", "This member is required.", field=name)
    return given


def _counted(blocks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > MAX_BYTES:
            raise GatewayError("TOO_LARGE", f"The body is larger than {MAX_BYTES} bytes. {_REMEDY}")
        digest.update(block)
        yield block
