"""Which elements of a SOAP service's answers are people, and what do they say?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.bridges.http.wire import AT_ONCE
from gateway.bridges.port import RemoteMember
from gateway.bridges.soap.calls import SoapCall
from gateway.bridges.soap.client import Client
from gateway.bridges.soap.faults import Nobody
from gateway.bridges.soap.listing import listed
from gateway.bridges.soap.places import member
from gateway.bridges.soap.reading import Node

Left = Callable[[], float]
"""How many seconds the next call may take; raises an outage when there are none."""


def reader(client: Client, call: SoapCall, fields: Mapping[str, str]) -> Callable[[Node], RemoteMember]:
    """Reads members as the WSDL says: which columns are numbers, and that interests are a list also if there is one."""
    contract = client.contract()
    numbers = frozenset(name for name, path in fields.items() if contract.is_number(call.operation, call.result, path))
    wanted = dict(fields)
    interests = wanted.get("interests", "")
    if interests and not interests.endswith(".*") and contract.repeats(call.operation, call.result, interests):
        wanted["interests"] = interests + ".*"
    return lambda node: member(node, wanted, numbers)


def asked_for(client: Client, call: SoapCall, remote_ids: Sequence[str], left: Left) -> list[tuple[str | None, Node]]:
    """What the service says of these people: in one call, or in one a person, a few at a time, with whom it was asked.

    The first call that fails ends them all. Raises Outage, Refused.
    """
    def ask(remote_id: str) -> list[tuple[str | None, Node]]:
        return [(remote_id, node) for node in _found(client, call, {"remote_id": remote_id}, left)]

    people = list(dict.fromkeys(remote_ids))
    if "remote_ids" in call.slots():
        return [(None, node) for node in _found(client, call, {"remote_ids": people}, left)] if people else []
    if len(people) < 2:
        return [each for remote_id in people for each in ask(remote_id)]
    client.contract(left())
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        waiting = [pool.submit(ask, remote_id) for remote_id in people]
        try:
            return [each for some in waiting for each in some.result()]
        finally:
            pool.shutdown(cancel_futures=True)


def _found(client: Client, call: SoapCall, known: Mapping[str, object], left: Left) -> list[Node]:
    try:
        reply = client.call(call, known, left())  # type: ignore[arg-type]
    except Nobody:
        return []
    nodes = listed(client, call, reply.content) if call.result else [reply.content]
    return [node for node in nodes if not node.is_empty()]
