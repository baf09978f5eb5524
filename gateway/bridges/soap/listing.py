"""How is the whole list of a SOAP service read, page by page, without taking a part of it for the whole?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from gateway.bridges.http.listing import MAX_PAGES
from gateway.bridges.http.places import Json
from gateway.bridges.port import Outage, Refused
from gateway.bridges.soap.calls import Listing, Paging, SoapCall
from gateway.bridges.soap.client import Client, Reply
from gateway.bridges.soap.places import at, gap, items, key
from gateway.bridges.soap.reading import Node

Pages = Iterator[tuple[Reply, list[Node]]]


def pages(client: Client, listing: Listing, call: SoapCall, known: Mapping[str, Json], *,
          patient: bool = True) -> Pages:
    """Every page of the list and what it lists, in order; ends only where the system shows that there is no more.

    A page that is shorter than asked for is not the last one: only an empty one is, or one without a text that leads to
    the next. Raises :class:`Outage` where the list breaks off, :class:`Refused` where it turns in circles.
    """
    paging = listing.paging
    if paging is None:
        yield _page(client, call, known, patient)
    elif paging.kind == "cursor":
        yield from _linked(client, call, paging, known, patient)
    else:
        yield from _counted(client, call, paging, known, patient)


def listed(client: Client, call: SoapCall, content: Node) -> list[Node]:
    """The list in an answer. Raises :class:`Refused` where the answer has another shape, which is no empty list."""
    declared = client.contract().declared(call.operation, call.result)
    if declared is None and gap(content, call.result):
        raise Refused(f"The system's answer has no list at '{call.result}'. Check the bridge's configuration.")
    return items(content, call.result)


def _page(client: Client, call: SoapCall, known: Mapping[str, Json], patient: bool) -> tuple[Reply, list[Node]]:
    reply = client.call(call, known, patient=patient)
    return reply, listed(client, call, reply.content)


def _counted(client: Client, call: SoapCall, paging: Paging, known: Mapping[str, Json], patient: bool) -> Pages:
    number, seen, before = paging.first, 0, b""
    for _ in range(MAX_PAGES):
        reply, found = _page(client, call, {**known, paging.kind: number, "size": paging.size}, patient)
        if not found:
            _check_total(reply, paging, seen)
            yield reply, []
            return
        digest = _digest(found)
        if digest == before:
            raise Refused(f"The system gives the same page again: it does not heed the {paging.kind}.")
        yield reply, found
        before, seen = digest, seen + len(found)
        number += 1 if paging.kind == "page" else len(found)
    raise Refused("The system's list has no end.")


def _linked(client: Client, call: SoapCall, paging: Paging, known: Mapping[str, Json], patient: bool) -> Pages:
    token: str | None = None
    visited, seen = {hashlib.sha256(b"").digest()}, 0
    for _ in range(MAX_PAGES):
        reply, found = _page(client, call, {**known, "cursor": token, "size": paging.size}, patient)
        there = at(reply.content, paging.path)
        token = there.text if isinstance(there, Node) and not there.is_empty() else None
        seen += len(found)
        if token is None:
            _check_total(reply, paging, seen)
        yield reply, found
        if token is None:
            return
        digest = hashlib.sha256(token.encode()).digest()
        if digest in visited:
            raise Refused("The system's list leads back to a page that was read already.")
        visited.add(digest)
    raise Refused("The system's list has no end.")


def _check_total(reply: Reply, paging: Paging, seen: int) -> None:
    total = "" if paging.total is None else key(reply.content, paging.total)
    if total.isascii() and total.isdecimal() and len(total) < 12 and int(total) > seen:
        raise Outage("The system's list ended before it had listed as many as it says there are.")


def _digest(nodes: list[Node]) -> bytes:
    digest = hashlib.sha256()
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        digest.update(f"{len(node.name)}:{node.name}{len(node.text)}:{node.text}{len(node.children)}".encode())
        for each in node.children.values():
            waiting.extend(reversed(each))
    return digest.digest()
