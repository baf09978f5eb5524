"""What does a REST interface say now of some fields of up to 200 people?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.bridges import rows
from gateway.bridges.http.calls import filled_path
from gateway.bridges.http.client import Client, NotThere, parsed
from gateway.bridges.http.listing import items, with_parameter
from gateway.bridges.http.offers import ALL_IDS, Values
from gateway.bridges.http.places import Json, at, shown
from gateway.bridges.http.wire import AT_ONCE
from gateway.bridges.port import Refused

Left = Callable[[], float]
"""How many seconds the next request may take; raises an outage when there are none."""


def fetch(client: Client, asked: Values, remote_ids: Sequence[str], wanted: Mapping[str, str],
          left: Left) -> dict[str, dict[str, str]]:
    """remote ID -> field -> text. ``wanted``: the fields, and where they stand. Raises Outage, Refused."""
    people = list(dict.fromkeys(remote_ids))
    found = _each(client, asked, people, left) if asked.one_by_one else _together(client, asked, people, left)
    told: dict[str, dict[str, str]] = {}
    for remote_id, person in found:
        values = {name: shown(at(person, where)) for name, where in wanted.items()}
        told.setdefault(remote_id, {name: text for name, text in values.items() if text is not None})
    return told


def _together(client: Client, asked: Values, people: Sequence[str], left: Left) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for start in range(0, len(people), asked.size):
        some = people[start:start + asked.size]
        url = client.url(asked.path)
        if asked.body is not None:
            answer = client.search(url, _with_ids(asked.body, some), left())
        else:
            answer = client.get(with_parameter(url, asked.parameter or "", asked.separator.join(some)), left())
        known = frozenset(some)
        keyed = ((_key(each, asked), each) for each in items(parsed(answer), asked.items))
        found += [(key, each) for key, each in keyed if key in known]
    return found


def _each(client: Client, asked: Values, people: Sequence[str], left: Left) -> list[tuple[str, Json]]:
    """One request a person, a few at a time; the first that fails ends them all."""
    def ask(remote_id: str) -> tuple[str, Json] | None:
        try:
            url = client.url(filled_path(asked.path, {"remote_id": remote_id}))
        except Refused:
            return None  # an ID that cannot be part of an address is nobody's
        try:
            one = at(parsed(client.get(url, left())), asked.items)
        except NotThere:
            return None
        for person in one if isinstance(one, list) else [one]:
            if person is not None and (asked.remote_id is None or _key(person, asked) == remote_id):
                return remote_id, person
        return None

    if len(people) == 1:
        found = [ask(people[0])]
    else:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
            waiting = [pool.submit(ask, remote_id) for remote_id in people]
            try:
                found = [each.result() for each in waiting]
            finally:
                pool.shutdown(cancel_futures=True)
    return [each for each in found if each is not None]


def _key(person: Json, asked: Values) -> str:
    return (rows.text(at(person, asked.remote_id or "")) or "").strip()


def _with_ids(body: Json, remote_ids: Sequence[str]) -> Json:
    if body == ALL_IDS:
        return list(remote_ids)
    if isinstance(body, dict):
        return {key: _with_ids(each, remote_ids) for key, each in body.items()}
    if isinstance(body, list):
        return [_with_ids(each, remote_ids) for each in body]
    return body
