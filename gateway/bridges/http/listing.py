"""How is the whole list of a system read, page by page, without taking a part of it for the whole?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from urllib.parse import quote

from gateway.bridges.http.client import Client, parsed
from gateway.bridges.http.keys import Paging
from gateway.bridges.http.places import Json, at
from gateway.bridges.http.wire import Answer
from gateway.bridges.port import Outage, Refused

MAX_PAGES = 200_000


def with_parameter(url: str, name: str, value: object) -> str:
    """The address with one more parameter."""
    return f"{url}{'&' if '?' in url else '?'}{quote(name)}={quote(str(value), safe='')}"


def items(value: Json, path: str) -> list[Json]:
    """The list at a path of an answer. Raises :class:`Refused` if there is none."""
    found = at(value, path)
    if not isinstance(found, list):
        where = f"at '{path}'" if path else "as its whole"
        raise Refused(f"The system's answer has no list {where}. Check the bridge's configuration.")
    return found


def pages(client: Client, url: str, path: str, paging: Paging | None, *,
          patient: bool = True) -> Iterator[tuple[Answer, list[Json]]]:
    """Every page of the list and what it lists, in order; ends only where the system shows that there is no more.

    ``patient``: waits when a busy system says for how long; not where a person waits for the list.

    A page that is shorter than asked for is not the last one: only an empty one is, or one that names no next. Raises
    :class:`Outage` where the list breaks off, :class:`Refused` where it turns in circles.
    """
    if paging is None:
        answer = client.get(url, patient=patient)
        yield answer, items(parsed(answer), path)
    elif paging.kind == "next":
        yield from _linked(client, url, path, paging, patient)
    else:
        yield from _counted(client, url, path, paging, patient)


def _counted(client: Client, url: str, path: str, paging: Paging,
             patient: bool) -> Iterator[tuple[Answer, list[Json]]]:
    if paging.size_parameter is not None:
        url = with_parameter(url, paging.size_parameter, paging.size)
    number, seen, before = paging.first, 0, b""
    for _ in range(MAX_PAGES):
        answer = client.get(with_parameter(url, paging.parameter, number), patient=patient)
        value = parsed(answer)
        listed = items(value, path)
        if not listed:
            _check_total(value, paging, seen)
            yield answer, []
            return
        digest = hashlib.sha256(json.dumps(listed).encode()).digest()
        if digest == before:
            raise Refused(f"The system gives the same page again: it does not heed the parameter {paging.parameter}.")
        yield answer, listed
        before, seen = digest, seen + len(listed)
        number += 1 if paging.kind == "page" else len(listed)
    raise Refused("The system's list has no end.")


def _check_total(value: Json, paging: Paging, seen: int) -> None:
    total = None if paging.total is None else at(value, paging.total)
    if isinstance(total, int) and not isinstance(total, bool) and total > seen:
        raise Outage("The system's list ended before it had listed as many as it says there are.")


def _linked(client: Client, url: str, path: str, paging: Paging,
            patient: bool) -> Iterator[tuple[Answer, list[Json]]]:
    visited = set()
    for _ in range(MAX_PAGES):
        visited.add(hashlib.sha256(url.encode()).digest())
        answer = client.get(url, patient=patient)
        value = parsed(answer)
        yield answer, items(value, path)
        found = at(value, paging.path) if paging.path else _link(answer)
        if found is None or found == "":
            return
        if not isinstance(found, str):
            raise Refused(f"The system's answer has no address at '{paging.path}'. Check the bridge's configuration.")
        url = client.same_origin(found, url)
        if hashlib.sha256(url.encode()).digest() in visited:
            raise Refused("The system's list leads back to a page that was read already.")
    raise Refused("The system's list has no end.")


def _link(answer: Answer) -> str | None:
    """The address that the header ``Link`` calls the next."""
    for part in answer.headers.get("link", "").split(","):
        address, *attributes = part.split(";")
        names = {attribute.replace('"', "").replace(" ", "").lower() for attribute in attributes}
        if "rel=next" in names:
            return address.strip().removeprefix("<").removesuffix(">")
    return None
