"""How does a hit stand in the spool? One line with a checksum, written at once and read back by itself (SEND-47)."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.hits import Hit
from gateway.domain.tokens import Kind, Token

MAX_AGENT = 300

_KINDS = {Kind.OPEN, Kind.CLICK, Kind.INSTANCE_OPEN, Kind.INSTANCE_CLICK}
_FIELDS = 9


@dataclass(frozen=True, slots=True)
class Record:
    """One hit: what its token says, and the request. ``position``: bytes before it in its segment."""

    position: int
    token: Token
    at: dt.datetime
    hit: Hit


def line(token: Token, hit: Hit, at: dt.datetime) -> bytes:
    """The line of a hit, its newline included; ``at`` is aware. No text of a stranger can end it early."""
    agent = hit.agent[:MAX_AGENT]
    if not agent.isprintable():
        agent = "".join(c if c.isprintable() else " " for c in agent)
    text = (f"{token.kind:d}\t{token.brand_id}\t{token.instance_id}\t{token.delivery_id}\t{token.link}\t"
            f"{at.timestamp() * 1000:.0f}\t{hit.method}{'+' if hit.prefetch else ''}\t{hit.ip}\t{agent}").encode()
    return b"%s\t%08x\n" % (text, zlib.crc32(text))


def records(data: bytes, position: int) -> Iterator[tuple[int, Record | None]]:
    """The hits of whole lines that begin at ``position`` of their segment, each with the position behind it.

    A damaged line is None. What stands behind the last newline is not looked at: that line is not written yet, or was
    not when its process died.
    """
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield position + end + 1, _record(data[start:end], position + start)
        start = end + 1


def _record(data: bytes, position: int) -> Record | None:
    text, _, checksum = data.rpartition(b"\t")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    fields = text.decode().split("\t")
    if len(fields) != _FIELDS:
        return None
    kind, brand_id, instance_id, delivery_id, link, millis = map(int, fields[:6])
    method, ip, agent = fields[6:]
    if kind not in _KINDS:
        return None
    return Record(position, Token(Kind(kind), brand_id, delivery_id, link, instance_id),
                  dt.datetime.fromtimestamp(millis // 1000, dt.UTC) + dt.timedelta(milliseconds=millis % 1000),
                  Hit(method.rstrip("+"), agent, ip, method.endswith("+")))
